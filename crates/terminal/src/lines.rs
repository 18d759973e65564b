//! Progress as plain lines for a log: one a stage, one a rung and one a longer training, none for single steps.

use std::time::Instant;

use super::look::{Look, columns, one_line};
use super::noted::{
    Noted, best_words, calibrated, calibrating_words, ended, finished, heading, probes_words, tending_words,
};
use super::words::{about, count, kind_words, size_words, stage_words, task_words};
use seald_core::domain::progress::{Progress, Task, Work};

/// Columns of a name in a log; nobody reads it through a window.
const NAME: usize = 100;

/// Seconds from which on a log says how long a piece of work will take.
const LONG: f64 = 5.0;
/// Of a long training so many parts are told.
const QUARTERS: usize = 4;

/// Turns what happened into lines.
pub struct Lines {
    look: Look,
    documents: Option<usize>,
    number: usize,
    name: String,
    noted: Noted,
    rung: Option<Rung>,
    /// The work under way, if its length was told.
    announced: Option<Task>,
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
            noted: Noted::default(),
            rung: None,
            announced: None,
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
            (self.name, self.noted, self.rung) = (name, Noted::default(), None);
        }
    }

    /// The lines for what happened; often none.
    pub fn tell(&mut self, event: &Progress) -> Vec<String> {
        let mut lines: Vec<String> = self.before(event).into_iter().collect();
        self.noted.note(event);
        match event {
            Progress::Started { document, tokens, passages, seconds } => {
                self.number += 1;
                (self.name, self.noted, self.rung) = (one_line(document), Noted::default(), None);
                let documents = self.documents.map(|documents| documents.max(self.number));
                let heading = heading(self.number, documents, document, NAME, &self.look);
                lines.push(format!("{heading}: {}", size_words(*tokens, *passages, *seconds)));
            }
            Progress::Stage { stage } => lines.push(format!("  {}", stage_words(*stage))),
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
            Progress::Replayed { asked, right, lost } => {
                lines.push(format!("    {right} of {asked} answers right, {lost} lost"));
            }
            Progress::Finished { .. } => {
                lines.extend(finished(&self.name, event, &self.look));
            }
            Progress::Began { kind, reason } => {
                (self.name, self.noted, self.rung) = (kind_words(*kind).into(), Noted::default(), None);
                lines.push(format!("{}: {}", kind_words(*kind), one_line(reason)));
            }
            Progress::Calibrating { seconds } => {
                (self.name, self.noted, self.rung) = (String::new(), Noted::default(), None);
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
        lines.iter().flat_map(|line| self.fitted(line.trim_end())).collect()
    }

    /// A line in as many as a terminal has room for, each indented as it is.
    fn fitted(&self, line: &str) -> Vec<String> {
        let indent = line.len() - line.trim_start().len();
        if !self.look.terminal || columns(line) <= self.look.width {
            return vec![line.to_string()];
        }
        self.look.wrapped(line.trim_start(), indent).lines().map(String::from).collect()
    }

    /// Says once of a longer piece of work how long it will take.
    fn announce(&mut self, work: &Work) -> Option<String> {
        if work.done >= work.of {
            self.announced = None;
            return None;
        }
        let left = work.seconds_left().filter(|left| *left >= LONG && self.announced != Some(work.task))?;
        self.announced = Some(work.task);
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
    use std::time::Duration;

    use super::*;

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
        assert_eq!(told(Task::WriteQuestions, 50, 90.0), ["    writing questions: about 2 minutes"]);
    }
}
