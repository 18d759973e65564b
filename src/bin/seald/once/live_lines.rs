//! Progress as plain lines for a log: one a stage and one a rung, none for single steps.

use seald::domain::progress::Progress;

use super::live::{Noted, best_words, finished, heading, probes_words};
use super::look::{Look, one_line, stage_words};
use crate::output::count;

/// Columns of a name in a log; nobody reads it through a window.
const NAME: usize = 100;

/// Turns what happened into lines.
pub(crate) struct Lines {
    look: Look,
    documents: usize,
    number: usize,
    name: String,
    noted: Noted,
    rung: Option<Rung>,
}

/// A rung whose trials are being ranked.
struct Rung {
    rung: usize,
    trials: usize,
    go_on: usize,
}

impl Lines {
    /// For so many documents.
    pub(crate) fn new(documents: usize, look: Look) -> Self {
        Self { look, documents, number: 0, name: String::new(), noted: Noted::default(), rung: None }
    }

    /// The lines for what happened; often none.
    pub(crate) fn tell(&mut self, event: &Progress) -> Vec<String> {
        let mut lines: Vec<String> = self.before(event).into_iter().collect();
        self.noted.note(event);
        match event {
            Progress::Started { document, tokens, passages } => {
                self.number += 1;
                (self.name, self.noted) = (one_line(document), Noted::default());
                let heading =
                    heading(self.number, self.documents.max(self.number), document, NAME, &self.look);
                lines.push(format!(
                    "{heading}: {}, {}",
                    count(*tokens, "token"),
                    count(*passages, "passage")
                ));
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
            Progress::SelfEdit { .. } | Progress::Step { .. } => {}
        }
        lines.iter().map(|line| line.trim_end().to_string()).collect()
    }

    /// What has to be said of the past before `event`: texts when their stage is over, a rung when the next one is ranked.
    fn before(&mut self, event: &Progress) -> Option<String> {
        let over =
            matches!(event, Progress::Stage { .. } | Progress::Decided { .. } | Progress::Finished { .. });
        let next_rung = |now: usize| matches!(event, Progress::Ranked { rung, .. } if *rung != now);
        if let Some(Rung { rung, trials, go_on }) = self.rung.take_if(|ranked| over || next_rung(ranked.rung))
        {
            let best = self.noted.best.as_ref().map(best_words).unwrap_or_default();
            return Some(format!("    round {}: {trials} tried, {go_on} kept on; {best}", rung + 1));
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
    use super::super::preview::{events, golden, plain};
    use super::*;

    #[test]
    fn a_log_has_a_line_a_stage_and_a_rung() {
        let mut lines = Lines::new(2, plain(80));
        let told: Vec<String> = events().iter().flat_map(|event| lines.tell(event)).collect();
        golden("live_lines", &(told.join("\n") + "\n"));
    }

    #[test]
    fn a_job_that_fails_at_once_still_ends_in_a_line() {
        let mut lines = Lines::new(1, Look { unicode: false, ..plain(80) });
        let mut tell = |event| lines.tell(&event);
        tell(Progress::Started { document: "a\u{1b}[2J\nb".into(), tokens: 1, passages: 1 });
        let ranked = Progress::Ranked { trial: "union".into(), rung: 0, gain: -0.5, goes_on: true };
        assert!(tell(ranked).is_empty());
        let (verdict, reasons) = ("failed".into(), vec!["the loss\n is not finite".to_string()]);
        let told = tell(Progress::Finished { verdict, reasons, before: None, after: None, seconds: 0.42 });
        assert_eq!(told[0], "    round 1: 1 tried, 1 kept on; best gain -0.50 nats: union");
        assert_eq!(
            told[1].split_whitespace().collect::<Vec<_>>(),
            ["!", "a", "[2J", "b", "failed", "0.4", "s"]
        );
        assert_eq!(told[2..], ["    the loss is not finite"], "no gate told the reason, the document does");
    }
}
