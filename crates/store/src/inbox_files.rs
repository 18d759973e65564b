//! Files that were taken out of the inbox, and which of them somebody has removed since.

use std::collections::HashSet;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rusqlite::params;

use super::Store;
use super::columns::{all, run};
use seald_core::clock::Timestamp;
use seald_core::domain::ids::DocumentId;
use seald_core::error::Result;

/// A file that is not in `done` any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its path beneath `done`.
    pub path: PathBuf,
    /// What was made of it.
    pub document: DocumentId,
}

impl Store {
    /// Says that a file lies in `done` now, by its path beneath it, and what was made of it.
    ///
    /// # Errors
    /// Those of the database alone, here and below.
    pub fn file_taken(&mut self, path: &Path, documents: &[DocumentId], now: Timestamp) -> Result<()> {
        self.write(format_args!("note the file {}", path.display()), |db| {
            for document in documents {
                let sql = "INSERT OR REPLACE INTO inbox_files (path, document, taken_at) VALUES (?, ?, ?)";
                run(db, sql, params![path.as_os_str().as_bytes(), document, now.0])?;
            }
            Ok(())
        })
    }

    /// The files that were taken and are not among `there`, and were when this was last asked.
    ///
    /// # Errors
    /// As [`Store::file_taken`].
    pub fn newly_missing(&mut self, there: &HashSet<PathBuf>, now: Timestamp) -> Result<Vec<Missing>> {
        self.write("look for missing files", |db| {
            let sql =
                "SELECT path, document FROM inbox_files WHERE missing_since IS NULL ORDER BY path, document";
            let known = all(db, sql, [], |row| {
                let path = PathBuf::from(std::ffi::OsString::from_vec(row.get(0)?));
                Ok(Missing { path, document: row.get(1)? })
            })?;
            let missing: Vec<Missing> = known.into_iter().filter(|one| !there.contains(&one.path)).collect();
            for one in &missing {
                let sql = "UPDATE inbox_files SET missing_since = ? WHERE path = ? AND document = ?";
                run(db, sql, params![now.0, one.path.as_os_str().as_bytes(), one.document])?;
            }
            Ok(missing)
        })
    }
}
