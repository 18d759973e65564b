//! Opening: the checks that keep a wrong or damaged file from being worked on; and the backup.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tracing::info;

use super::Store;
use super::check::{refuse_astray, refuse_damaged, refuse_no_file};
use super::migrations::{VERSION, migrate, version};
use super::schema::refuse_altered;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Marks our files in SQLite's header: "seal".
pub(super) const APPLICATION_ID: i32 = 0x7365_616c;
const BUSY: Duration = Duration::from_secs(10);
/// Pages of a backup between two looks at other writers.
const BACKUP_PAGES: i32 = 1000;

impl Store {
    /// Opens the database at `path`, creating it (mode 0600) and its folder if need be, and brings its tables to
    /// [`VERSION`].
    ///
    /// # Errors
    /// [`Kind::Unsupported`] where a newer program wrote it; [`Kind::Corrupt`] where it is damaged or not ours;
    /// [`Kind::Io`] and [`Kind::Conflict`] as the system and other writers have it. The file is then as it was.
    pub fn open(path: &Path) -> Result<Self> {
        refuse_no_file(path).map_err(|e| naming(path, e))?;
        create(path)?;
        refuse_planted(path).map_err(|e| naming(path, e))?;
        refuse_foreign_log(path)?;
        let mut connection = connect(path).map_err(|e| naming(path, e))?;
        let found = migrate(&mut connection, VERSION).map_err(|e| naming(path, e))?;
        match usize::try_from(found) {
            Ok(VERSION) => {}
            Ok(0) => info!(database = %path.display(), version = VERSION, "created the database"),
            _ => info!(database = %path.display(), from = found, to = VERSION, "migrated the database"),
        }
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// One more connection to the same database, which this one has checked already.
    ///
    /// # Errors
    /// [`Kind::Io`] where the system has no more files.
    pub fn another(&self) -> Result<Self> {
        let connection = open_file(&self.path).map_err(|e| naming(&self.path, e))?;
        Ok(Self { connection, path: self.path.clone() })
    }

    /// Puts what the write-ahead log holds into the file itself, and closes: the file is the whole database then, even where connections
    /// elsewhere are still open. Two that close at once would both leave that to the other.
    ///
    /// # Errors
    /// [`Kind::Io`] and [`Kind::Conflict`] as the system and other connections have it; nothing is lost then, the log is read at the next
    /// opening.
    pub fn close(self) -> Result<()> {
        let naming = |e: rusqlite::Error| naming(&self.path, e.into());
        let busy: bool = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(naming)?;
        if busy {
            let text =
                format!("others still work on {}: its write-ahead log stays beside it", self.path.display());
            return Err(Error::new(Kind::Conflict, text));
        }
        self.connection.close().map_err(|(_, e)| naming(e))
    }

    /// Copies the database as it stands to a new file at `path` (mode 0600), whole or not at all; others may go on
    /// writing meanwhile. The copy is checked as [`Self::verify`] does before it gets its name.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where the copy, and so the database, is damaged; [`Kind::Conflict`] where something is at `path` already; [`Kind::Io`] where it cannot be
    /// written.
    pub fn backup_to(&self, path: &Path) -> Result<()> {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let staged = tempfile::Builder::new()
            .prefix(".staging-")
            .tempfile_in(parent)
            .map_err(|e| io_error("create a file beside", path, e))?;
        let doing =
            |e: Error| e.context(format!("cannot copy {} to {}", self.path.display(), path.display()));
        copy_into(&self.connection, staged.path()).map_err(doing)?;
        Self::verify(staged.path()).map_err(|e| not_whole(&self.path, e))?;
        staged.as_file().sync_all().map_err(|e| io_error("sync", path, e))?;
        staged.persist_noclobber(path).map_err(|e| match e.error.kind() {
            ErrorKind::AlreadyExists => {
                let text =
                    format!("{} exists already: choose another name, or remove it first", path.display());
                Error::new(Kind::Conflict, text)
            }
            _ => io_error("rename into place", path, e.error),
        })?;
        fs::File::open(parent).and_then(|dir| dir.sync_all()).map_err(|e| io_error("sync", parent, e))
    }
}

/// The copy that was just made of the database at `path` does not stand its examination.
fn not_whole(path: &Path, why: Error) -> Error {
    if matches!(why.kind(), Kind::Io | Kind::Memory | Kind::Conflict) {
        return why;
    }
    let text = format!(
        "{} is damaged: a copy of it was made, is not whole, and was removed again; the backups that are there stay. Stop seald, then `sealctl restore` puts the \
         newest backup that is whole in its place ({})",
        path.display(),
        why.reason_first()
    );
    Error::new(Kind::Corrupt, text)
}

/// Copies a database into the file at `path`: everything is in that one file then, what the write-ahead log held too.
pub(super) fn copy_into(source: &Connection, path: &Path) -> Result<()> {
    let mut copy = Connection::open(path)?;
    Backup::new(source, &mut copy)?.run_to_completion(BACKUP_PAGES, Duration::ZERO, None)?;
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    copy.close().map_err(|(_, e)| Error::from(e))
}

fn naming(path: &Path, e: Error) -> Error {
    e.context(format!("cannot open {}", path.display()))
}

/// Creates the folder and the file, so that nobody else can ever read it; SQLite gives its side files the same mode.
fn create(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(|e| io_error("create", parent, e))?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(io_error("create", path, e)),
        _ => Ok(()),
    }
}

/// A database with a write-ahead log has no rollback journal: SQLite would play one that lies beside it into the tables, whoever wrote it.
fn refuse_planted(path: &Path) -> Result<()> {
    let mut journal = path.as_os_str().to_os_string();
    journal.push("-journal");
    let journal = Path::new(&journal);
    let mut header = [0; 20];
    let logged = fs::File::open(path).and_then(|mut file| file.read_exact(&mut header)).is_ok()
        && header[18..] == [2, 2];
    if !logged || journal.symlink_metadata().is_err() {
        return Ok(());
    }
    let text = format!(
        "{} would change it, and seald did not write that: move it away, and find out how it came there",
        journal.display()
    );
    Err(Error::new(Kind::Conflict, text))
}

/// A write-ahead log is played into the file as soon as a connection that may write is closed, whoever wrote it. So file and log are looked at together by one that may not,
/// and where they do not fit, both stay as they are.
fn refuse_foreign_log(path: &Path) -> Result<()> {
    let mut log = path.as_os_str().to_os_string();
    log.push("-wal");
    let log = Path::new(&log);
    if fs::metadata(log).map_or(0, |found| found.len()) == 0 {
        return Ok(());
    }
    let looked = || -> Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        refuse_foreign(&connection)?;
        refuse_newer(&connection)?;
        refuse_damaged(&connection, path)?;
        refuse_astray(&connection)
    };
    looked().map_err(|why| match why.kind() {
        Kind::Io | Kind::Memory | Kind::Conflict | Kind::Unsupported => naming(path, why),
        _ => {
            let text = format!(
                "cannot open {}: with what its write-ahead log holds it is no whole database of seald ({}). Nothing was changed. If a database was copied to this place, {} belongs to \
                 another one: move it away, and the file is taken as it is. Else `sealctl restore` puts the newest backup that is whole in their place",
                path.display(),
                why.reason_first(),
                log.display()
            );
            Error::new(Kind::Corrupt, text)
        }
    })
}

/// A connection to a file that is there, unchecked. Its commits wait for the disk.
fn open_file(path: &Path) -> Result<Connection> {
    // SQLite would take a path that begins with `file:` for a URI unless its flag is left out.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is forgotten is overwritten, not only unlinked.
    connection.pragma_update(None, "secure_delete", true)?;
    Ok(connection)
}

/// An open connection to a file that is ours, whole, and not newer than we are.
fn connect(path: &Path) -> Result<Connection> {
    let connection = open_file(path)?;
    refuse_foreign(&connection)?;
    refuse_newer(&connection)?;
    refuse_damaged(&connection, path)?;
    refuse_altered(&connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let text = format!(
            "this file system cannot hold a write-ahead log (journal mode {mode}): put the root on a local disk"
        );
        return Err(Error::new(Kind::Unsupported, text));
    }
    if version(&connection)? == 0 {
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(connection)
}

pub(super) fn refuse_foreign(connection: &Connection) -> Result<()> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION_ID || (application == 0 && tables == 0) {
        return Ok(());
    }
    let text = "it is another program's database: move it away, or choose another root";
    Err(Error::new(Kind::Corrupt, text))
}

pub(super) fn refuse_newer(connection: &Connection) -> Result<()> {
    let found = version(connection)?;
    if usize::try_from(found).is_ok_and(|found| found <= VERSION) {
        return Ok(());
    }
    let text = format!(
        "its tables have version {found} and this program knows versions up to {VERSION}: start the newer seald that \
         wrote it, or restore a backup from before it did"
    );
    Err(Error::new(Kind::Unsupported, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_we_did_not_write_is_not_played() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seald.db");
        Store::open(&path).unwrap().close().unwrap();
        let journal = dir.path().join("seald.db-journal");
        fs::write(&journal, b"whatever").unwrap();
        let error = Store::open(&path).unwrap_err();
        assert!(error.kind() == Kind::Conflict && error.to_string().contains("seald.db-journal"), "{error}");
        fs::remove_file(&journal).unwrap();
        Store::open(&path).unwrap();
    }

    /// The database at `of` in another folder, with what its log holds, as a kill leaves it.
    fn log_of(of: &Path, change: impl FnOnce(&Connection)) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("copy.db");
        if of.exists() {
            fs::copy(of, &copy).unwrap();
        }
        let connection = Connection::open(&copy).unwrap();
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        change(&connection);
        fs::read(dir.path().join("copy.db-wal")).unwrap()
    }

    #[test]
    fn a_log_that_does_not_belong_to_it_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seald.db");
        let mut store = Store::open(&path).unwrap();
        receive(&mut store, "first").unwrap();
        store.close().unwrap();
        let whole = fs::read(&path).unwrap();
        let other = dir.path().join("other.db");
        let foreign =
            log_of(&other, |db| db.execute_batch("CREATE TABLE z (a); INSERT INTO z VALUES (1);").unwrap());
        let mixed = log_of(&path, |db| {
            db.execute_batch("UPDATE documents SET state = 'learned' WHERE id = 1").unwrap();
        });
        for log in [foreign, mixed] {
            fs::write(dir.path().join("seald.db-wal"), &log).unwrap();
            let error = Store::open(&path).unwrap_err();
            let words = error.to_string();
            assert!(
                error.kind() == Kind::Corrupt && words.contains("seald.db-wal belongs to another"),
                "{words}"
            );
            assert_eq!(fs::read(&path).unwrap(), whole, "{words}");
            assert_eq!(fs::read(dir.path().join("seald.db-wal")).unwrap(), log);
        }
        // What a kill leaves is played, as ever.
        let ours = log_of(&path, |db| db.execute_batch("UPDATE documents SET title = 'B'").unwrap());
        fs::write(dir.path().join("seald.db-wal"), ours).unwrap();
        let store = Store::open(&path).unwrap();
        assert_eq!(store.document(seald_core::domain::ids::DocumentId(1)).unwrap().title, "B");
    }

    use crate::{NewDocument, Received};
    use seald_core::domain::document::DocumentFormat;

    fn receive(store: &mut Store, text: &str) -> Result<Received> {
        let document = NewDocument {
            hash: blake3::hash(text.as_bytes()).to_string(),
            name: "a.txt".into(),
            title: "A".into(),
            text: text.into(),
            format: DocumentFormat::Text,
            tag: None,
        };
        store.receive(&document, &[], seald_core::clock::Timestamp(1))
    }

    #[test]
    fn a_full_disk_loses_nothing_and_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("seald.db");
        let mut store = Store::open(&path).unwrap();
        receive(&mut store, "first").unwrap();
        let before = store.dump().unwrap();
        let pages: i64 = store.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        store.connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let e = receive(&mut store, &"x".repeat(100_000)).unwrap_err();
        assert_eq!(e.kind(), Kind::Io);
        let words = e.to_string();
        assert!(words.contains("seald.db") && words.contains("free some space"), "{words}");
        assert_eq!(store.dump().unwrap(), before);
        store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
        receive(&mut store, &"x".repeat(100_000)).unwrap();
    }

    #[test]
    fn a_closed_database_is_one_file_whoever_else_has_it_open() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy) = (dir.path().join("seald.db"), dir.path().join("copy.db"));
        let mut store = Store::open(&path).unwrap();
        let _other = store.another().unwrap();
        receive(&mut store, "first").unwrap();
        let before = store.dump().unwrap();
        store.close().unwrap();
        fs::copy(&path, &copy).unwrap();
        assert_eq!(Store::open(&copy).unwrap().dump().unwrap(), before);
    }

    #[test]
    fn a_database_that_may_only_be_read_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("seald.db")).unwrap();
        store.connection.pragma_update(None, "query_only", true).unwrap();
        let e = receive(&mut store, "first").unwrap_err();
        assert_eq!(e.kind(), Kind::Io);
        assert!(e.to_string().contains("seald.db") && e.to_string().contains("check who owns"), "{e}");
    }

    #[test]
    fn every_commit_waits_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let first = Store::open(&dir.path().join("seald.db")).unwrap();
        for store in [first.another().unwrap(), first] {
            let pragma = |name: &str| -> String {
                let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
                store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
            };
            let values = ["journal_mode", "synchronous", "foreign_keys"].map(pragma);
            assert_eq!(values, ["wal", "2", "1"]);
        }
    }
}
