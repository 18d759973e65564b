//! Progress for a person at a terminal: the document, its stage and the steps of a trial, above them a line for each
//! document that is finished.

use std::time::Duration;

use console::Style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use seald_core::domain::job::Stage;
use seald_core::domain::progress::{Progress, Work};
use seald_terminal::document_progress::{
    DocumentProgress, best_words, calibrated, calibrating_words, ended, finished, heading, probes_words,
    tending_words,
};
use seald_terminal::words::{kind_words, size_words, stage_words, trial_words, work_words};
use seald_terminal::{Look, one_line};

/// Blanks before what belongs to a document.
const INDENT: &str = "    ";
/// Columns that the blanks and the clock take beside a heading.
const CLOCK: usize = 16;
/// Columns that bar, steps and loss take beside the name of a trial.
const BAR: usize = 52;

/// The view.
pub(crate) struct View {
    look: Look,
    documents: usize,
    number: usize,
    name: String,
    noted: DocumentProgress,
    multi: MultiProgress,
    /// Document and time gone.
    head: ProgressBar,
    /// Stage, and what is known of it.
    stage: ProgressBar,
    /// Steps of the trial under way.
    steps: Option<ProgressBar>,
    /// Trials under way: one, or several side by side.
    runs: Vec<Run>,
    under_way: Option<Stage>,
}

/// A trial in training, as [`Progress::Step`] tells of it.
struct Run {
    trial: String,
    step: usize,
    steps: usize,
    loss: f64,
}

impl View {
    /// Nothing is expected yet.
    pub(crate) fn new(look: Look, target: ProgressDrawTarget) -> Self {
        Self {
            look,
            documents: 0,
            number: 0,
            name: String::new(),
            noted: DocumentProgress::default(),
            multi: MultiProgress::with_draw_target(target),
            head: ProgressBar::hidden(),
            stage: ProgressBar::hidden(),
            steps: None,
            runs: Vec::new(),
            under_way: None,
        }
    }

    /// So many documents will come.
    pub(crate) fn expect(&mut self, documents: usize) {
        self.documents = documents;
    }

    /// Shows what happened.
    pub(crate) fn show(&mut self, event: &Progress) {
        self.noted.note(event);
        match event {
            Progress::Started { document, tokens, passages, seconds } => {
                self.start(document, &size_words(*tokens, *passages, *seconds));
            }
            Progress::Stage { stage } => {
                self.end_steps();
                self.under_way = Some(*stage);
                self.say("");
            }
            Progress::Working(work) => self.work(work),
            Progress::Probes { supplied, written, kept, facts } => {
                self.say(&probes_words(*supplied, *written, *kept, *facts));
            }
            Progress::SelfEdit { .. } => self.say(&self.noted.texts()),
            Progress::Step { trial, step, steps, loss } => {
                self.step(Run { trial: one_line(trial), step: *step, steps: *steps, loss: *loss });
            }
            Progress::Ranked { .. } => {
                self.runs.clear();
                self.say(&self.noted.best.as_ref().map(best_words).unwrap_or_default());
            }
            Progress::Decided { accepted, .. } => {
                self.say(if *accepted { "it passed" } else { "it did not pass" })
            }
            Progress::Live { generation } => self.say(&format!("{} is live", one_line(generation))),
            Progress::Replayed { asked: 0, .. } => {}
            Progress::Replayed { asked, right, lost } => {
                self.say(&format!("{right} of {asked} answers right, {lost} lost"));
            }
            Progress::Began { kind, .. } => self.begin(kind_words(*kind)),
            Progress::Compared { .. } | Progress::Sampled { .. } | Progress::Forgotten { .. } => {
                self.say(&tending_words(event).unwrap_or_default());
            }
            Progress::Calibrating { seconds } => self.begin(&calibrating_words(*seconds)),
            Progress::Calibrated { .. } => {
                self.end();
                // As below.
                let _ = self.multi.println(calibrated(event, &self.look).join("\n"));
            }
            Progress::Ended { .. } => {
                self.end();
                // As below.
                let _ = self.multi.println(ended(event, &self.look).join("\n"));
            }
            Progress::Finished { .. } => {
                self.end();
                let lines = finished(&self.name, event, &self.look);
                // Nobody is left to tell that the terminal is gone.
                let _ = self.multi.println(lines.join("\n"));
            }
        }
    }

    /// Takes away what moves.
    pub(crate) fn end(&mut self) {
        self.end_steps();
        for bar in [&self.stage, &self.head] {
            bar.finish_and_clear();
            self.multi.remove(bar);
        }
    }

    /// How far a piece of work is. Before the first document there is no stage that it belongs to.
    fn work(&mut self, work: &Work) {
        if self.under_way.is_some() {
            self.say(&work_words(work));
            return;
        }
        if self.stage.is_hidden() {
            self.stage = self.line("{msg}");
        }
        let words = if work.done < work.of { work_words(work) } else { String::new() };
        self.stage.set_message(self.look.cut(&words, self.look.width.saturating_sub(1)));
    }

    fn start(&mut self, document: &str, size: &str) {
        self.end();
        self.number += 1;
        (self.name, self.noted, self.under_way) = (one_line(document), DocumentProgress::default(), None);
        let room = self.look.width.saturating_sub(size.len() + CLOCK);
        let heading = heading(self.number, Some(self.documents.max(self.number)), document, room, &self.look);
        self.head = self.line("{msg}  {elapsed}");
        self.head.set_message(format!("{}  {size}", self.look.paint(Style::new().bold(), &heading)));
        self.head.enable_steady_tick(Duration::from_secs(1));
        self.stage = self.line("{msg}");
    }

    /// Begins with work that learns no document.
    fn begin(&mut self, what: &str) {
        self.end();
        (self.name, self.noted, self.under_way) = (what.to_string(), DocumentProgress::default(), None);
        self.head = self.line("{msg}  {elapsed}");
        self.head.set_message(self.look.paint(Style::new().bold(), what));
        self.head.enable_steady_tick(Duration::from_secs(1));
        self.stage = self.line("{msg}");
    }

    /// The stage in words, and `more` about it.
    fn say(&self, more: &str) {
        let stage = self.under_way.map(stage_words).unwrap_or_default();
        let text = if more.is_empty() { stage.to_string() } else { format!("{stage}: {more}") };
        let room = self.look.width.saturating_sub(INDENT.len() + 1);
        self.stage.set_message(format!("{INDENT}{}", self.look.cut(&text, room)));
    }

    fn step(&mut self, run: Run) {
        match self.runs.iter_mut().find(|other| other.trial == run.trial) {
            Some(known) => *known = run,
            None => {
                self.runs.retain(|other| other.step < other.steps);
                self.runs.push(run);
            }
        }
        let bar = self.steps.take().unwrap_or_else(|| self.line("    {bar:24} {pos:>3}/{len}  {msg}"));
        let sum = |of: fn(&Run) -> usize| self.runs.iter().map(|run| of(run) as u64).sum();
        let (steps, step): (u64, u64) = (sum(|run| run.steps), sum(|run| run.step));
        // Each of the two may draw: between them no more steps are to be done than there are.
        if step <= bar.length().unwrap_or(0) {
            bar.set_position(step);
            bar.set_length(steps);
        } else {
            bar.set_length(steps);
            bar.set_position(step);
        }
        let loss = self.runs.iter().map(|run| run.loss).sum::<f64>() / self.runs.len() as f64;
        let trial = match self.runs.as_slice() {
            [run] => run.trial.clone(),
            runs => format!("{} side by side", runs.len()),
        };
        let room = self.look.width.saturating_sub(BAR);
        bar.set_message(format!("loss {loss:.2}  {}", self.look.cut(&trial_words(&trial), room)));
        self.steps = Some(bar);
    }

    fn end_steps(&mut self) {
        self.runs.clear();
        if let Some(bar) = self.steps.take() {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
    }

    /// A line at the end of those shown.
    fn line(&self, template: &str) -> ProgressBar {
        let bar = self.multi.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars(self.look.sign("━╸ ", "=> ")));
        }
        bar
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::super::preview::samples::{events, plain};
    use super::*;

    fn screen() -> (InMemoryTerm, View) {
        let terminal = InMemoryTerm::new(24, 80);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut view = View::new(plain(80), target);
        view.expect(2);
        (terminal, view)
    }

    #[test]
    fn shows_document_stage_and_steps() {
        let (terminal, mut view) = screen();
        let first_trial = events().into_iter().take_while(|event| !matches!(event, Progress::Ranked { .. }));
        first_trial.for_each(|event| view.show(&event));
        // Drawing is limited in time; what would be drawn next is asked for.
        [&view.head, &view.stage, view.steps.as_ref().unwrap()].into_iter().for_each(ProgressBar::force_draw);
        let shown = terminal.contents();
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[0].starts_with("[1 of 2] Yiltonrk Trading  1,812 tokens, 4 passages  "), "{shown}");
        assert_eq!(lines[1], "    training on the texts", "{shown}");
        assert_eq!(lines[2], format!("    {}  20/20  loss 0.20  union", "━".repeat(24)), "{shown}");
        assert_eq!(lines.len(), 3, "{shown}");
    }

    #[test]
    fn trials_side_by_side_share_a_bar() {
        let (terminal, mut view) = screen();
        view.show(&Progress::Started { document: "a".into(), tokens: 1, passages: 1, seconds: None });
        view.show(&Progress::Stage { stage: Stage::Trials });
        for (trial, step, loss) in [("one", 1, 3.0), ("two", 1, 2.0), ("one", 2, 1.0)] {
            view.show(&Progress::Step { trial: trial.into(), step, steps: 4, loss });
        }
        view.steps.as_ref().unwrap().force_draw();
        let shown = terminal.contents();
        assert!(shown.lines().nth(2).unwrap().ends_with("   3/8  loss 1.50  2 side by side"), "{shown}");
    }

    #[test]
    fn leaves_a_line_for_each_finished_document() {
        let (terminal, mut view) = screen();
        events().iter().for_each(|event| view.show(event));
        view.end();
        assert_eq!(
            terminal.contents(),
            "\
✓ Yiltonrk Trading                  learned   63 % → 96 %           12 s
✗ 漁業組合の規則集 (second editio…  rejected  25 % → 30 %     1 min 15 s
    the gain in log p(answer) could be chance: its lower bound is -0.12 nats"
        );
    }
}
