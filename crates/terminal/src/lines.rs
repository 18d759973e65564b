//! Progress as plain lines for a log: one a stage, one a rung and one a longer training, none for single steps.

use std::time::{Duration, Instant};

use super::document_progress::{
    DocumentProgress, best_words, calibrated, calibrating_words, ended, finished, heading, probes_words,
    tending_words,
};
use super::look::{Look, columns, one_line};
use super::words::{about, count, kind_words, size_words, stage_words, task_words, work_words};
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::progress::{Progress, Task, Work};

/// Columns of a name in a log; nobody reads it through a window.
const NAME: usize = 100;

/// Seconds from which on a log says how long a piece of work will take.
const LONG: f64 = 5.0;
/// A log that is silent for longer, while work goes on, looks dead.
const SILENCE: Duration = Duration::from_secs(60);
/// Of a long training so many parts are told.
const QUARTERS: usize = 4;

/// Turns what happened into lines.
pub struct Lines {
    look: Look,
    documents: Option<usize>,
    number: usize,
    name: String,
    noted: DocumentProgress,
    rung: Option<Rung>,
    /// Work of this stage whose length was told.
    announced: Vec<Task>,
    /// When the last line was told, or the first event seen.
    told_at: Option<Timestamp>,
    /// The training under way.
    training: Option<Training>,
}

/// A training of which a step was seen.
struct Training {
    trial: String,
    /// The step that was seen first, and when.
    first: usize,
    since: Instant,
    /// The last quarter that was told; none before the first word.
    announced: Option<usize>,
}

/// A rung whose trials are being ranked.
struct Rung {
    rung: usize,
    trials: usize,
    go_on: usize,
}

impl Lines {
    /// For so many documents; none where nobody knows how many will come.
    pub fn new(documents: Option<usize>, look: Look) -> Self {
        Self {
            look,
            documents,
            number: 0,
            name: String::new(),
            noted: DocumentProgress::default(),
            rung: None,
            announced: Vec::new(),
            told_at: None,
            training: None,
        }
    }

    /// So many documents will come.
    pub fn expect(&mut self, documents: usize) {
        self.documents = Some(documents);
    }

    /// Takes up a document whose beginning was not told. Nothing changes if it is the one under way.
    pub fn join(&mut self, name: &str) {
        let name = one_line(name);
        if self.name != name {
            (self.name, self.noted, self.rung) = (name, DocumentProgress::default(), None);
        }
    }

    /// The lines for what happened now; often none.
    pub fn tell(&mut self, event: &Progress) -> Vec<String> {
        self.tell_at(event, Clock::System.now())
    }

    /// The lines for what happened at `at`. None for most of what passes, but after a minute of silence it is told how far the work is.
    pub fn tell_at(&mut self, event: &Progress, at: Timestamp) -> Vec<String> {
        let mut lines = self.lines_for(event);
        let since = *self.told_at.get_or_insert(at);
        if lines.is_empty() && at.0.saturating_sub(since.0) >= SILENCE.as_millis() as i64 {
            lines.extend(self.so_far(event).map(|words| format!("    {words}")));
        }
        if !lines.is_empty() {
            self.told_at = Some(at);
        }
        lines.iter().flat_map(|line| self.fitted(line.trim_end())).collect()
    }

    /// How far the work is that `event` is a part of; none where it does not say.
    fn so_far(&self, event: &Progress) -> Option<String> {
        match event {
            Progress::Working(work) if work.done < work.of => Some(work_words(work)),
            Progress::Step { step, steps, .. } => Some(format!("{step} of {steps} steps of training")),
            Progress::SelfEdit { .. } => Some(format!("{} so far", self.noted.texts())),
            Progress::Sampled { .. } => tending_words(event),
            _ => None,
        }
    }

    fn lines_for(&mut self, event: &Progress) -> Vec<String> {
        let mut lines: Vec<String> = self.before(event).into_iter().collect();
        self.noted.note(event);
        match event {
            Progress::Started { document, tokens, passages, seconds } => {
                self.number += 1;
                (self.name, self.noted, self.rung) = (one_line(document), DocumentProgress::default(), None);
                let documents = self.documents.map(|documents| documents.max(self.number));
                let heading = heading(self.number, documents, document, NAME, &self.look);
                lines.push(format!("{heading}: {}", size_words(*tokens, *passages, *seconds)));
            }
            Progress::Stage { stage } => {
                self.announced.clear();
                lines.push(format!("  {}", stage_words(*stage)));
            }
            Progress::Probes { supplied, written, kept, facts } => {
                lines.push(format!("    {}", probes_words(*supplied, *written, *kept, *facts)));
            }
            Progress::Ranked { rung, goes_on, .. } => {
                let ranked = self.rung.get_or_insert(Rung { rung: *rung, trials: 0, go_on: 0 });
                ranked.trials += 1;
                ranked.go_on += usize::from(*goes_on);
            }
            Progress::Decided { accepted: true, .. } => lines.push("    it passed".into()),
            Progress::Decided { accepted: false, .. } => lines.push("    it did not pass".into()),
            Progress::Live { generation } => lines.push(format!("    {} is live", one_line(generation))),
            // Before the first document nothing was learned that could be asked about.
            Progress::Replayed { asked: 0, .. } => {}
            Progress::Replayed { asked, right, lost } => {
                lines.push(format!("    {right} of {asked} answers right, {lost} lost"));
            }
            Progress::Finished { .. } => {
                lines.extend(finished(&self.name, event, &self.look));
            }
            Progress::Began { kind, reason } => {
                (self.name, self.noted, self.rung) =
                    (kind_words(*kind).into(), DocumentProgress::default(), None);
                lines.push(format!("{}: {}", kind_words(*kind), one_line(reason)));
            }
            Progress::Calibrating { seconds } => {
                (self.name, self.noted, self.rung) = (String::new(), DocumentProgress::default(), None);
                lines.push(calibrating_words(*seconds));
            }
            Progress::Calibrated { .. } => lines.extend(calibrated(event, &self.look)),
            Progress::Ended { .. } => lines.extend(ended(event, &self.look)),
            // One line a text would be hundreds; the last one of an examination says how it went.
            Progress::Sampled { written, of, .. } if written < of => {}
            Progress::Compared { .. } | Progress::Sampled { .. } | Progress::Forgotten { .. } => {
                lines.extend(tending_words(event).map(|words| format!("    {words}")));
            }
            Progress::Working(work) => lines.extend(self.announce(work)),
            Progress::Step { trial, step, steps, .. } => {
                lines.extend(self.announce_training(trial, *step, *steps, Instant::now()));
            }
            Progress::SelfEdit { .. } => {}
        }
        lines
    }

    /// A line in as many as a terminal has room for, each indented as it is.
    fn fitted(&self, line: &str) -> Vec<String> {
        let indent = line.len() - line.trim_start().len();
        if !self.look.terminal || columns(line) <= self.look.width {
            return vec![line.to_string()];
        }
        self.look.wrapped(line.trim_start(), indent).lines().map(String::from).collect()
    }

    /// Says once in a stage of a longer piece of work how long it will take: much is done in several turns, which would all read the same.
    fn announce(&mut self, work: &Work) -> Option<String> {
        let new = !self.announced.contains(&work.task);
        let left = work.seconds_left().filter(|left| *left >= LONG && new)?;
        self.announced.push(work.task);
        Some(format!("    {}: about {}", task_words(work.task), about(left)))
    }

    /// Says of a longer training how long it will take, as its steps so far let one expect, and at each quarter how long is left.
    fn announce_training(&mut self, trial: &str, step: usize, steps: usize, now: Instant) -> Option<String> {
        let Some(training) = self.training.as_mut().filter(|one| one.trial == trial && one.first < step)
        else {
            let (trial, first) = (trial.to_string(), step);
            self.training = Some(Training { trial, first, since: now, announced: None });
            return None;
        };
        let each = (now - training.since).as_secs_f64() / (step - training.first) as f64;
        let left = each * steps.saturating_sub(step) as f64;
        let quarter = QUARTERS * step / steps.max(1);
        if left < LONG || training.announced.is_some_and(|announced| quarter <= announced) {
            return None;
        }
        Some(match training.announced.replace(quarter) {
            None => format!("    {steps} steps of training: about {}", about(left)),
            Some(_) => format!("    {step} of {steps} steps of training: about {} left", about(left)),
        })
    }

    /// What has to be said of the past before `event`: texts when their stage is over, a rung when the next one is ranked.
    fn before(&mut self, event: &Progress) -> Option<String> {
        let over =
            matches!(event, Progress::Stage { .. } | Progress::Decided { .. } | Progress::Finished { .. });
        let next_rung = |now: usize| matches!(event, Progress::Ranked { rung, .. } if *rung != now);
        if let Some(Rung { rung, trials, go_on }) = self.rung.take_if(|ranked| over || next_rung(ranked.rung))
        {
            let best = self.noted.best.as_ref().map(best_words).unwrap_or_default();
            let ways = count(trials, "way");
            let on = if go_on == 1 { "1 goes on".to_string() } else { format!("{go_on} go on") };
            return Some(format!("    {ways} to study it tried (round {}), {on}; {best}", rung + 1));
        }
        if over && self.noted.written > 0 {
            let said = format!("    {}", self.noted.texts());
            (self.noted.written, self.noted.discarded) = (0, 0);
            return Some(said);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::domain::job::Stage;

    #[test]
    fn a_calibration_is_told_from_its_beginning_to_what_it_found() {
        let mut lines =
            Lines::new(None, Look { width: 80, colour: false, unicode: true, ..Look::of_stderr() });
        let begun = lines.tell(&Progress::Calibrating { seconds: Some(740.0) });
        assert_eq!(begun, ["calibrating the model, once, about 12 minutes"]);
        assert_eq!(lines.tell(&Progress::Calibrating { seconds: None }), ["calibrating the model, once"]);
        let step = Progress::Step { trial: "calibration 5.3e-4".into(), step: 1, steps: 40, loss: 2.0 };
        assert!(lines.tell(&step).is_empty());
        let found = Progress::Calibrated { learning_rate: 8e-4, drift_budget: 0.0412, seconds: 725.0 };
        let small = Progress::Calibrated { learning_rate: 8e-4, drift_budget: 0.000_488, seconds: 725.0 };
        assert!(lines.tell(&small)[1].contains("drift budget 0.00049 nats"));
        let found = lines.tell(&found);
        assert_eq!(
            found,
            ["✓ calibrated (12 min 05 s)", "    learning rate 8.0e-4, drift budget 0.041 nats a token"]
        );
    }

    #[test]
    fn a_long_training_is_announced_and_told_at_each_quarter() {
        let look = Look { width: 80, colour: false, ..Look::of_stderr() };
        let mut lines = Lines::new(None, look);
        let begun = Instant::now();
        let mut told = |trial: &str, step, seconds| {
            lines.announce_training(trial, step, 101, begun + Duration::from_secs_f64(seconds))
        };
        assert_eq!(told("union", 1, 0.0), None, "nobody can tell yet");
        assert_eq!(told("union", 2, 2.0).unwrap(), "    101 steps of training: about 3 minutes");
        assert_eq!(told("union", 3, 4.0), None);
        assert_eq!(told("union", 25, 48.0), None);
        assert_eq!(told("union", 26, 50.0).unwrap(), "    26 of 101 steps of training: about 3 minutes left");
        assert_eq!(
            told("union", 51, 100.0).unwrap(),
            "    51 of 101 steps of training: about 2 minutes left"
        );
        assert_eq!(told("union", 52, 102.0), None);
        assert_eq!(told("union", 101, 200.0), None, "it is over");
        assert_eq!(told("another", 1, 5.0), None);
        assert_eq!(told("another", 2, 5.01), None, "a second is not long");
        assert_eq!(told("another", 3, 7.0).unwrap(), "    101 steps of training: about 2 minutes");
        assert_eq!(told("another", 1, 8.0), None, "the next document's of the same name");
        assert_eq!(told("another", 2, 10.0).unwrap(), "    101 steps of training: about 3 minutes");

        let since = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        lines.training = Some(Training { trial: "union".into(), first: 1, since, announced: None });
        let step = Progress::Step { trial: "union".into(), step: 2, steps: 101, loss: 2.0 };
        assert!(lines.tell(&step)[0].starts_with("    101 steps of training: about "));
    }

    #[test]
    fn long_work_is_announced_once() {
        let look = Look { width: 80, colour: false, ..Look::of_stderr() };
        let mut lines = Lines::new(None, look);
        let mut told =
            |task, done, seconds| lines.tell(&Progress::Working(Work { task, done, of: 100, seconds }));
        assert!(told(Task::WriteQuestions, 1, 0.3).is_empty(), "nobody can tell yet");
        assert_eq!(told(Task::WriteQuestions, 10, 20.0), ["    writing questions: about 3 minutes"]);
        assert!(told(Task::WriteQuestions, 20, 40.0).is_empty());
        assert!(told(Task::WriteQuestions, 100, 200.0).is_empty());
        assert!(told(Task::AnswerQuestions, 50, 2.0).is_empty(), "short work is not worth a line");
        assert!(told(Task::WriteQuestions, 50, 90.0).is_empty(), "more of the same");
        lines.tell(&Progress::Stage { stage: Stage::SelfEdits });
        let again = Work { task: Task::WriteQuestions, done: 50, of: 100, seconds: 90.0 };
        assert_eq!(lines.tell(&Progress::Working(again)), ["    writing questions: about 2 minutes"]);
    }

    #[test]
    fn a_minute_of_silence_ends_with_how_far_the_work_is() {
        let mut lines = Lines::new(None, Look { width: 80, colour: false, ..Look::of_stderr() });
        let work = |done| Progress::Working(Work { task: Task::WriteTexts, done, of: 100, seconds: 1.0 });
        let at = |seconds: i64| Timestamp(1_000_000 + seconds * 1000);
        let begun = lines.tell_at(&Progress::Stage { stage: Stage::SelfEdits }, at(0));
        assert_eq!(begun, ["  writing texts to learn it from"]);
        assert!(lines.tell_at(&work(1), at(59)).is_empty());
        assert_eq!(lines.tell_at(&work(1), at(60)), ["    writing texts: 1 % of this step"]);
        assert!(lines.tell_at(&work(1), at(119)).is_empty(), "a minute from the last line");
        assert!(lines.tell_at(&work(100), at(130)).is_empty(), "what is done is told by what follows");
        let step = Progress::Step { trial: "union of 8".into(), step: 7, steps: 90, loss: 1.0 };
        assert_eq!(lines.tell_at(&step, at(140)), ["    7 of 90 steps of training"]);
        let directive = seald_core::domain::self_edit::Format::KeyFacts;
        let text = Progress::SelfEdit { candidate: 0, format: directive, rows: 3, discarded: None };
        assert!(lines.tell_at(&text, at(150)).is_empty());
        assert_eq!(lines.tell_at(&text, at(200)), ["    2 texts written so far"]);
    }

    #[test]
    fn a_replay_that_asked_nothing_is_not_told() {
        let mut lines = Lines::new(None, Look { width: 80, colour: false, ..Look::of_stderr() });
        assert!(lines.tell(&Progress::Replayed { asked: 0, right: 0, lost: 0 }).is_empty());
        let told = lines.tell(&Progress::Replayed { asked: 5, right: 4, lost: 1 });
        assert_eq!(told, ["    4 of 5 answers right, 1 lost"]);
    }
}
