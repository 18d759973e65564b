//! Restoring: a backup takes the database's place. A kill at any moment leaves the old one in force or the new one, and nothing is removed.
//!
//! The copy is made and checked under a name of its own. The rename that makes it [`READY`] decides; what is left is done by whoever opens the database
//! next, be it the same process, the same command again or the daemon.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::backups::backups;
use super::root::Root;
use seald_core::clock::Timestamp;
use seald_core::domain::ids::DocumentId;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;
use seald_store::{Snapshot, Store};

/// The copy while it is made and checked.
const STAGED: &str = "seald.db.restoring";
/// In front of the time, the copy that is to be the database.
const READY: &str = "seald.db.restored-";
/// In front of the time, the database that it replaced; what lies beside it follows it.
const REPLACED: &str = "seald.db.replaced-";
/// The database, and what SQLite keeps beside it. The database goes first: whoever knows nothing of this finds it lost rather than without its log.
const PARTS: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// A backup that was copied beside the database and found whole; nothing is changed yet.
#[derive(Debug)]
pub struct Prepared {
    /// The backup.
    pub backup: PathBuf,
    /// What it holds.
    pub holds: Snapshot,
    /// Newer ones that cannot be used, and why.
    pub passed_over: Vec<(PathBuf, Error)>,
    /// What the database holds that is to be replaced; none where that cannot be told.
    pub present: Option<Snapshot>,
}

/// What was in one database and is not in the one that takes its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Folders of `adapters`: the daemon will move them aside.
    pub adapters: Vec<String>,
    /// Names of documents that were forgotten since, and are back.
    pub forgotten: Vec<String>,
}

/// What a database that is restored makes of what came after it. `present`: what the one before it held, where that can be told.
///
/// # Errors
/// [`Kind::Io`] where the adapters cannot be listed.
pub fn unknown_to(holds: &Snapshot, present: Option<&Snapshot>, root: &Root) -> Result<Unknown> {
    let dir = root.adapters();
    let names: Vec<String> = match fs::read_dir(&dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(io_error("read", &dir, e)),
        Ok(entries) => entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect(),
    };
    let generations = holds.generations.iter().map(|id| id.folder());
    let known: HashSet<String> = generations.chain(holds.writers.iter().map(|id| id.folder())).collect();
    let ours = |name: &String| ["gen-", "writer-"].iter().any(|kind| name.starts_with(kind));
    let mut adapters: Vec<String> = names.into_iter().filter(|n| ours(n) && !known.contains(n)).collect();
    adapters.sort();
    let there: Option<HashSet<_>> = present.map(|one| one.documents.iter().map(|(id, _)| id).collect());
    let gone = |(id, _): &&(DocumentId, String)| there.as_ref().is_some_and(|there| !there.contains(id));
    let forgotten = holds.documents.iter().filter(gone).map(|(_, name)| name.clone()).collect();
    Ok(Unknown { adapters, forgotten })
}

/// Copies a backup beside the database and checks it: the one that was named, else the newest that is whole. The caller holds the root's lock.
///
/// # Errors
/// [`Kind::NotFound`] without any; those of [`Store::verify`] where the one that was named cannot be used, or not one can; [`Kind::Io`].
pub fn prepare_restore(root: &Root, named: Option<&Path>) -> Result<Prepared> {
    let all = match backups(&root.backups()) {
        Err(e) if e.kind() == Kind::NotFound => Vec::new(),
        found => found?,
    };
    let present = Store::look_into(&root.database()).ok();
    let mut passed_over = Vec::new();
    let mut left = named.map_or_else(|| all.clone(), |named| vec![named.to_path_buf()]);
    let (backup, holds) = loop {
        let Some(backup) = left.pop() else { return Err(none_is_good(root, &passed_over)) };
        match stage(root, &backup) {
            Ok(holds) => break (backup, holds),
            Err(e) if named.is_some() || e.kind() == Kind::Io => return Err(e),
            Err(e) => passed_over.push((backup, e)),
        }
    };
    // Which database is the newest is told by the numbers of their events: what this one will see comes after what any other saw.
    let seen = all.iter().filter_map(|path| Store::measure_of(path).ok().map(|held| held.events));
    let most = seen.chain(present.as_ref().map(|present| present.events)).max().unwrap_or(0);
    Store::count_events_from(&root.state().join(STAGED), most)?;
    Ok(Prepared { backup, holds, passed_over, present })
}

fn none_is_good(root: &Root, passed_over: &[(PathBuf, Error)]) -> Error {
    let dir = root.backups();
    match passed_over.last() {
        None => Error::new(
            Kind::NotFound,
            format!("there is no backup in {}: name one that lies elsewhere", dir.display()),
        ),
        Some((path, why)) => Error::new(
            Kind::Corrupt,
            format!(
                "none of the {} backups in {} can be used (the oldest, {}: {why}): name one that lies elsewhere",
                passed_over.len(),
                dir.display(),
                path.display()
            ),
        ),
    }
}

/// Copies a backup to [`STAGED`], checks the copy, and gives it owner and mode of the database.
fn stage(root: &Root, backup: &Path) -> Result<Snapshot> {
    let staged = root.state().join(STAGED);
    remove_if_there(&staged)?;
    let copy = || {
        Store::copy_file(backup, &staged)?;
        let holds = Store::verify(&staged).map_err(|e| e.context(backup.display()))?;
        // What the daemon would do at its next start, and could not take back.
        Store::bring_up(&staged).map_err(|e| e.context(backup.display()))?;
        take_after(&root.database(), &staged)?;
        Ok(holds)
    };
    let checked = copy();
    if checked.is_err() {
        remove_if_there(&staged)?;
    }
    checked
}

/// Gives a file the owner, the group and the mode of the one that it will replace, if there is one.
fn take_after(old: &Path, new: &Path) -> Result<()> {
    let Some(old) = fs::metadata(old).ok().filter(|old| old.is_file()) else { return Ok(()) };
    let file = OpenOptions::new().write(true).open(new).map_err(|e| io_error("open", new, e))?;
    let own = file.metadata().map_err(|e| io_error("look at", new, e))?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(&file, Some(old.uid()), Some(old.gid())).map_err(|e| io_error("give away", new, e))?;
    }
    file.set_permissions(old.permissions()).map_err(|e| io_error("set the mode of", new, e))?;
    file.sync_all().map_err(|e| io_error("sync", new, e))
}

/// Puts what was prepared in the database's place; where the database that was there lies now, if one was.
///
/// # Errors
/// [`Kind::Io`]; what was decided before that is done when the database is opened next.
pub fn restore(root: &Root, now: Timestamp) -> Result<Option<PathBuf>> {
    let names = |seconds| {
        let time = DateTime::<Utc>::from_timestamp_millis(now.plus_seconds(seconds).0).unwrap_or_default();
        let time = time.format("%Y%m%dT%H%M%SZ");
        [READY, REPLACED].map(|front| root.state().join(format!("{front}{time}")))
    };
    let taken = |names: &[PathBuf; 2]| names.iter().any(|name| name.symlink_metadata().is_ok());
    let mut second = 0;
    while taken(&names(second)) {
        second += 1;
    }
    let [ready, _] = names(second);
    rename_new(&root.state().join(STAGED), &ready)?;
    sync(&root.state())?;
    Ok(finish_restore(root)?.and_then(|finished| finished.replaced))
}

/// A restore that was finished.
#[derive(Debug)]
pub struct FinishedRestore {
    /// Where the database that was replaced lies now, if there was one.
    pub replaced: Option<PathBuf>,
}

/// Whether a restore was decided and is not finished.
pub fn restore_under_way(root: &Root) -> Result<bool> {
    Ok(ready(root)?.is_some())
}

/// Does what is left of a restore that was decided; none where there is none. The caller holds the root's lock.
///
/// # Errors
/// [`Kind::Conflict`] where files have the names that are needed; [`Kind::Io`].
pub fn finish_restore(root: &Root) -> Result<Option<FinishedRestore>> {
    let Some((ready, time)) = ready(root)? else { return Ok(None) };
    let (database, replaced) = (root.database(), root.state().join(format!("{REPLACED}{time}")));
    for part in PARTS {
        let (from, to) = (with(&database, part), with(&replaced, part));
        if from.symlink_metadata().is_ok() {
            rename_new(&from, &to)?;
        }
    }
    // Of work that another database knows; what is needed of it is done again.
    clear_folder(&root.work())?;
    remove_if_there(&root.place())?;
    sync(&root.state())?;
    rename_new(&ready, &database)?;
    sync(&root.state())?;
    let there = replaced.symlink_metadata().is_ok();
    Ok(Some(FinishedRestore { replaced: there.then_some(replaced) }))
}

/// Databases that were replaced, and what lay beside them; and a copy that a kill left.
pub(super) fn replaced(root: &Root) -> Result<Vec<PathBuf>> {
    let state = root.state();
    let entries = fs::read_dir(&state).map_err(|e| io_error("read", &state, e))?;
    let ours = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with(REPLACED) || name == STAGED)
    };
    Ok(entries.flatten().filter(ours).map(|entry| entry.path()).collect())
}

/// The copy that is to be the database, and the time in its name; of several, which nobody but a person can have made, the newest.
fn ready(root: &Root) -> Result<Option<(PathBuf, String)>> {
    let state = root.state();
    let entries = fs::read_dir(&state).map_err(|e| io_error("read", &state, e))?;
    let time = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let time = name.to_str()?.strip_prefix(READY)?;
        Some((entry.path(), time.to_string()))
    };
    Ok(entries.flatten().filter_map(time).max())
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(ending);
    name.into()
}

/// Renames, but never onto something.
fn rename_new(from: &Path, to: &Path) -> Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::EXIST) => {
            let text = format!(
                "{} is there already, and nothing is overwritten: move it away, and give the same command again",
                to.display()
            );
            Err(Error::new(Kind::Conflict, text))
        }
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP)
            if to.symlink_metadata().is_err() =>
        {
            // A file system that cannot promise it.
            fs::rename(from, to).map_err(|e| io_error("rename", from, e))
        }
        renamed => renamed.map_err(|e| io_error("rename", from, e.into())),
    }
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_error("remove", path, e)),
        _ => Ok(()),
    }
}

/// Removes what is in a folder.
fn clear_folder(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|e| io_error("read", dir, e))?,
    };
    for entry in entries.flatten() {
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let removed = if folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.map_err(|e| io_error("remove", &entry.path(), e))?;
    }
    Ok(())
}

fn sync(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| io_error("sync", dir, e))
}

#[cfg(test)]
mod tests;
