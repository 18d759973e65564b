//! What the routes work with: the database to read, the learner's monitor and front desk, the inbox.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::pipeline::control::Control;
use crate::pipeline::monitor::Monitor;
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::export::ExportFormat;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{BaseModelView, KnowledgeView};
use seald_store::{KnowledgeMark, Store};

/// Puts a file into the inbox: name, subfolder, content. It returns the path that the file has there.
pub type Put = Box<dyn Fn(&str, Option<&str>, &[u8]) -> Result<PathBuf> + Send + Sync>;

/// Finds out whether a generation can be exported, and returns what then writes it as a tar, piece by piece.
pub type Export = Box<dyn Fn(GenerationId, ExportFormat) -> Result<WriteExport> + Send + Sync>;
/// Writes one export.
pub type WriteExport = Box<dyn FnOnce(&mut dyn Write) -> Result<()> + Send>;

/// Looks at a base model: what it is, and its fingerprint.
pub type Inspect = Box<dyn Fn(&str) -> Result<(BaseModelView, String)> + Send + Sync>;

/// All that the API stands on.
pub struct Service {
    /// The folder that the daemon works in.
    pub root: PathBuf,
    /// Where documents are dropped.
    pub inbox: PathBuf,
    /// The base model: its directory, or `nano`.
    pub model: String,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Where the time comes from.
    pub clock: Clock,
    /// The database.
    pub reader: Reader,
    /// What the learner is doing.
    pub monitor: Arc<Monitor>,
    /// The learner's front desk.
    pub control: Control,
    /// The way into the inbox.
    pub put: Put,
    /// The way out for generations.
    pub export: Export,
    /// The way to look at base models.
    pub inspect: Inspect,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("root", &self.root)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

/// A connection to the database that only the API reads through, one request at a time.
#[derive(Debug)]
pub struct Reader(Mutex<Reading>);

impl Reader {
    /// Takes a connection of its own for the API: with that, readers never wait for the learner.
    pub fn new(store: Store) -> Self {
        Self(Mutex::new(Reading { store, known: None, foretold: None }))
    }
}

/// The database while one request reads it, and what was computed from it before.
#[derive(Debug)]
pub(super) struct Reading {
    /// The database.
    pub(super) store: Store,
    /// What the live generation knew when it was last computed.
    pub(super) known: Option<Known>,
    /// What foretold the time that is left when it was last read.
    pub(super) foretold: Option<Foretold>,
}

/// What foretells the time that is left, as long as the database has not changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Foretold {
    /// The database's count of changes.
    pub(super) changes: i64,
    /// The longest text that was counted, bytes: what is longer is rejected in a moment.
    pub(super) longest: u64,
    /// Bytes of text that wait, those of the document under way counted.
    pub(super) waiting: u64,
    /// Seconds that learning takes for each of them, if that is known.
    pub(super) seconds_a_byte: Option<f64>,
}

/// What the live generation knows, as long as neither the database nor the mark has changed.
#[derive(Debug)]
pub(super) struct Known {
    /// The database's count of changes.
    pub(super) changes: i64,
    /// What it depends on.
    pub(super) mark: KnowledgeMark,
    /// What follows.
    pub(super) view: KnowledgeView,
}

impl Service {
    /// Reads the database on a thread where waiting is no harm.
    ///
    /// # Errors
    /// What `look` returns; [`Kind::Internal`] where it panicked.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Self, &mut Reading) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let service = self.clone();
        blocking(move || {
            // A panic while it was held rolled its snapshot back.
            let mut reading = service.reader.0.lock().unwrap_or_else(PoisonError::into_inner);
            look(&service, &mut reading)
        })
        .await
    }
}

/// Does work that may wait for the disk on a thread for that.
///
/// # Errors
/// What `work` returns; [`Kind::Internal`] where it panicked.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| {
        let text = "the request met a defect of this program: please report it, with the log";
        Err(Error::new(Kind::Internal, text).with_source(e))
    })
}
