//! Backups of the database: whole copies in `state/backups`, and the way back from them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDateTime, Utc};

use super::restore::finish_restore;
use super::root::Root;
use seald_core::clock::Timestamp;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::{self, io_error};
use seald_store::{Snapshot, Store};

/// Held by whoever makes a copy, or removes them: one that is being made would else outlive the removal of all that hold a forgotten document.
static AT_WORK: Mutex<()> = Mutex::new(());

/// Nobody else makes or removes copies as long as this is held.
pub(super) fn alone() -> MutexGuard<'static, ()> {
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes what earlier processes left of unfinished copies, which hold documents as copies do. The caller holds the root's lock.
pub fn clean_backups(root: &Root) {
    let (_alone, dir) = (alone(), root.backups());
    if dir.is_dir()
        && let Err(error) = files::clean_litter(&dir)
    {
        tracing::warn!(path = %dir.display(), %error, "cannot remove unfinished backups");
    }
}

/// Removes every copy, and what is left of unfinished ones; how many copies went. The caller is [`alone`].
pub(super) fn remove_all(root: &Root) -> Result<usize> {
    let dir = root.backups();
    if !dir.is_dir() {
        return Ok(0);
    }
    files::clean_litter(&dir)?;
    let all = backups(&dir)?;
    for path in &all {
        fs::remove_file(path).map_err(|e| io_error("remove", path, e))?;
    }
    Ok(all.len())
}

/// Copies the database to `state/backups/seald-20261122T030000Z.db`, checks the copy, and removes the oldest copies beyond `keep`, but none that holds more than the
/// database does: that would be lost. Where it went.
///
/// # Errors
/// [`Kind::Corrupt`] where the database is damaged: nothing is made then, and nothing removed; [`Kind::Io`] where it cannot be written, or an old one not be removed.
pub fn back_up(root: &Root, store: &Store, now: Timestamp, keep: usize) -> Result<PathBuf> {
    let (_alone, dir) = (alone(), root.backups());
    fs::create_dir_all(&dir).map_err(|e| io_error("create", &dir, e))?;
    // One of the same second is an earlier state, and stays.
    let named = |second| dir.join(name(now.plus_seconds(second)));
    let path = (0..).map(named).find(|path| !path.exists()).unwrap_or_else(|| named(0));
    store.backup_to(&path)?;
    let present = store.measure()?;
    // One that cannot be read is none.
    let fuller = |path: &PathBuf| Store::measure_of(path).is_ok_and(|held| held.exceeds(&present));
    let mut kept: Vec<PathBuf> = backups(&dir)?.into_iter().filter(|path| !fuller(path)).collect();
    let old = kept.len().saturating_sub(keep.max(1));
    for path in kept.drain(..old) {
        fs::remove_file(&path).map_err(|e| io_error("remove", &path, e))?;
    }
    Ok(path)
}

/// How backups are called; the names sort by time.
const NAME: &str = "seald-%Y%m%dT%H%M%SZ.db";

fn name(at: Timestamp) -> String {
    DateTime::<Utc>::from_timestamp_millis(at.0).unwrap_or_default().format(NAME).to_string()
}

/// A backup as it lies there.
#[derive(Debug)]
pub struct BackupFile {
    /// Where.
    pub path: PathBuf,
    /// When it was made; by its own time where its name does not tell.
    pub at: Timestamp,
    /// Its size.
    pub bytes: u64,
    /// What it holds, or why it cannot be used.
    pub holds: Result<Snapshot>,
}

impl BackupFile {
    /// Looks at the one at `path`.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is none.
    pub fn look(path: PathBuf) -> Result<Self> {
        let found = fs::metadata(&path).map_err(|e| io_error("look at", &path, e))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let at = match NaiveDateTime::parse_from_str(&file, NAME) {
            Ok(at) => at.and_utc().timestamp_millis(),
            Err(_) => found.mtime() * 1000,
        };
        Ok(Self { holds: Store::look_into(&path), at: Timestamp(at), bytes: found.len(), path })
    }
}

/// Every backup, newest first.
///
/// # Errors
/// [`Kind::Io`] where their folder cannot be read.
pub fn list_backups(root: &Root) -> Result<Vec<BackupFile>> {
    let paths = match backups(&root.backups()) {
        Err(e) if e.kind() == Kind::NotFound => Vec::new(),
        found => found?,
    };
    let looked = paths.into_iter().rev().map(BackupFile::look);
    // One that was pruned meanwhile is none.
    looked.filter(|one| one.as_ref().err().is_none_or(|e| e.kind() != Kind::NotFound)).collect()
}

/// The newest backup, if there is one.
pub fn newest_backup(root: &Root) -> Option<PathBuf> {
    backups(&root.backups()).ok()?.pop()
}

/// The backups, oldest first: by how many events each has seen. Their names follow a clock, which may have been wrong.
pub(super) fn backups(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| io_error("read", dir, e))?;
    let ours = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("seald-") && name.ends_with(".db")
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(ours).collect();
    found.sort();
    // One that cannot be read stays behind the one before it.
    let mut seen = 0;
    let mut numbered: Vec<(i64, PathBuf)> = Vec::with_capacity(found.len());
    for path in found {
        seen = Store::measure_of(&path).map_or(seen, |held| held.events);
        numbered.push((seen, path));
    }
    numbered.sort_by_key(|(seen, _)| *seen);
    Ok(numbered.into_iter().map(|(_, path)| path).collect())
}

/// Opens the root's database, once a restore that was cut short is finished. A damaged one is left as it is, and where one was lost none is made in its
/// place. The caller holds the root's lock.
///
/// # Errors
/// As [`Store::open`]; of a damaged or lost one the error names the newest backup and how to put it in its place.
pub fn open_database(root: &Root) -> Result<Store> {
    if let Some(finished) = finish_restore(root)? {
        let replaced =
            finished.replaced.map_or_else(|| "there was none".into(), |path| path.display().to_string());
        tracing::warn!(replaced, "a restore that was cut short is finished: the backup is the database now");
    }
    let database = root.database();
    if fs::metadata(&database).map_or(true, |found| found.is_file() && found.len() == 0) {
        refuse_lost(root, &database)?;
    }
    Store::open(&database).map_err(|error| match (error.kind(), newest_backup(root)) {
        (Kind::Corrupt, Some(backup)) => {
            let text = format!("{error}. {}", way_back(&backup));
            Error::new(Kind::Corrupt, text)
        }
        _ => error,
    })
}

/// What to do where the database is damaged or lost.
fn way_back(newest: &Path) -> String {
    format!(
        "The newest backup is {}: `sealctl restore` puts the newest that is whole in its place, and moves aside what is there",
        newest.display()
    )
}

/// What was learned without the database that knows of it is no fresh start.
fn refuse_lost(root: &Root, database: &Path) -> Result<()> {
    let backup = newest_backup(root);
    let generation = fs::read_dir(root.adapters()).ok().and_then(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with("gen-")).min()
    });
    let remedy = match (&backup, &generation) {
        (None, None) => return Ok(()),
        (Some(backup), _) => way_back(backup),
        (None, Some(_)) => "There is no backup beside it: put one back that you have".to_string(),
    };
    let left = match &generation {
        Some(generation) => root.adapters().join(generation).display().to_string(),
        None => root.backups().display().to_string(),
    };
    let text = format!(
        "{} is missing or empty, though {left} is there: seald does not begin anew beside what was learned. {remedy}. To begin anew, \
         move {} and {} away first",
        database.display(),
        root.adapters().display(),
        root.backups().display()
    );
    Err(Error::new(Kind::Corrupt, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_backups_are_kept_and_open() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let store = Store::open(&root.database()).unwrap();
        assert_eq!(newest_backup(&root), None);
        let start = Timestamp(1_763_769_600_000);
        let made: Vec<_> =
            (0..4).map(|day| back_up(&root, &store, start.plus_seconds(day * 86_400), 2).unwrap()).collect();
        assert_eq!(backups(&root.backups()).unwrap(), made[2..]);
        assert_eq!(newest_backup(&root).as_ref(), made.last());
        assert!(made[3].ends_with("seald-20251125T000000Z.db"), "{}", made[3].display());
        let again = back_up(&root, &store, start.plus_seconds(3 * 86_400), 2).unwrap();
        assert!(
            again.ends_with("seald-20251125T000001Z.db"),
            "one of the same second stays: {}",
            again.display()
        );
        Store::open(&made[3]).unwrap();
        fs::write(root.backups().join("seald-20251126T000000Z.db"), "no database").unwrap();
        let listed = list_backups(&root).unwrap();
        let at = |at: i64| start.plus_seconds(at);
        let times: Vec<_> = listed.iter().map(|one| one.at).collect();
        assert_eq!(times, [at(4 * 86_400), at(3 * 86_400 + 1), at(3 * 86_400)]);
        assert!(listed[0].holds.is_err() && listed[1].holds.is_ok() && listed[1].bytes > 0);
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_say_which_backups_are_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut store = Store::open(&root.database()).unwrap();
        let start = Timestamp(1_763_769_600_000);
        let year = 365 * 86_400;
        let mut made = Vec::new();
        for seconds in [year, year + 1, 0, 1, 2] {
            let (at, kind, body) = (start.plus_seconds(seconds), "started".into(), serde_json::json!({}));
            store.log(&[seald_store::NewEvent { at, job: None, document: None, kind, body }]).unwrap();
            made.push(back_up(&root, &store, at, 2).unwrap());
        }
        assert_eq!(newest_backup(&root).as_ref(), made.last());
        assert_eq!(backups(&root.backups()).unwrap(), made[3..], "those from the future went");
    }

    #[test]
    fn a_lost_database_is_no_fresh_start_and_its_backups_stay() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut store = open_database(&root).unwrap();
        let event = |kind: &str| seald_store::NewEvent {
            at: Timestamp(5),
            job: None,
            document: None,
            kind: kind.into(),
            body: serde_json::json!({}),
        };
        store.log(&[event("started"), event("received")]).unwrap();
        let good = back_up(&root, &store, Timestamp(86_400_000), 2).unwrap();
        store.close().unwrap();
        for lost in [true, false] {
            fs::remove_file(root.database()).unwrap();
            if !lost {
                fs::write(root.database(), b"").unwrap();
            }
            let error = open_database(&root).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt);
            assert!(error.to_string().contains(&good.display().to_string()), "{error}");
            assert_eq!(root.database().exists(), !lost, "nothing was made");
            fs::write(root.database(), b"").unwrap();
        }
        // Somebody began anew all the same: the copies of the empty database do not push the good one out.
        let aside = dir.path().join("aside");
        fs::rename(root.backups(), &aside).unwrap();
        let store = open_database(&root).unwrap();
        fs::rename(&aside, root.backups()).unwrap();
        for day in 2..8 {
            back_up(&root, &store, Timestamp(86_400_000 * day), 2).unwrap();
        }
        let left = backups(&root.backups()).unwrap();
        assert!(left.len() == 3 && left[2] == good, "{left:?}");
    }

    fn receive(store: &mut Store, name: &str) {
        let document = seald_store::NewDocument {
            hash: name.into(),
            name: name.into(),
            title: name.into(),
            text: name.into(),
            format: seald_core::domain::document::DocumentFormat::Text,
            tag: None,
        };
        store.receive(&document, &[], Timestamp(1)).unwrap();
    }

    /// A restore counts events on from the highest number, so that they do not tell which holds more.
    #[test]
    fn after_a_restore_the_fuller_backups_stay_until_the_database_holds_as_much() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut store = open_database(&root).unwrap();
        let day = |day: i64| Timestamp(86_400_000 * day);
        receive(&mut store, "a.txt");
        let poor = back_up(&root, &store, day(1), 9).unwrap();
        ["b.txt", "c.txt", "d.txt"].into_iter().for_each(|name| receive(&mut store, name));
        let full = back_up(&root, &store, day(2), 9).unwrap();
        store.close().unwrap();
        super::super::prepare_restore(&root, Some(&poor)).unwrap();
        super::super::restore(&root, day(3)).unwrap();
        let mut store = open_database(&root).unwrap();
        let made = back_up(&root, &store, day(4), 1).unwrap();
        assert_eq!(backups(&root.backups()).unwrap(), [full.clone(), made], "the fuller one stays");
        ["e.txt", "f.txt", "g.txt"].into_iter().for_each(|name| receive(&mut store, name));
        let made = back_up(&root, &store, day(5), 1).unwrap();
        assert_eq!(backups(&root.backups()).unwrap(), [made]);
    }

    /// One byte of a hash in an index: every page reads well, and the index does not fit its table any more.
    #[test]
    fn a_copy_that_is_not_whole_does_not_count_and_pushes_no_good_one_out() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let mut store = open_database(&root).unwrap();
        receive(&mut store, "the-only-one.txt");
        let good = back_up(&root, &store, Timestamp(86_400_000), 1).unwrap();
        store.close().unwrap();
        let bytes = spoil_index(&fs::read(root.database()).unwrap(), b"the-only-one.txt");
        let error = {
            fs::write(root.database(), &bytes).unwrap();
            open_database(&root).unwrap_err()
        };
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("sealctl restore"), "{error}");
        assert!(error.to_string().contains(&good.display().to_string()), "{error}");
        // It came while the database was open.
        fs::write(root.database(), fs::read(&good).unwrap()).unwrap();
        let store = open_database(&root).unwrap();
        fs::write(root.database(), &bytes).unwrap();
        let error = back_up(&root, &store, Timestamp(2 * 86_400_000), 1).unwrap_err();
        assert!(error.kind() == Kind::Corrupt && error.to_string().contains("sealctl restore"), "{error}");
        assert_eq!(backups(&root.backups()).unwrap(), [good]);
        assert_eq!(fs::read_dir(root.backups()).unwrap().count(), 1, "nothing is left of it");
    }

    /// The file with one byte of the last copy of `word` changed, which is the one that the index of hashes holds.
    fn spoil_index(bytes: &[u8], word: &[u8]) -> Vec<u8> {
        let found: Vec<usize> = bytes
            .windows(word.len())
            .enumerate()
            .filter(|(_, part)| *part == word)
            .map(|(at, _)| at)
            .collect();
        // The row holds it four times, side by side; the index once, in a page of its own.
        let page = |at: usize| at / 4096;
        let alone = |at: &&usize| found.iter().filter(|other| page(**other) == page(**at)).count() == 1;
        let mut bytes = bytes.to_vec();
        bytes[*found.iter().find(alone).unwrap()] ^= 1;
        bytes
    }

    #[test]
    fn pipes_and_devices_are_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let store = open_database(&root).unwrap();
        let made = back_up(&root, &store, Timestamp(86_400_000), 2).unwrap();
        store.close().unwrap();
        let pipe = root.backups().join("seald-20301126T000000Z.db");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let error = super::super::prepare_restore(&root, Some(&pipe)).unwrap_err();
        assert!(error.to_string().contains("no regular file"), "{error}");
        assert!(list_backups(&root).unwrap()[0].holds.is_err());
        fs::remove_file(root.database()).unwrap();
        fs::rename(&pipe, root.database()).unwrap();
        let error = open_database(&root).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("no regular file") && words.contains(&made.display().to_string()), "{words}");
    }

    #[test]
    fn generations_without_a_database_are_no_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        fs::create_dir(root.adapters().join("gen-000004")).unwrap();
        let error = open_database(&root).unwrap_err();
        assert!(error.to_string().contains("gen-000004") && error.kind() == Kind::Corrupt, "{error}");
    }
}
