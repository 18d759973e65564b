//! Files that are either whole or not there: atomic writes, directories published in one step, a lock.
//!
//! A crash at any point leaves the old state or the new one, and at most litter whose name says so
//! ([`clean_litter`]).

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use tempfile::TempDir;

use crate::error::{Error, Kind, Result};

/// Names of unfinished files and directories begin so.
const STAGING_PREFIX: &str = ".staging-";
/// A directory that a replacement moved aside begins so; the rest is the name it had.
const REPLACED_PREFIX: &str = ".replaced-";

/// An operating system error with the path and, where we know one, the remedy.
///
/// `doing` is a verb: "write", "rename". A missing path becomes [`Kind::NotFound`].
pub fn io_error(doing: &str, path: &Path, source: io::Error) -> Error {
    let (kind, remedy) = match source.kind() {
        io::ErrorKind::NotFound => (Kind::NotFound, ""),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (Kind::Io, " (free some space)"),
        io::ErrorKind::ReadOnlyFilesystem => (Kind::Io, " (the file system is mounted read-only)"),
        io::ErrorKind::PermissionDenied => (Kind::Io, " (check who owns it)"),
        _ => (Kind::Io, ""),
    };
    Error::new(kind, format!("cannot {doing} {}{remedy}", path.display())).with_source(source)
}

/// The name of a file as text that no other name has: bytes that are no UTF-8 as `\\xFC`.
pub fn name_text(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02X}")));
    }
    text
}

/// Reads a whole file; errors name it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| io_error("read", path, e))
}

/// Opens a file that must be one: opening a named pipe would wait for ever for somebody who writes.
///
/// [`Kind::Invalid`] where it is something else; [`Kind::NotFound`] where nothing is there.
pub fn open_regular(path: &Path) -> Result<File> {
    let metadata = fs::metadata(path).map_err(|e| io_error("open", path, e))?;
    if !metadata.is_file() {
        return Err(Error::new(Kind::Invalid, format!("{} is not a regular file", path.display())));
    }
    File::open(path).map_err(|e| io_error("open", path, e))
}

/// Reads a whole file that [`open_regular`] opens.
pub fn read_regular(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.read_to_end(&mut bytes).map_err(|e| io_error("read", path, e))?;
    Ok(bytes)
}

/// Reads a whole UTF-8 file; errors name it, and bytes that are not UTF-8 are [`Kind::Corrupt`].
pub fn read_text(path: &Path) -> Result<String> {
    text(read(path)?, path)
}

/// [`read_text`] of a file that [`open_regular`] opens.
pub fn read_regular_text(path: &Path) -> Result<String> {
    text(read_regular(path)?, path)
}

fn text(bytes: Vec<u8>, path: &Path) -> Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        Error::new(Kind::Corrupt, format!("{} is not UTF-8 text", path.display())).with_source(e)
    })
}

/// Reads a secret (a token, a key) from a file of its own: the text without white space around it.
///
/// [`Kind::Invalid`] with the remedy where it is no file or everyone may use it. What it holds is in no message.
pub fn read_secret(path: &Path) -> Result<String> {
    let metadata = fs::metadata(path).map_err(|e| io_error("read", path, e))?;
    let refused = |why: String| Err(Error::new(Kind::Invalid, format!("{} {why}", path.display())));
    if !metadata.is_file() {
        return refused("is not a file: give one that holds the secret".into());
    }
    let mode = metadata.permissions().mode();
    if mode & 0o007 != 0 {
        return refused(format!("is open to everyone (mode {:04o}): chmod o= it", mode & 0o777));
    }
    Ok(read_text(path)?.trim().to_string())
}

/// Replaces `path` by `bytes` in one step: readers see the old content or the new, also after a power cut.
///
/// An existing file keeps its permissions; a new one gets the umask's.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let parent = parent_of(path);
    let mode = match fs::metadata(path) {
        Ok(existing) => existing.permissions(),
        Err(_) => Permissions::from_mode(0o666),
    };
    let mut staged = tempfile::Builder::new()
        .prefix(STAGING_PREFIX)
        .permissions(mode)
        .tempfile_in(parent)
        .map_err(|e| io_error("create a file beside", path, e))?;
    staged.write_all(bytes).map_err(|e| io_error("write", path, e))?;
    staged.as_file().sync_all().map_err(|e| io_error("sync", path, e))?;
    staged.persist(path).map_err(|e| io_error("rename into place", path, e.error))?;
    sync_dir(parent)
}

/// A directory being filled out of sight; [`Self::publish`] puts it in its place, dropping it removes it.
#[derive(Debug)]
pub struct StagedDir {
    dir: TempDir,
    target: PathBuf,
    replace: bool,
}

impl StagedDir {
    /// Starts `parent/final_name`, creating `parent` if need be.
    ///
    /// [`Kind::Conflict`] if the target exists already, so that work is not done in vain.
    pub fn new(parent: &Path, final_name: &str) -> Result<Self> {
        Self::start(parent, final_name, false)
    }

    /// As [`Self::new`], but an existing target is replaced at [`Self::publish`].
    pub fn replacing(parent: &Path, final_name: &str) -> Result<Self> {
        Self::start(parent, final_name, true)
    }

    fn start(parent: &Path, final_name: &str, replace: bool) -> Result<Self> {
        let mut parts = Path::new(final_name).components();
        if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
            let text = format!("`{final_name}` is not a directory name: give one name without separators");
            return Err(Error::new(Kind::Invalid, text));
        }
        fs::create_dir_all(parent).map_err(|e| io_error("create", parent, e))?;
        let target = parent.join(final_name);
        if !replace {
            refuse_existing(&target)?;
        }
        let dir = tempfile::Builder::new()
            .prefix(&format!("{STAGING_PREFIX}{final_name}-"))
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(|e| io_error("create a directory in", parent, e))?;
        Ok(Self { dir, target, replace })
    }

    /// Where the files lie until they are published.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where they will lie.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Writes `name` (one file name, or a relative path below the directory).
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path().join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| io_error("create", parent, e))?;
        }
        fs::write(&path, bytes).map_err(|e| io_error("write", &path, e))
    }

    /// Syncs everything, renames it into place and syncs the parent; returns the final path.
    ///
    /// [`Kind::Conflict`] if the target has come to exist meanwhile and was not to be replaced.
    pub fn publish(self) -> Result<PathBuf> {
        sync_tree(self.dir.path())?;
        let parent = parent_of(&self.target).to_path_buf();
        let aside = if self.replace { self.move_aside(&parent)? } else { None };
        if let Err(e) = self.rename() {
            if let Some(aside) = &aside {
                fs::rename(aside, &self.target).map_err(|e| io_error("put back", &self.target, e))?;
            }
            return Err(e);
        }
        let Self { mut dir, target, .. } = self;
        dir.disable_cleanup(true);
        sync_dir(&parent)?;
        if let Some(aside) = aside {
            fs::remove_dir_all(&aside).map_err(|e| io_error("remove", &aside, e))?;
        }
        Ok(target)
    }

    fn rename(&self) -> Result<()> {
        refuse_existing(&self.target)?;
        fs::rename(self.dir.path(), &self.target).map_err(|e| match e.kind() {
            // Someone else published there since the line above.
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => taken(&self.target),
            _ => io_error("rename into place", &self.target, e),
        })
    }

    fn move_aside(&self, parent: &Path) -> Result<Option<PathBuf>> {
        let mut name = std::ffi::OsString::from(REPLACED_PREFIX);
        name.push(self.target.file_name().unwrap_or_default());
        let aside = parent.join(name);
        if fs::symlink_metadata(&self.target).is_err() {
            return Ok(None);
        }
        // Left by a crash after the new one was in place.
        remove_any(&aside)?;
        fs::rename(&self.target, &aside).map_err(|e| io_error("move aside", &self.target, e))?;
        Ok(Some(aside))
    }
}

/// Puts a directory that was filled beside `target` in its place: everything synced, then one rename. A `target` that is there and
/// empty gives way.
///
/// [`Kind::Conflict`] if the target is there and not empty.
pub fn put_in_place(dir: &Path, target: &Path) -> Result<()> {
    sync_tree(dir)?;
    fs::rename(dir, target).map_err(|e| match e.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            taken(target)
        }
        _ => io_error("rename into place", target, e),
    })?;
    sync_dir(parent_of(target))
}

/// Removes what crashed writers left in `parent`, and puts back a directory whose replacement never came.
/// Returns the paths dealt with.
///
/// Only for the process that owns `parent` (holds its [`lock`]): another writer's staging looks the same.
pub fn clean_litter(parent: &Path) -> Result<Vec<PathBuf>> {
    clean(parent, |_| true)
}

/// [`clean_litter`] for one directory or file alone: what crashed writers of `target` left beside it. Nothing to do
/// where its parent does not exist.
///
/// Only for the process that writes `target`.
pub fn clean_litter_of(target: &Path) -> Result<Vec<PathBuf>> {
    let parent = parent_of(target);
    let Some(name) = target.file_name().and_then(|n| n.to_str()).filter(|_| parent.is_dir()) else {
        return Ok(Vec::new());
    };
    clean(parent, |litter| {
        // Staging names end in a dash and letters that were free; another target's may begin like ours.
        let staged = litter.strip_prefix(STAGING_PREFIX).and_then(|rest| rest.rsplit_once('-'));
        litter.strip_prefix(REPLACED_PREFIX) == Some(name) || staged.is_some_and(|(own, _)| own == name)
    })
}

/// Deals with the litter in `parent` whose file name is `wanted`.
fn clean(parent: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut dealt_with = Vec::new();
    for entry in fs::read_dir(parent).map_err(|e| io_error("list", parent, e))? {
        let path = entry.map_err(|e| io_error("list", parent, e))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()).filter(|n| wanted(n)) else { continue };
        if let Some(original) = name.strip_prefix(REPLACED_PREFIX) {
            let original = parent.join(original);
            if fs::symlink_metadata(&original).is_err() {
                fs::rename(&path, &original).map_err(|e| io_error("put back", &original, e))?;
            } else {
                remove_any(&path)?;
            }
        } else if name.starts_with(STAGING_PREFIX) {
            remove_any(&path)?;
        } else {
            continue;
        }
        dealt_with.push(path);
    }
    sync_dir(parent)?;
    dealt_with.sort();
    Ok(dealt_with)
}

/// An exclusive lock on a file, held until dropped or until the process ends, however it ends.
#[derive(Debug)]
pub struct FileLock {
    file: File,
}

/// Takes the lock at `path` and writes our process id into it; a second holder gets [`Kind::Conflict`]
/// with the first one's process id.
pub fn lock(path: &Path) -> Result<FileLock> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false) // the content is the holder's until we hold the lock
        .open(path)
        .map_err(|e| io_error("open the lock", path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the text; a holder that has not written its id yet stays nameless.
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process".to_string(),
                pid => format!("process {pid}"),
            };
            let text = format!("{} is held by {holder}: stop it, or use another directory", path.display());
            return Err(Error::new(Kind::Conflict, text));
        }
        Err(TryLockError::Error(e)) => return Err(io_error("lock", path, e)),
    }
    write_pid(&mut file).map_err(|e| io_error("write the process id to", path, e))?;
    Ok(FileLock { file })
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())?;
    file.flush()
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // The file stays: removing it would let two holders lock two different files of one name.
        let _ = self.file.set_len(0);
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn taken(target: &Path) -> Error {
    let text = format!("{} exists already: choose another name, or remove it first", target.display());
    Error::new(Kind::Conflict, text)
}

fn refuse_existing(target: &Path) -> Result<()> {
    match fs::symlink_metadata(target) {
        Ok(_) => Err(taken(target)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io_error("look at", target, e)),
    }
}

fn remove_any(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    removed.map_err(|e| io_error("remove", path, e))
}

fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|e| io_error("sync", path, e))
}

fn sync_tree(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| io_error("list", dir, e))? {
        let path = entry.map_err(|e| io_error("list", dir, e))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            sync_dir(&path)?; // a file is opened and synced the same way
        }
    }
    sync_dir(dir)
}
