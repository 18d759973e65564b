//! Databases in files that nobody works on: what a backup holds, whether it is whole, and a copy of it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::Store;
use super::check::{refuse_broken, refuse_no_file};
use super::columns::{all, first};
use super::migrations::{VERSION, migrate, version};
use super::open::{copy_into, refuse_foreign, refuse_newer};
use super::schema::refuse_altered;
use seald_core::clock::Timestamp;
use seald_core::domain::ids::{DocumentId, GenerationId, WriterId};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// What a database holds, as far as one who restores it wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The version of its tables.
    pub version: i64,
    /// Its documents with their file names, oldest first.
    pub documents: Vec<(DocumentId, String)>,
    /// Its generations, oldest first.
    pub generations: Vec<GenerationId>,
    /// Its writers of self-edits, oldest first.
    pub writers: Vec<WriterId>,
    /// The files that it knows to have been taken, by their paths beneath `done`.
    pub files: HashSet<PathBuf>,
    /// How many events were ever logged in it.
    pub events: i64,
    /// When the newest of them was.
    pub newest: Option<Timestamp>,
}

/// How much a database holds: what is lost where another takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// How many events were ever logged in it. The number only rises, so that of two copies of a database the one with more is the later.
    pub events: i64,
    /// Documents.
    pub documents: i64,
    /// Generations.
    pub generations: i64,
}

impl Measure {
    /// Whether it holds something that the other cannot hold.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.events > other.events || self.documents > other.documents || self.generations > other.generations
    }
}

impl Store {
    /// How much it holds.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn measure(&self) -> Result<Measure> {
        self.read(format_args!("how much it holds"), measure)
    }

    /// [`Self::measure`] of the database in a file, which is only read.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where it is none.
    pub fn measure_of(path: &Path) -> Result<Measure> {
        read_only(path).and_then(|db| measure(&db)).map_err(|e| naming(path, e))
    }

    /// Looks into the database in a file, which is only read; tables of earlier versions will do.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where it is none of ours, empty or damaged; [`Kind::Unsupported`] where a newer program wrote it; [`Kind::Io`],
    /// [`Kind::NotFound`].
    pub fn look_into(path: &Path) -> Result<Snapshot> {
        let look = || {
            let db = read_only(path)?;
            refuse_strangers(&db)?;
            snapshot(&db)
        };
        look().map_err(|e| naming(path, e))
    }

    /// The same of one of which every page, index and reference is checked, and that its tables are those of its version.
    ///
    /// # Errors
    /// As [`Self::look_into`].
    pub fn verify(path: &Path) -> Result<Snapshot> {
        let look = || {
            let db = read_only(path)?;
            refuse_strangers(&db)?;
            refuse_broken(&db)?;
            refuse_altered(&db)?;
            snapshot(&db)
        };
        look().map_err(|e| naming(path, e))
    }

    /// Copies the database in the file `from` to a new file at `to` (mode 0600), and syncs it. What a write-ahead log beside `from` holds comes along.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where `from` is no database; [`Kind::Io`] where `to` cannot be written, or is there.
    pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
        let source = read_only(from).map_err(|e| naming(from, e))?;
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
        let file = made.map_err(|e| io_error("create", to, e))?;
        copy_into(&source, to)
            .map_err(|e| e.context(format!("cannot copy {} to {}", from.display(), to.display())))?;
        file.sync_all().map_err(|e| io_error("sync", to, e))
    }

    /// Brings the tables of the database in a file, which is nobody else's, to [`VERSION`], and syncs it.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where that cannot be done; [`Kind::Io`].
    pub fn bring_up(path: &Path) -> Result<()> {
        let bring = || {
            let mut db = read_write(path)?;
            migrate(&mut db, VERSION)?;
            refuse_altered(&db)?;
            db.close().map_err(|(_, e)| Error::from(e))
        };
        bring().map_err(|e| naming(path, e))?;
        sync(path)
    }

    /// Numbers the events to come in the database in a file from above `most` on, which is nobody else's, and syncs it.
    ///
    /// # Errors
    /// Those of the database alone; [`Kind::Io`].
    pub fn count_events_from(path: &Path, most: i64) -> Result<()> {
        let number = || {
            let mut db = read_write(path)?;
            let transaction = db.transaction()?;
            let seen = events_ever(&transaction)?;
            transaction.execute("DELETE FROM sqlite_sequence WHERE name = 'events'", [])?;
            transaction
                .execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", [most.max(seen)])?;
            transaction.commit()?;
            db.close().map_err(|(_, e)| Error::from(e))
        };
        number().map_err(|e| naming(path, e))?;
        sync(path)
    }
}

fn sync(path: &Path) -> Result<()> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(|e| io_error("sync", path, e))
}

fn naming(path: &Path, e: Error) -> Error {
    e.context(format!("cannot use {}", path.display()))
}

fn read_write(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

fn read_only(path: &Path) -> Result<Connection> {
    refuse_no_file(path)?;
    // SQLite would say of all of these that it cannot open the file.
    std::fs::File::open(path).map_err(|e| io_error("open", path, e))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

fn refuse_strangers(db: &Connection) -> Result<()> {
    refuse_foreign(db)?;
    if version(db)? == 0 {
        return Err(Error::new(Kind::Corrupt, "it holds no tables: there is nothing in it"));
    }
    refuse_newer(db)
}

fn events_ever(db: &Connection) -> Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'events'";
    Ok(first(db, sql, [], |row| row.get(0))?.unwrap_or(0))
}

fn measure(db: &Connection) -> Result<Measure> {
    let count = |sql| -> Result<i64> { Ok(first(db, sql, [], |row| row.get(0))?.unwrap_or(0)) };
    Ok(Measure {
        events: events_ever(db)?,
        documents: count("SELECT count(*) FROM documents")?,
        generations: count("SELECT count(*) FROM generations")?,
    })
}

fn snapshot(db: &Connection) -> Result<Snapshot> {
    let tables: HashSet<String> =
        all(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", [], |row| row.get(0))?
            .into_iter()
            .collect();
    // Tables that came with a later version are not there yet.
    let there =
        |table: &str, sql: &'static str| if tables.contains(table) { sql } else { "SELECT 0 WHERE 0" };
    let files = there("inbox_files", "SELECT DISTINCT path FROM inbox_files");
    Ok(Snapshot {
        version: version(db)?,
        documents: all(db, "SELECT id, name FROM documents ORDER BY id", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?,
        generations: all(db, "SELECT id FROM generations ORDER BY id", [], |row| row.get(0))?,
        writers: all(db, there("writers", "SELECT id FROM writers ORDER BY id"), [], |row| row.get(0))?,
        files: all(db, files, [], |row| Ok(PathBuf::from(OsString::from_vec(row.get(0)?))))?
            .into_iter()
            .collect(),
        events: events_ever(db)?,
        newest: first(db, "SELECT max(at) FROM events", [], |row| row.get::<_, Option<i64>>(0))?
            .flatten()
            .map(Timestamp),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{NewDocument, NewEvent, VERSION};
    use seald_core::domain::document::DocumentFormat;

    fn filled(path: &Path) -> Store {
        let mut store = Store::open(path).unwrap();
        for n in 0..40 {
            let text = format!("{n} ").repeat(500);
            let document = NewDocument {
                hash: n.to_string(),
                name: format!("{n}.txt"),
                title: "A".into(),
                text,
                format: DocumentFormat::Text,
                tag: None,
            };
            store.receive(&document, &[], Timestamp(1)).unwrap();
        }
        store.file_taken(Path::new("x/0.txt"), &[DocumentId(1)], Timestamp(1)).unwrap();
        let event = |at| NewEvent {
            at: Timestamp(at),
            job: None,
            document: None,
            kind: "started".into(),
            body: serde_json::json!({}),
        };
        store.log(&[event(7), event(9)]).unwrap();
        store
    }

    #[test]
    fn a_copy_holds_what_the_log_beside_the_file_holds_and_can_be_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("seald.db"), dir.path().join("copy.db"));
        let store = filled(&path);
        assert!(fs::metadata(dir.path().join("seald.db-wal")).unwrap().len() > 0);
        Store::copy_file(&path, &copy).unwrap();
        let found = Store::verify(&copy).unwrap();
        assert_eq!((found.documents.len(), found.documents[0].1.as_str()), (40, "0.txt"));
        assert_eq!((found.events, found.newest, found.version), (2, Some(Timestamp(9)), VERSION as i64));
        assert!(found.generations.is_empty() && found.files.contains(Path::new("x/0.txt")), "{found:?}");
        assert!(!dir.path().join("copy.db-wal").exists(), "it is one file");
        assert!(Store::copy_file(&path, &copy).is_err(), "nothing is overwritten");
        assert_eq!(Store::open(&copy).unwrap().dump().unwrap(), store.dump().unwrap());
    }

    #[test]
    fn what_is_damaged_empty_foreign_or_newer_is_refused_in_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seald.db");
        filled(&path).close().unwrap();
        let whole = fs::read(&path).unwrap();
        let refused = |words: &str, kind: Kind| {
            let error = Store::verify(&path).unwrap_err();
            assert!(error.kind() == kind && error.to_string().contains(words), "{words}: {error}");
            assert!(error.to_string().contains("seald.db"), "{error}");
        };
        let mut bytes = whole.clone();
        let middle = bytes.len() / 2;
        bytes[middle - 8192..middle].fill(0xff);
        fs::write(&path, &bytes).unwrap();
        refused("damaged", Kind::Corrupt);
        fs::write(&path, b"").unwrap();
        refused("nothing in it", Kind::Corrupt);
        fs::write(&path, "no database, but long enough for a header; ".repeat(30)).unwrap();
        refused("no database", Kind::Corrupt);
        fs::write(&path, &whole).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
        refused("newer seald", Kind::Unsupported);
        fs::write(&path, &whole).unwrap();
        Connection::open(&path).unwrap().pragma_update(None, "application_id", 7).unwrap();
        refused("another program", Kind::Corrupt);
        fs::remove_file(&path).unwrap();
        refused("cannot open", Kind::NotFound);
    }

    /// A database from before a table was there can be restored: it is migrated when it is opened.
    #[test]
    fn earlier_tables_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seald.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(crate::migrations::MIGRATIONS[0]).unwrap();
        db.pragma_update(None, "application_id", super::super::open::APPLICATION_ID).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.close().unwrap();
        let found = Store::verify(&path).unwrap();
        assert_eq!((found.version, found.events, found.files.len()), (1, 0, 0));
        Store::bring_up(&path).unwrap();
        assert_eq!(Store::verify(&path).unwrap().version, VERSION as i64);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "it is one file");
    }
}
