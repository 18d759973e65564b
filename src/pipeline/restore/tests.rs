//! Backups that take the database's place, whole or not at all.

use std::os::unix::fs::PermissionsExt;

use super::super::{back_up, newest_backup, open_database};
use super::*;
use seald_core::domain::document::DocumentFormat;
use seald_store::NewDocument;

const DAY: i64 = 86_400;
const NOW: Timestamp = Timestamp(1_763_769_600_000);

fn receive(store: &mut Store, name: &str) {
    let document = NewDocument {
        hash: name.into(),
        name: name.into(),
        title: name.into(),
        text: format!("{name} ").repeat(2000),
        format: DocumentFormat::Text,
        tag: None,
    };
    store.receive(&document, &[], NOW).unwrap();
}

/// A root with backups of one and of two documents, and a third document in the database; its log still lies beside it, as after a kill.
fn root(dir: &Path) -> (Root, Vec<PathBuf>) {
    let root = Root::open(dir).unwrap();
    let mut store = open_database(&root).unwrap();
    let mut made = Vec::new();
    for (day, name) in ["a.txt", "b.txt"].into_iter().enumerate() {
        receive(&mut store, name);
        made.push(back_up(&root, &store, NOW.plus_seconds(day as i64 * DAY), 9).unwrap());
    }
    let beside = ["seald.db", "seald.db-wal", "seald.db-shm"];
    receive(&mut store, "c.txt");
    let killed = beside.map(|name| fs::read(root.state().join(name)).unwrap());
    drop(store);
    for (name, bytes) in beside.iter().zip(&killed) {
        fs::write(root.state().join(name), bytes).unwrap();
    }
    assert!(killed[1].len() > 1000, "there is something in the log");
    (root, made)
}

fn names(path: &Path) -> Vec<String> {
    Store::look_into(path).unwrap().documents.into_iter().map(|(_, name)| name).collect()
}

fn state(root: &Root) -> Vec<String> {
    let entries = fs::read_dir(root.state()).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_newest_whole_backup_takes_the_place_and_nothing_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (root, made) = root(dir.path());
    fs::set_permissions(root.database(), fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(root.place(), "12 trials").unwrap();
    fs::create_dir(root.job(seald_core::domain::ids::JobId(3))).unwrap();
    fs::create_dir(root.adapters().join("gen-000004")).unwrap();
    let whole = fs::read(&made[1]).unwrap();
    let broken = root.backups().join("seald-20270101T000000Z.db");
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();

    let prepared = prepare_restore(&root, None).unwrap();
    assert_eq!(prepared.backup, made[1]);
    assert!(prepared.passed_over.len() == 1 && prepared.passed_over[0].0 == broken, "{prepared:?}");
    let unknown = unknown_to(&prepared.holds, prepared.present.as_ref(), &root).unwrap();
    assert_eq!(unknown, Unknown { adapters: vec!["gen-000004".into()], forgotten: vec![] });
    assert_eq!(names(&root.database()).len(), 3, "nothing is changed yet");

    let replaced = restore(&root, NOW).unwrap().unwrap();
    assert_eq!(names(&root.database()), ["a.txt", "b.txt"]);
    assert_eq!(fs::metadata(root.database()).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&replaced), ["a.txt", "b.txt", "c.txt"], "with its log");
    assert!(replaced.ends_with("seald.db.replaced-20251122T000000Z"), "{}", replaced.display());
    assert!(!root.place().exists() && fs::read_dir(root.work()).unwrap().next().is_none());
    assert!(fs::read(&made[1]).unwrap() == whole && broken.exists(), "backups stay as they are");

    // And back again, within the same second.
    prepare_restore(&root, Some(&replaced)).unwrap();
    let second = restore(&root, NOW).unwrap().unwrap();
    assert_eq!(names(&root.database()), ["a.txt", "b.txt", "c.txt"]);
    assert_eq!(names(&second), ["a.txt", "b.txt"]);
    assert_eq!(open_database(&root).unwrap().jobs(None).unwrap().len(), 3);
}

/// Every rename is a place where a kill can strike: from each of them the next that opens the database goes on.
#[test]
fn cut_short_anywhere_it_is_finished_by_whoever_opens_the_database() {
    for steps in 0..6 {
        let dir = tempfile::tempdir().unwrap();
        let (root, _) = root(dir.path());
        prepare_restore(&root, None).unwrap();
        let at = |name: &str| root.state().join(name);
        assert!(names(&root.database()).len() == 3 && !restore_under_way(&root).unwrap());
        let renames = [
            ("seald.db.restoring", "seald.db.restored-20260101T000000Z"),
            ("seald.db", "seald.db.replaced-20260101T000000Z"),
            ("seald.db-wal", "seald.db.replaced-20260101T000000Z-wal"),
            ("seald.db-shm", "seald.db.replaced-20260101T000000Z-shm"),
            ("seald.db.restored-20260101T000000Z", "seald.db"),
        ];
        for (from, to) in renames.iter().take(steps) {
            fs::rename(at(from), at(to)).unwrap();
        }
        assert_eq!(restore_under_way(&root).unwrap(), (1..5).contains(&steps), "{steps}");
        let store = open_database(&root).unwrap();
        let expected = if steps == 0 { 3 } else { 2 };
        assert_eq!(store.jobs(None).unwrap().len(), expected, "after {steps} renames");
        store.close().unwrap();
        if steps > 0 {
            assert_eq!(names(&at("seald.db.replaced-20260101T000000Z")).len(), 3, "after {steps} renames");
        }
        // What was staged and not decided is staged anew.
        prepare_restore(&root, None).unwrap();
        restore(&root, NOW).unwrap();
        assert!(!state(&root).iter().any(|name| name.contains("restor")), "{:?}", state(&root));
    }
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (root, made) = root(dir.path());
    let before = state(&root);
    fs::write(&made[1], "no database at all, however long it may be").unwrap();
    let error = prepare_restore(&root, Some(&made[1])).unwrap_err();
    let name = made[1].file_name().unwrap().to_str().unwrap();
    assert!(error.kind() == Kind::Corrupt && error.to_string().contains(name), "{error}");
    assert_eq!((state(&root), names(&root.database()).len()), (before, 3));
    assert_eq!(prepare_restore(&root, Some(Path::new("/nowhere.db"))).unwrap_err().kind(), Kind::NotFound);
    fs::write(&made[0], "").unwrap();
    let error = prepare_restore(&root, None).unwrap_err();
    assert!(error.to_string().contains("none of the 2 backups"), "{error}");
    fs::remove_dir_all(root.backups()).unwrap();
    let error = prepare_restore(&root, None).unwrap_err();
    assert!(error.kind() == Kind::NotFound && error.to_string().contains("state/backups"), "{error}");
}

/// Each page of such a database is whole.
#[test]
fn a_backup_whose_tables_were_altered_is_passed_over_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (root, made) = root(dir.path());
    let whole = fs::read(&made[1]).unwrap();
    for (sql, words) in [
        ("DROP TABLE probes", "table probes is missing"),
        (
            "CREATE TRIGGER evil AFTER UPDATE ON documents BEGIN DELETE FROM jobs; END",
            "trigger evil is not of seald",
        ),
        ("DROP INDEX documents_by_state", "index documents_by_state is missing"),
        ("PRAGMA user_version = 3", "in version 3"),
    ] {
        fs::write(&made[1], &whole).unwrap();
        rusqlite::Connection::open(&made[1]).unwrap().execute_batch(sql).unwrap();
        let error = prepare_restore(&root, Some(&made[1])).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains(made[1].to_str().unwrap()), "{sql}: {error}");
        assert_eq!(prepare_restore(&root, None).unwrap().backup, made[0], "{sql}");
        // Nor does a start take it.
        fs::write(dir.path().join("other.db"), fs::read(&made[1]).unwrap()).unwrap();
        let error = Store::open(&dir.path().join("other.db")).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("CREATE"), "{sql}: {error}");
    }
}

/// The clock was ahead, or a fresh database was backed up beside the good ones: names do not tell which is the newest.
#[test]
fn the_backup_that_has_seen_most_is_taken_and_what_was_forgotten_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (root, made) = root(dir.path());
    let event = |kind: &str| seald_store::NewEvent {
        at: NOW,
        job: None,
        document: None,
        kind: kind.into(),
        body: serde_json::json!({}),
    };
    let mut store = Store::open(&root.database()).unwrap();
    store.log(&[event("started"), event("resumed")]).unwrap();
    back_up(&root, &store, NOW.plus_seconds(DAY), 9).unwrap();
    drop(store);
    let prepared = prepare_restore(&root, Some(&made[0])).unwrap();
    assert!(prepared.present.unwrap().events > prepared.holds.events);
    restore(&root, NOW).unwrap();
    let mut store = Store::open(&root.database()).unwrap();
    store.log(&[event("started")]).unwrap();
    let later = back_up(&root, &store, NOW.plus_seconds(-86_400), 9).unwrap();
    drop(store);
    assert_eq!(
        newest_backup(&root).as_ref(),
        Some(&later),
        "what was restored goes on after what it replaced"
    );

    let prepared = prepare_restore(&root, None).unwrap();
    assert_eq!(prepared.backup, later);
    let prepared = prepare_restore(&root, Some(&made[1])).unwrap();
    let mut present = prepared.present.unwrap();
    present.documents.retain(|(_, name)| name != "b.txt");
    let unknown = unknown_to(&prepared.holds, Some(&present), &root).unwrap();
    assert_eq!(unknown.forgotten, ["b.txt"]);
}
