//! What is noted of the document under way, and the words for it that every way of showing progress shares.

use super::calibration;
use super::look::{Look, columns, one_line};
use super::words::{about, count, duration, kind_words, probable_words, trial_words};
use seald_core::domain::document::DocumentState;
use seald_core::domain::progress::Progress;
use seald_core::domain::writer::Whose;

/// Columns of a name in the line of a finished document.
const NAME: usize = 32;

/// Texts tried so far and how far they got, for both ways of showing.
#[derive(Debug, Default)]
pub struct DocumentProgress {
    /// Self-edits written.
    pub written: usize,
    /// Of those, discarded.
    pub discarded: usize,
    /// The best trial so far and its gain, nats a question.
    pub best: Option<(String, f64)>,
}

impl DocumentProgress {
    /// Takes note of what happened to the document under way.
    pub fn note(&mut self, event: &Progress) {
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
    pub fn texts(&self) -> String {
        let discarded =
            if self.discarded > 0 { format!(", {} discarded", self.discarded) } else { String::new() };
        format!("{} written{discarded}", count(self.written, "text"))
    }
}

/// `24 questions: 4 supplied, 20 kept of 30 written; they ask for 8 facts`.
pub fn probes_words(supplied: usize, written: usize, kept: usize, facts: usize) -> String {
    let own = if supplied > 0 { format!("{supplied} supplied, ") } else { String::new() };
    let asks = count(facts, "fact");
    format!("{}: {own}{kept} kept of {written} written; {asks}", count(supplied + kept, "question"))
}

/// `the best makes right answers 2.3 times more probable (+0.84 nats; key facts, learning rate 1e-3, 10 epochs)`.
pub fn best_words((trial, gain): &(String, f64)) -> String {
    format!(
        "the best makes right answers {} ({gain:+.2} nats; {})",
        probable_words(*gain),
        trial_words(trial)
    )
}

/// What happened in work that learns no document; none for what every job tells.
pub fn tending_words(event: &Progress) -> Option<String> {
    match event {
        Progress::Compared { asked, before, after, accepted, .. } => {
            let verdict = if *accepted { "it is no worse" } else { "the live model stays" };
            Some(format!(
                "of {} the live model answers {before} right, the new one {after}: {verdict}",
                count(*asked, "question")
            ))
        }
        Progress::Sampled { whose, written, of, reward } => {
            let whose = match whose {
                Whose::Present => "present",
                Whose::New => "new",
            };
            Some(format!(
                "{written} of {of} texts written; the {whose} writer's last made right answers {}",
                probable_words(*reward)
            ))
        }
        Progress::Forgotten { documents, files, adapters } => Some(format!(
            "removed {}, {} and {}",
            count(*documents, "document"),
            count(*files, "file"),
            count(*adapters, "adapter")
        )),
        _ => None,
    }
}

/// `calibrating the model, once, about 12 minutes`.
pub fn calibrating_words(seconds: Option<f64>) -> String {
    let time = seconds.map(|seconds| format!(", about {}", about(seconds))).unwrap_or_default();
    format!("calibrating the model, once{time}")
}

/// What a calibration found: a line.
pub fn calibrated(event: &Progress, look: &Look) -> Vec<String> {
    let Progress::Calibrated { learning_rate, drift_budget, seconds } = event else { return Vec::new() };
    let (sign, style) = look.verdict(DocumentState::Learned);
    let found = calibration::settings(*learning_rate, *drift_budget);
    let head = format!("{} calibrated ({})", look.paint(style, sign), duration(*seconds));
    std::iter::once(head).chain(look.wrapped(&found, 4).lines().map(String::from)).collect()
}

/// What came of work that learns no document: a line.
pub fn ended(event: &Progress, look: &Look) -> Vec<String> {
    let Progress::Ended { kind, done, outcome, seconds } = event else { return Vec::new() };
    let (sign, style) = look.verdict(if *done { DocumentState::Learned } else { DocumentState::Rejected });
    let head = format!("{} {} ({})", look.paint(style, sign), kind_words(*kind), duration(*seconds));
    std::iter::once(head)
        .chain(look.wrapped(&look.hints(&one_line(outcome)), 4).lines().map(String::from))
        .collect()
}

/// What is left of a document when it is finished: one line, and beneath it why not.
pub fn finished(name: &str, event: &Progress, look: &Look) -> Vec<String> {
    let Progress::Finished { verdict, reasons, before, after, seconds } = event else { return Vec::new() };
    let (sign, style) = look.verdict(*verdict);
    let accuracies = match (before, after) {
        (Some(before), Some(after)) => look.change(*before, *after),
        _ => String::new(),
    };
    let name_width = NAME.max(look.width.saturating_sub(48)).min(48);
    let name = look.fit(name, name_width);
    let words = look.fit(verdict.as_str(), "rejected".len());
    let line = format!(
        "{} {name}  {}  {accuracies:<14}  {:>10}",
        look.paint(style.clone(), sign),
        look.paint(style, &words),
        duration(*seconds)
    );
    let mut lines = vec![line];
    if *verdict != DocumentState::Learned {
        let wrapped = reasons.iter().map(|reason| look.wrapped(&look.hints(&one_line(reason)), 4));
        lines.extend(wrapped.flat_map(|text| text.lines().map(String::from).collect::<Vec<_>>()));
    }
    lines
}

/// `[3 of 12] Harbour rules`, cut to `width` columns; the name alone where nobody knows how many there are.
pub fn heading(number: usize, documents: Option<usize>, name: &str, width: usize, look: &Look) -> String {
    let place = documents.map_or_else(String::new, |documents| format!("[{number} of {documents}] "));
    let room = width.saturating_sub(columns(&place));
    format!("{place}{}", look.cut(&one_line(name), room))
}
