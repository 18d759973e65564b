//! What the daemon is doing, what it knows, what it forgot and what comes next: one view for `sealctl status`, the
//! metrics and whoever asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::share::Share;
use crate::clock::Timestamp;
use crate::domain::ids::{DocumentId, JobId};
use crate::domain::job::{JobKind, Stage};
use crate::domain::progress::Work;

/// The daemon at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusView {
    /// Version of the program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The folder it works in.
    pub root: String,
    /// Where documents are dropped.
    pub inbox: String,
    /// What it is doing.
    pub activity: Activity,
    /// How far it is with a piece of that; left out where nothing can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// About how long what waits will take.
    #[serde(default)]
    pub time_left: TimeLeft,
    /// Why it does not learn now, if it does not.
    pub held: Option<Held>,
    /// The base model.
    pub model: ModelState,
    /// Documents by what became of them.
    pub documents: DocumentCounts,
    /// What the live generation knows.
    pub knowledge: KnowledgeView,
    /// Scheduled work, soonest first.
    pub next: Vec<NextRun>,
    /// Servers that are to answer with the live generation, as `serve_to` names them; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serve_to: Vec<ServingView>,
    /// What a person should look at, in words; empty when all is well.
    pub problems: Vec<String>,
}

/// About how long what waits will take: from the times of the documents that this model learned last, else from the speeds
/// that were measured when it was calibrated or opened. How long learning is held is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TimeLeft {
    /// Seconds until the document under way is learned or rejected; 0 where it took longer than foretold; none where no document is
    /// under way, or nothing foretells it.
    pub document: Option<f64>,
    /// Seconds until that is so for all that wait; none where none does, or nothing foretells it.
    pub all: Option<f64>,
}

/// What the daemon is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Activity {
    /// Nothing waits.
    #[default]
    Idle,
    /// The base model is being opened.
    Opening,
    /// The base model is being calibrated, once, before it learns its first document.
    Calibrating(Calibrating),
    /// A document is being learned.
    Learning(Learning),
    /// Everything is trained anew, a writer is trained, or a document is forgotten.
    Tending(Tending),
    /// Earlier documents are being asked about.
    Replaying {
        /// Since when.
        since: Timestamp,
    },
    /// It is on its way down.
    Stopping,
}

impl Activity {
    /// The training under way, if one is.
    pub fn trial(&self) -> Option<&TrialProgress> {
        match self {
            Self::Calibrating(Calibrating { trial, .. })
            | Self::Learning(Learning { trial, .. })
            | Self::Tending(Tending { trial, .. }) => trial.as_ref(),
            Self::Idle | Self::Opening | Self::Replaying { .. } | Self::Stopping => None,
        }
    }
}

/// A calibration under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calibrating {
    /// Since when.
    pub since: Timestamp,
    /// Seconds that it takes in all, about; none where that cannot be told.
    pub seconds: Option<f64>,
    /// The training under way, if one is.
    pub trial: Option<TrialProgress>,
}

/// The document under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Learning {
    /// Its number.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// The stage under way.
    pub stage: Stage,
    /// Since when it is being learned.
    pub since: Timestamp,
    /// Seconds that it takes in all, about; none where that cannot be told.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// The trial under way, if one is.
    pub trial: Option<TrialProgress>,
}

/// Work under way that learns no document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Tending {
    /// The job that does it.
    pub job: JobId,
    /// What kind.
    pub kind: JobKind,
    /// Why, in words.
    pub reason: String,
    /// The stage under way.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// The training under way, if one is.
    pub trial: Option<TrialProgress>,
}

/// A trial under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TrialProgress {
    /// Its name.
    pub name: String,
    /// Step, from 1.
    pub step: usize,
    /// Steps until it is scored.
    pub steps: usize,
    /// Nats a token.
    #[serde(deserialize_with = "crate::domain::number::or_nan")]
    #[schema(value_type = Option<f64>)]
    pub loss: f64,
}

/// Why the daemon does not learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Held {
    /// Somebody said so.
    Paused {
        /// Since when.
        since: Timestamp,
        /// Until when; none: until somebody resumes.
        until: Option<Timestamp>,
    },
    /// Quiet hours.
    QuietHours {
        /// Until when.
        until: Timestamp,
    },
    /// Other programs need the processor.
    Busy {
        /// Share of the processors that others use, hundredths.
        others: u8,
    },
    /// What every document would fail of: a full disk, a model that cannot be opened. Tried again by itself.
    Trouble {
        /// In words, with the remedy.
        reason: String,
        /// When it is tried again.
        again_at: Timestamp,
    },
}

/// The base model and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelState {
    /// Its directory, or `nano`.
    pub name: String,
    /// Whether it is in memory now.
    pub loaded: bool,
    /// Bytes of memory that the process takes.
    pub resident_bytes: u64,
}

/// Documents by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DocumentCounts {
    /// Waiting to be learned, the one under way counted.
    pub waiting: usize,
    /// Learned.
    pub learned: usize,
    /// The gate did not accept what was learned of them.
    pub rejected: usize,
    /// Failed.
    pub failed: usize,
    /// Files in `inbox/failed`, which could not be read: there is no document of them.
    #[serde(default)]
    pub refused: usize,
    /// Places in the inbox that cannot be looked at: what lies there is not learned.
    #[serde(default)]
    pub unreadable: usize,
}

/// What could not be read: files, which lie in `inbox/failed`, each with its reason beside it, and places that cannot be looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedFiles {
    /// The latest ones, the latest first.
    pub files: Vec<RefusedFile>,
    /// How many more there are.
    pub more: usize,
    /// Folders and files of the inbox that cannot be looked at, at most 100. They stay where they are and are tried again.
    #[serde(default)]
    pub unreadable: Vec<UnreadablePlace>,
}

/// A place in the inbox that cannot be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnreadablePlace {
    /// Where it is; what is not UTF-8 is replaced.
    pub path: String,
    /// Why, and what to do.
    pub reason: String,
}

/// A file that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedFile {
    /// Where it lies in `inbox/failed`; what is not UTF-8 is replaced.
    pub path: String,
    /// Why, and what to do; empty where no reason lies beside it.
    pub reason: String,
    /// When it was moved there.
    pub at: Timestamp,
}

/// What the live generation knows, and what it lost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct KnowledgeView {
    /// Folder name of the live generation (`gen-000007`); none if the base answers.
    pub live: Option<String>,
    /// Since when it is live.
    pub live_since: Option<Timestamp>,
    /// Documents that it learned, its ancestors' counted.
    pub documents: usize,
    /// Questions about learned documents that it answers right; none if none were asked.
    pub now: Option<Share>,
    /// The same questions put to the base.
    pub base: Option<Share>,
    /// See [`super::Measures::backward_transfer`].
    pub backward_transfer: Option<f64>,
    /// Titles of documents that lost answers since they were learned, the worst first, at most five.
    pub fading: Vec<Fading>,
}

/// A document that is being forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fading {
    /// Its title.
    pub title: String,
    /// Right answers when it was learned.
    pub was_right: usize,
    /// Right answers now.
    pub right: usize,
    /// Questions asked.
    pub asked: usize,
}

/// A server that is to answer with the live generation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServingView {
    /// Where it is.
    pub url: String,
    /// The name under which clients ask it for the live generation.
    pub name: String,
    /// Folder name of the generation that it took last (`gen-000007`); none: the base, or nothing yet.
    pub generation: Option<String>,
    /// When it took that; none: nothing yet since the daemon started.
    pub at: Option<Timestamp>,
    /// Attempts that failed since the daemon started.
    pub failures: u64,
    /// What is wrong, in words, with the remedy; none while all is well.
    pub error: Option<String>,
    /// When it is tried again, where something is wrong.
    pub again_at: Option<Timestamp>,
}

/// Scheduled work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextRun {
    /// What: `replay`, `consolidate`, `writer_round`, `prune`, `backup`.
    pub what: String,
    /// When next.
    pub at: Timestamp,
    /// When last, if ever.
    pub last: Option<Timestamp>,
}
