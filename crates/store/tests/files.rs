//! The file: its mode, its lock, damage, other programs' files, newer ones, backups.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rusqlite::Connection;
use seald_core::Kind;
use seald_core::domain::decision::Rule;
use seald_core::domain::document::{DocumentFormat, DocumentState};
use seald_core::domain::evaluation::Subject;
use seald_core::domain::generation::Origin;
use seald_core::domain::job::{JobKind, JobState, Stage};
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::domain::self_edit::Format;
use seald_core::domain::writer::Whose;
use seald_store::{Store, VERSION};

use crate::made_up::{Root, learn_all, receive};

#[test]
fn only_the_owner_may_read_it() {
    let root = Root::new();
    let mut store = root.open();
    receive(&mut store, 1);
    store.backup_to(&root.file("copy.db")).unwrap();
    for name in ["state/seald.db", "state/seald.db-wal", "state/seald.db-shm", "copy.db"] {
        let mode = fs::metadata(root.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_writer_waits_for_another_and_then_says_so() {
    let root = Root::new();
    let (mut store, mut second) = (root.open(), root.open());
    receive(&mut store, 1);
    receive(&mut second, 2);
    let other = Connection::open(root.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.set_busy_timeout(Duration::ZERO).unwrap();
    let e = store.claim_next(crate::made_up::NOW, 60).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    assert!(e.to_string().contains("seald.db") && e.to_string().contains("another process"), "{e}");
    assert_eq!(store.jobs(None).unwrap().len(), 2, "readers do not wait");
    other.execute_batch("COMMIT").unwrap();
    assert!(store.claim_next(crate::made_up::NOW, 60).unwrap().is_some());
}

/// The files as a kill leaves them: the log not yet in the database, a transaction under way.
#[test]
fn what_was_committed_is_there_after_a_kill_and_what_was_not_is_not() {
    let root = Root::new();
    let mut store = root.open();
    receive(&mut store, 1);
    let committed = store.dump().unwrap();
    let other = Connection::open(root.database()).unwrap();
    // A cache of one page, so that the unfinished transaction's pages are in the log already.
    other
        .execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE; UPDATE documents SET title = 'half'")
        .unwrap();
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                INSERT INTO passages (document, position, text) SELECT 1, i + 10, hex(randomblob(500)) FROM n";
    other.execute_batch(many).unwrap();
    let after_kill = Root::new();
    fs::create_dir(after_kill.file("state")).unwrap();
    for name in ["state/seald.db", "state/seald.db-wal"] {
        fs::copy(root.file(name), after_kill.file(name)).unwrap();
    }
    assert!(fs::metadata(after_kill.file("state/seald.db-wal")).unwrap().len() > 400_000);
    assert_eq!(after_kill.open().dump().unwrap(), committed);
}

#[test]
fn a_newer_database_is_left_alone() {
    let root = Root::new();
    drop(root.open());
    Connection::open(root.database()).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
    let before = fs::read(root.database()).unwrap();
    let e = Store::open(&root.database()).unwrap_err();
    assert_eq!(e.kind(), Kind::Unsupported);
    assert!(e.to_string().contains("seald.db") && e.to_string().contains("newer seald"), "{e}");
    assert_eq!(fs::read(root.database()).unwrap(), before);
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let root = Root::new();
    let mut store = root.open();
    for n in 1..=5 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    drop(store);
    let whole = fs::read(root.database()).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle - 8192..middle].fill(0xff);
    let cut = whole[..whole.len() / 2].to_vec();
    for bytes in [damaged, cut, b"no database at all, but long enough for a header; ".repeat(9)] {
        fs::write(root.database(), &bytes).unwrap();
        let e = Store::open(&root.database()).unwrap_err();
        assert_eq!(e.kind(), Kind::Corrupt, "{e}");
        assert!(e.to_string().contains("seald.db") && e.to_string().contains("restore a backup"), "{e}");
        assert_eq!(fs::read(root.database()).unwrap(), bytes);
    }
}

#[test]
fn another_programs_database_is_left_alone() {
    let root = Root::new();
    let path = root.file("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    let before = fs::read(&path).unwrap();
    let e = Store::open(&path).unwrap_err();
    assert!(e.to_string().contains("other.db") && e.to_string().contains("another program"), "{e}");
    assert_eq!(fs::read(&path).unwrap(), before);
    let e = Store::open(&root.file("")).unwrap_err();
    assert_eq!(e.kind(), Kind::Corrupt, "{e}");
}

#[test]
fn a_backup_is_one_file_with_everything_in_it() {
    let root = Root::new();
    let mut store = root.open();
    receive(&mut store, 1);
    learn_all(&mut store);
    let copy = root.file("copy.db");
    store.backup_to(&copy).unwrap();
    assert!(!root.file("copy.db-wal").exists());
    let dump = store.dump().unwrap();
    receive(&mut store, 2);
    let e = store.backup_to(&copy).unwrap_err();
    assert!(e.kind() == Kind::Conflict && e.to_string().contains("copy.db"), "{e}");
    assert_eq!(Store::open(&copy).unwrap().dump().unwrap(), dump);
    let e = store.backup_to(&root.file("nowhere/copy.db")).unwrap_err();
    assert!(e.kind() == Kind::NotFound && e.to_string().contains("nowhere"), "{e}");
    assert_eq!(fs::read_dir(root.file("")).unwrap().count(), 2, "the state folder and the copy: no litter");
}

/// The words that the tables allow are those of the enums: one more variant needs a migration.
#[test]
fn the_tables_allow_every_word_and_no_other() {
    fn words<T: Copy>(column: &str, all: &[T], word: impl Fn(T) -> &'static str) -> (String, String) {
        let list: Vec<_> = all.iter().map(|one| format!("'{}'", word(*one))).collect();
        (column.to_string(), format!("{column} IN ({})", list.join(", ")))
    }
    let root = Root::new();
    drop(root.open());
    let db = Connection::open(root.database()).unwrap();
    let schema: String =
        db.query_row("SELECT group_concat(sql, ' ') FROM sqlite_schema", [], |row| row.get(0)).unwrap();
    let schema = schema.split_whitespace().collect::<Vec<_>>().join(" ");
    // A document that is being learned waits, as far as its row says.
    let kept: Vec<DocumentState> =
        DocumentState::ALL.iter().copied().filter(|state| *state != DocumentState::Learning).collect();
    for (column, check) in [
        words("format", DocumentFormat::ALL, DocumentFormat::as_str),
        words("state", &kept, DocumentState::as_str),
        words("kind", JobKind::ALL, JobKind::as_str),
        words("stage", Stage::ALL, Stage::as_str),
        words("origin", Origin::ALL, Origin::as_str),
        words("whose", Whose::ALL, Whose::as_str),
        words("state", JobState::ALL, JobState::as_str),
        words("role", Role::ALL, Role::as_str),
        words("source", ProbeSource::ALL, ProbeSource::as_str),
        words("format", Format::ALL, Format::as_str),
        words("rule", Rule::ALL, Rule::as_str),
        words("subject", Subject::ALL, Subject::as_str),
    ] {
        assert!(schema.contains(&check), "{column}: the schema has no CHECK ({check})");
    }
}
