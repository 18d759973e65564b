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
    /// Whether somebody asked to forget that, or a newer version of it: the file goes with it.
    pub leaving: bool,
}

/// Begins a statement with the documents that somebody asked to forget, and their earlier versions.
const LEAVING: &str = "WITH RECURSIVE leaving AS (
    SELECT document AS id FROM jobs
    WHERE kind = 'forget' AND state IN ('queued', 'running') AND document IS NOT NULL
    UNION SELECT d.id FROM documents d JOIN leaving l ON d.replaced_by = l.id)";

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

    /// The files that were taken since then and still lie in `done`, the latest `most` of them: path beneath it, the name of what was made of it, and when.
    ///
    /// # Errors
    /// As [`Store::file_taken`].
    pub fn files_taken(&self, since: Timestamp, most: usize) -> Result<Vec<(PathBuf, String, Timestamp)>> {
        self.read("the files that were taken", |db| {
            let sql = "SELECT path, min(name), max(taken_at) AS at
                       FROM inbox_files JOIN documents d ON d.id = document
                       WHERE taken_at >= ? AND missing_since IS NULL GROUP BY path ORDER BY at DESC LIMIT ?";
            all(db, sql, params![since.0, i64::try_from(most).unwrap_or(i64::MAX)], |row| {
                let path = PathBuf::from(std::ffi::OsString::from_vec(row.get(0)?));
                Ok((path, row.get(1)?, Timestamp(row.get(2)?)))
            })
        })
    }

    /// The files beneath `done` whose documents are being forgotten: they go with them.
    ///
    /// # Errors
    /// As [`Store::file_taken`].
    pub fn files_leaving(&self) -> Result<Vec<PathBuf>> {
        self.read("the files that go", |db| {
            let sql = format!("{LEAVING} SELECT path FROM inbox_files WHERE document IN leaving");
            all(db, &sql, [], |row| Ok(PathBuf::from(std::ffi::OsString::from_vec(row.get(0)?))))
        })
    }

    /// The files that were taken and are not among `there`, and were when this was last asked.
    ///
    /// # Errors
    /// As [`Store::file_taken`].
    pub fn newly_missing(&mut self, there: &HashSet<PathBuf>, now: Timestamp) -> Result<Vec<Missing>> {
        self.write("look for missing files", |db| {
            let sql = format!(
                "{LEAVING} SELECT path, document, document IN leaving FROM inbox_files
                 WHERE missing_since IS NULL ORDER BY path, document"
            );
            let known = all(db, &sql, [], |row| {
                let path = PathBuf::from(std::ffi::OsString::from_vec(row.get(0)?));
                Ok(Missing { path, document: row.get(1)?, leaving: row.get(2)? })
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
