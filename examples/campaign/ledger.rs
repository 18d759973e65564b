//! What was handed in, and what must therefore be true in the end.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

/// Whether it was asked to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    No,
    /// Nobody answered, or it was handed in again.
    Perhaps,
    Yes,
}

/// One content, however often it was handed in.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    /// What no other content holds.
    pub(crate) word: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) readable: bool,
    /// Whether it was handed in for certain, and nothing took its place before it was taken.
    pub(crate) certain: bool,
    pub(crate) forgotten: Forgotten,
    /// Whether it was seen to be learned.
    pub(crate) learned: bool,
}

/// A name under which a content was handed in.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) name: String,
    pub(crate) tag: bool,
    pub(crate) content: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) contents: Vec<Content>,
    pub(crate) names: Vec<Name>,
    /// Numbers that were given to names and words.
    pub(crate) numbers: usize,
    /// The database was restored from a backup.
    pub(crate) restored: bool,
    /// Generations whose files the campaign damaged or removed, by folder.
    pub(crate) damaged: Vec<String>,
    /// Calls failed, so that what is whole may be refused.
    pub(crate) io_failed: bool,
}

/// A document's row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) state: String,
    pub(crate) reasons: String,
    pub(crate) replaced: bool,
}

impl Ledger {
    /// Notes a content; its place.
    pub(crate) fn add(&mut self, word: String, bytes: Vec<u8>, readable: bool) -> usize {
        let (certain, forgotten, learned) = (true, Forgotten::No, false);
        self.contents.push(Content { word, bytes, readable, certain, forgotten, learned });
        self.contents.len() - 1
    }

    /// The next free number.
    pub(crate) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    /// The content that a text is of.
    pub(crate) fn of(&self, text: &str) -> Option<usize> {
        let readable = || self.contents.iter().enumerate().filter(|(_, one)| one.readable);
        let whole = readable().find(|(_, one)| text.trim() == as_read(&one.bytes));
        whole.or_else(|| readable().find(|(_, one)| text.contains(&one.word))).map(|(place, _)| place)
    }

    /// Notes what is learned now.
    pub(crate) fn note_learned(&mut self, root: &Path) {
        for row in rows(root).unwrap_or_default().iter().filter(|row| row.state == "learned") {
            if let Some(place) = self.of(&row.text) {
                self.contents[place].learned = true;
            }
        }
    }
}

/// A text as the daemon stores it: without its heading, which is the title.
pub(crate) fn as_read(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let _ = lines.next();
    let body = if lines.next().is_some_and(|line| line.starts_with("===")) {
        lines.collect::<Vec<_>>().join("\n")
    } else {
        text.to_string()
    };
    body.trim().to_string()
}

/// The database, to read; other processes may be at work on it.
pub(crate) fn database(root: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(root.join("state/seald.db"), flags)?;
    db.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(db)
}

/// Every document.
pub(crate) fn rows(root: &Path) -> rusqlite::Result<Vec<Row>> {
    let db = database(root)?;
    let mut query = db.prepare(
        "SELECT id, name, text, state, reasons, replaced_by IS NOT NULL FROM documents ORDER BY id",
    )?;
    let found = query.query_map([], |row| {
        let (id, name, text) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Row { id, name, text, state: row.get(3)?, reasons: row.get(4)?, replaced: row.get(5)? })
    })?;
    found.collect()
}

/// Jobs that are not finished.
pub(crate) fn open_jobs(root: &Path) -> rusqlite::Result<Vec<String>> {
    let db = database(root)?;
    let sql = "SELECT id || ' ' || kind || ' ' || stage || ' ' || state FROM jobs WHERE state IN ('queued', 'running')";
    let mut query = db.prepare(sql)?;
    let found = query.query_map([], |row| row.get(0))?;
    found.collect()
}

/// Every file below a folder; none where it is not there.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found.sort();
    found
}

/// Files in the inbox that are yet to be taken.
pub(crate) fn waiting_files(root: &Path) -> Vec<PathBuf> {
    let inbox = root.join("inbox");
    let mut found = files(&inbox);
    found.retain(|path| {
        let beneath = path.strip_prefix(&inbox).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let taken = beneath.starts_with("done") || beneath.starts_with("failed");
        let empty = fs::metadata(path).map_or(true, |found| found.len() == 0);
        !(taken || empty || name.starts_with('.') || name.ends_with(".probes.jsonl"))
    });
    found
}
