//! The database: one [`Store`] over one SQLite file, one file of methods for each family of rows.
//!
//! Every method is one transaction, so whoever looks sees all of a stage's results or none.

mod calibrations;
mod check;
mod columns;
mod consolidations;
mod curriculum;
mod documents;
mod dump;
mod evaluations;
mod events;
mod failure;
mod forgettings;
mod gate;
mod generations;
mod inbox_files;
mod intake;
mod jobs;
mod lineages;
mod lookup;
mod migrations;
mod open;
mod overview;
mod probes;
mod rollback;
mod samples;
mod schedule;
mod schema;
mod self_edits;
mod snapshots;
mod stages;
mod times;
mod trials;
mod writers;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use seald_core::error::{Error, Kind, Result};

pub use consolidations::Swapped;
pub use curriculum::Lesson;
pub use documents::{NewDocument, Received};
pub use evaluations::NewEvaluation;
pub use events::{EVENTS_KEPT, EventRow, NewEvent};
pub use generations::NewGeneration;
pub use inbox_files::Missing;
pub use intake::TakeIn;
pub use lineages::{BaseChanged, BasePlan};
pub use lookup::is_common;
pub use migrations::VERSION;
pub use overview::{DocumentFilter, DocumentRow, KnowledgeMark, RetainedAnswer};
pub use probes::{NewProbe, SuppliedProbe};
pub use rollback::{Dropped, RolledBack};
pub use schedule::{Pause, Scheduled};
pub use self_edits::NewSelfEdit;
pub use snapshots::{Measure, Snapshot};
pub use times::LearningTime;
pub use trials::NewTrial;
pub use writers::{NewWriter, WinningEdit};

/// The database of one root, over one connection. Several may be open on one file, also in several processes: writers
/// wait for each other up to the busy timeout.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long a method waits for another writer before it gives up with [`seald_core::Kind::Conflict`]; 10 s unless set.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn set_busy_timeout(&self, timeout: Duration) -> Result<()> {
        Ok(self.connection.busy_timeout(timeout)?)
    }

    /// Reads in one snapshot. `what` completes "cannot read ...", where that is about the database.
    fn read<T>(&self, what: impl Display, act: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let go = || {
            let snapshot = self.connection.unchecked_transaction()?;
            act(&snapshot)
        };
        go().map_err(|e| match e.kind() {
            // What is named and not there says all of it.
            Kind::NotFound => e,
            _ => self.about(e, format_args!("read {what}")),
        })
    }

    /// Writes all of it or nothing. `doing` completes "cannot ...", where that is about the database.
    fn write<T>(
        &mut self,
        doing: impl Display,
        act: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let go = || {
            // The write lock is taken at once: a reader that wants to become a writer would fail without waiting.
            let transaction = Transaction::new(&mut self.connection, TransactionBehavior::Immediate)?;
            let result = act(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        go().map_err(|e: Error| self.about(e, format_args!("{doing}")))
    }

    /// An error with what we were doing, and where if it is about the database: whoever named a document that is not there would take
    /// the path for a broken one.
    fn about(&self, error: Error, doing: std::fmt::Arguments<'_>) -> Error {
        let of_a_row = std::error::Error::source(&error).is_none();
        match error.kind() {
            Kind::NotFound | Kind::Conflict | Kind::Invalid if of_a_row => {
                error.context(format!("cannot {doing}"))
            }
            _ => error.context(format!("cannot {doing} in {}", self.path.display())),
        }
    }
}
