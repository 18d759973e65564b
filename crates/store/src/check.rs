//! Checks of a database's file: that it is one, and that what is in it is whole.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::columns::{all, first};
use seald_core::error::{Error, Kind, Result};

/// Up to this size every index is compared with its table at each start: 10,000 documents take 100 MB and half a second (the look through pages alone 0.3 s).
/// Larger ones are looked through page by page; their backups are checked whole.
const WHOLE_AT_START: u64 = 512 << 20;

/// Opening a named pipe or a device would wait for ever. What is not there is for others to say.
pub(super) fn refuse_no_file(path: &Path) -> Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            let text = format!(
                "{} is no regular file (a folder, a pipe or a device): move it away, or name another file",
                path.display()
            );
            Err(Error::new(Kind::Corrupt, text))
        }
        _ => Ok(()),
    }
}

/// What a start refuses: damaged pages, and indexes that do not fit their tables where that is quickly told.
pub(super) fn refuse_damaged(db: &Connection, path: &Path) -> Result<()> {
    let bytes = fs::metadata(path).map_or(0, |found| found.len());
    let check = if bytes <= WHOLE_AT_START { "PRAGMA integrity_check(3)" } else { "PRAGMA quick_check(3)" };
    run(db, check, "the file is damaged: restore a backup, or move it away to start with an empty one")
}

/// What no backup may be: damaged in a page or an index, or with a reference that leads nowhere.
pub(super) fn refuse_broken(db: &Connection) -> Result<()> {
    run(db, "PRAGMA integrity_check(3)", "it is damaged")?;
    refuse_astray(db)
}

/// Refuses rows that refer to none, and documents that count as learned though no generation learned them: what a file and the log of another state of it come to.
pub(super) fn refuse_astray(db: &Connection) -> Result<()> {
    let astray: Option<String> = first(db, "PRAGMA foreign_key_check", [], |row| row.get(0))?;
    if let Some(table) = astray {
        return Err(Error::new(Kind::Corrupt, format!("table {table} refers to rows that are not there")));
    }
    // Earlier tables do not say what took a document's place.
    let newest = "SELECT count(*) FROM pragma_table_info('documents') WHERE name = 'replaced_by'";
    if first(db, newest, [], |row| row.get::<_, i64>(0))? != Some(1) {
        return Ok(());
    }
    // `accepted` until version 12.
    let sql =
        "SELECT count(*) FROM documents d WHERE state IN ('learned', 'accepted') AND replaced_by IS NULL
               AND NOT EXISTS (SELECT 1 FROM generation_documents g WHERE g.document = d.id)";
    match first(db, sql, [], |row| row.get::<_, i64>(0))? {
        None | Some(0) => Ok(()),
        Some(lost) => {
            let text =
                format!("{lost} of its documents are said to be learned, and no generation learned them");
            Err(Error::new(Kind::Corrupt, text))
        }
    }
}

fn run(db: &Connection, check: &str, words: &str) -> Result<()> {
    let lines: Vec<String> =
        all(db, check, [], |row| row.get(0)).map_err(|e| Error::new(Kind::Corrupt, words).with_source(e))?;
    if lines == ["ok"] {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, format!("{words} ({})", lines.join("; "))))
}
