//! Reading the progress that an event of the stream carries.

use serde::Deserialize;

use crate::domain::job::Stage;
use crate::domain::progress::Progress;
use crate::domain::self_edit::Format;
use crate::protocol::EventView;

/// The progress that an event tells of; none for other events, and for progress that a newer daemon made up.
pub fn progress(event: &EventView) -> Option<Progress> {
    ProgressRead::deserialize(&event.body).ok()
}

/// [`Progress`] as it is read: `domain` only writes it. The compiler checks that the two have the same fields.
#[derive(Deserialize)]
#[serde(remote = "Progress", tag = "event", rename_all = "snake_case")]
enum ProgressRead {
    Started { document: String, tokens: usize, passages: usize },
    Stage { stage: Stage },
    Probes { supplied: usize, written: usize, kept: usize, facts: usize },
    SelfEdit { candidate: usize, format: Format, rows: usize, discarded: Option<String> },
    Step { trial: String, step: usize, steps: usize, loss: f64 },
    Ranked { trial: String, rung: usize, gain: f64, goes_on: bool },
    Decided { accepted: bool, reasons: Vec<String> },
    Live { generation: String },
    Replayed { asked: usize, right: usize, lost: usize },
    Finished { verdict: String, reasons: Vec<String>, before: Option<f64>, after: Option<f64>, seconds: f64 },
}
