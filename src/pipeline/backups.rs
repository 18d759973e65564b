//! Backups of the database: whole copies in `state/backups`, and the way back from them.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::root::Root;
use seald_core::clock::Timestamp;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;
use seald_store::Store;

/// Copies the database to `state/backups/seald-20261122T030000Z.db` and removes the oldest copies beyond `keep`. Where
/// it went.
///
/// # Errors
/// [`Kind::Io`] where it cannot be written, or an old one not be removed.
pub fn back_up(root: &Root, store: &Store, now: Timestamp, keep: usize) -> Result<PathBuf> {
    let dir = root.backups();
    fs::create_dir_all(&dir).map_err(|e| io_error("create", &dir, e))?;
    let time = DateTime::<Utc>::from_timestamp_millis(now.0).unwrap_or_default();
    let path = dir.join(format!("seald-{}.db", time.format("%Y%m%dT%H%M%SZ")));
    if !path.exists() {
        store.backup_to(&path)?;
    }
    let mut kept = backups(&dir)?;
    let old = kept.len().saturating_sub(keep.max(1));
    for path in kept.drain(..old) {
        fs::remove_file(&path).map_err(|e| io_error("remove", &path, e))?;
    }
    Ok(path)
}

/// The newest backup, if there is one.
pub fn newest_backup(root: &Root) -> Option<PathBuf> {
    backups(&root.backups()).ok()?.pop()
}

/// The backups, oldest first: their names sort by time.
pub(super) fn backups(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| io_error("read", dir, e))?;
    let ours = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("seald-") && name.ends_with(".db")
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(ours).collect();
    found.sort();
    Ok(found)
}

/// Opens the root's database. A damaged one is left as it is.
///
/// # Errors
/// As [`Store::open`]; of a damaged one the error names the newest backup and how to put it in its place.
pub fn open_database(root: &Root) -> Result<Store> {
    let database = root.database();
    Store::open(&database).map_err(|error| match (error.kind(), newest_backup(root)) {
        (Kind::Corrupt, Some(backup)) => {
            let text = format!(
                "{error}. The newest backup is {}: stop seald, move {} and the files beside it whose names begin with it away, \
                 copy the backup to that name, and start again",
                backup.display(),
                database.display()
            );
            Error::new(Kind::Corrupt, text)
        }
        _ => error,
    })
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
        back_up(&root, &store, start.plus_seconds(3 * 86_400), 2).unwrap();
        Store::open(&made[3]).unwrap();
    }
}
