//! Backups of the database, and the removal of what is too old to keep.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::clock::Timestamp;
use crate::domain::ids::GenerationId;
use crate::error::Result;
use crate::files::io_error;
use crate::pipeline::Root;
use crate::store::Store;

/// Copies the database to `state/backups/seald-20261122T030000Z.db` and removes the oldest copies beyond `keep`. Where
/// it went.
pub(super) fn back_up(root: &Root, store: &Store, now: Timestamp, keep: usize) -> Result<PathBuf> {
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
pub(super) fn newest_backup(root: &Root) -> Option<PathBuf> {
    backups(&root.backups()).ok()?.pop()
}

/// The backups, oldest first: their names sort by time.
fn backups(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|e| io_error("read", dir, e))?;
    let ours = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("seald-") && name.ends_with(".db")
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(ours).collect();
    found.sort();
    Ok(found)
}

/// Removes the folders of generations, but those of the newest `keep`, of the live one and of the `keep` before it in
/// its chain: what one would roll back to. Rows stay: they tell what was. The folders that went.
pub(super) fn prune(root: &Root, store: &Store, keep: usize) -> Result<Vec<GenerationId>> {
    let all = store.generations()?;
    let mut kept: HashSet<GenerationId> = all.iter().rev().take(keep).map(|g| g.id).collect();
    if let Some(live) = store.live()? {
        kept.extend(store.chain(live.id)?.iter().rev().take(keep.max(1)).map(|g| g.id));
    }
    let mut gone = Vec::new();
    for generation in all.iter().filter(|g| !kept.contains(&g.id)) {
        let dir = root.generation(generation.id);
        match fs::remove_dir_all(&dir) {
            Ok(()) => gone.push(generation.id),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io_error("remove", &dir, e)),
        }
    }
    Ok(gone)
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
