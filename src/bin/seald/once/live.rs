//! Learning while it is under way: a few lines that change at a terminal, plain lines elsewhere.

use indicatif::ProgressDrawTarget;
use seald::domain::document::DocumentState;
use seald::domain::progress::Progress;

use super::live_lines::Lines;
use super::live_view::View;
use super::look::{Look, columns, one_line, percent, verdict_words};
use crate::output::{self, duration, say};

/// Columns of a name in the line of a finished document.
const NAME: usize = 32;

/// What is shown on stderr while documents are learned.
pub(crate) enum Live {
    /// For a person at a terminal.
    View(Box<View>),
    /// For a log.
    Lines(Lines),
}

impl Live {
    /// For so many documents.
    pub(crate) fn new(documents: usize) -> Self {
        let look = Look::of_stderr();
        if output::watched() {
            Self::View(Box::new(View::new(documents, look, ProgressDrawTarget::stderr())))
        } else {
            Self::Lines(Lines::new(documents, look))
        }
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, event: &Progress) {
        match self {
            Self::View(view) => view.show(event),
            Self::Lines(lines) => lines.tell(event).iter().for_each(say),
        }
    }

    /// Takes away what still moves; the lines of finished documents stay, and what follows begins on a new line.
    pub(crate) fn end(self) {
        if let Self::View(mut view) = self {
            view.end();
            // The view fills its last line to the edge and leaves the cursor there.
            say("");
        }
    }
}

/// Texts tried so far and how far they got, for both ways of showing.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Self-edits written.
    pub(super) written: usize,
    /// Of those, discarded.
    pub(super) discarded: usize,
    /// The best trial so far and its gain, nats a question.
    pub(super) best: Option<(String, f64)>,
}

impl Noted {
    /// Takes note of what happened to the document under way.
    pub(super) fn note(&mut self, event: &Progress) {
        match event {
            Progress::SelfEdit { discarded, .. } => {
                self.written += 1;
                self.discarded += usize::from(discarded.is_some());
            }
            Progress::Ranked { trial, gain, .. }
                if self.best.as_ref().is_none_or(|(_, best)| gain > best) =>
            {
                self.best = Some((one_line(trial), *gain));
            }
            _ => {}
        }
    }

    /// `8 texts written, 1 discarded`.
    pub(super) fn texts(&self) -> String {
        let discarded =
            if self.discarded > 0 { format!(", {} discarded", self.discarded) } else { String::new() };
        format!("{} written{discarded}", output::count(self.written, "text"))
    }
}

/// `24 questions: 4 supplied, 20 kept of 30 written; they ask for 8 facts`.
pub(super) fn probes_words(supplied: usize, written: usize, kept: usize, facts: usize) -> String {
    let own = if supplied > 0 { format!("{supplied} supplied, ") } else { String::new() };
    let asks = output::count(facts, "fact");
    format!("{}: {own}{kept} kept of {written} written; {asks}", output::count(supplied + kept, "question"))
}

/// `best gain +0.84 nats: key_facts 1e-3 x10`.
pub(super) fn best_words((trial, gain): &(String, f64)) -> String {
    format!("best gain {gain:+.2} nats: {trial}")
}

/// What is left of a document when it is finished: one line, and beneath it why not.
pub(super) fn finished(name: &str, event: &Progress, look: &Look) -> Vec<String> {
    let Progress::Finished { verdict, reasons, before, after, seconds } = event else { return Vec::new() };
    let state: Option<DocumentState> = verdict.parse().ok();
    let (sign, style) = look.verdict(state.unwrap_or(DocumentState::Failed));
    let words = state.map_or_else(|| one_line(verdict), |state| verdict_words(state).to_string());
    let accuracies = match (before, after) {
        (Some(before), Some(after)) => {
            format!("{} {} {}", percent(*before), look.sign("→", "->"), percent(*after))
        }
        _ => String::new(),
    };
    let name_width = NAME.max(look.width.saturating_sub(48)).min(48);
    let name = look.fit(name, name_width);
    let words = look.fit(&words, "turned away".len());
    let line = format!(
        "{} {name}  {}  {accuracies:<14}  {:>10}",
        look.paint(style.clone(), sign),
        look.paint(style, &words),
        duration(*seconds)
    );
    let mut lines = vec![line];
    if state != Some(DocumentState::Accepted) {
        let wrapped = reasons.iter().map(|reason| super::table::wrapped(&one_line(reason), 4, look));
        lines.extend(wrapped.flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>()));
    }
    lines
}

/// `[3 of 12] Harbour rules`, cut to `width` columns.
pub(super) fn heading(number: usize, documents: usize, name: &str, width: usize, look: &Look) -> String {
    let place = format!("[{number} of {documents}] ");
    let room = width.saturating_sub(columns(&place));
    format!("{place}{}", look.cut(&one_line(name), room))
}
