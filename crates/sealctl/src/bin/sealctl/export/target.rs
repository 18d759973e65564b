//! Where an export goes: filled beside its place, and put there by one rename.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use seald_core::error::{Error, Kind, Result};
use tempfile::TempDir;

/// A folder that does not exist yet, or is empty.
pub(super) struct Target {
    parent: PathBuf,
    name: OsString,
}

/// The folder while it is filled; gone with everything in it unless it is published.
pub(super) struct Staged {
    dir: TempDir,
    target: PathBuf,
}

impl Target {
    /// # Errors
    /// [`Kind::Conflict`] where something is there; [`Kind::Invalid`] for a path without a name; [`Kind::NotFound`]
    /// where it cannot be: its parent is not there.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        // `.` and `a/..` are names of folders that are there.
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
        let Some(name) = folder.file_name() else {
            let text = format!("{} is no name of a folder: give a new one", folder.display());
            return Err(Error::new(Kind::Invalid, text));
        };
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        if !parent.is_dir() {
            let text = format!("there is no folder {}: make it first", parent.display());
            return Err(Error::new(Kind::NotFound, text));
        }
        let target = Self { parent: parent.to_path_buf(), name: name.to_os_string() };
        refuse_occupied(&target.path())?;
        Ok(target)
    }

    fn path(&self) -> PathBuf {
        self.parent.join(&self.name)
    }

    /// A folder beside it, to be filled.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub(super) fn stage(self) -> Result<Staged> {
        let mut prefix = OsString::from(".staging-");
        prefix.push(&self.name);
        prefix.push("-");
        let dir = tempfile::Builder::new()
            .prefix(&prefix)
            // As `mkdir` would; the umask takes from it.
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(&self.parent)
            .map_err(|e| failed("create a folder in", &self.parent, e))?;
        Ok(Staged { dir, target: self.path() })
    }
}

impl Staged {
    /// Where files go until it is published.
    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Puts it in its place, which may have become a folder meanwhile if that is empty.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where something has come there; [`Kind::Io`].
    pub(super) fn publish(self) -> Result<()> {
        let Self { mut dir, target } = self;
        refuse_occupied(&target)?;
        sync(dir.path())?;
        fs::rename(dir.path(), &target).map_err(|e| match e.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => occupied(&target),
            _ => failed("rename the export to", &target, e),
        })?;
        dir.disable_cleanup(true);
        sync(target.parent().unwrap_or(Path::new(".")))
    }
}

fn refuse_occupied(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed("look at", path, e)),
        Ok(found) if !found.is_dir() => Err(occupied(path)),
        Ok(_) => {
            let mut inside = fs::read_dir(path).map_err(|e| failed("look into", path, e))?;
            if inside.next().is_none() { Ok(()) } else { Err(occupied(path)) }
        }
    }
}

fn occupied(path: &Path) -> Error {
    let text = format!("{} is there already: give a new folder, or an empty one", path.display());
    Error::new(Kind::Conflict, text)
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| failed("sync", folder, e))
}

/// What the system refused.
pub(super) fn failed(doing: &str, path: &Path, e: io::Error) -> Error {
    let remedy = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => " (free some space)",
        io::ErrorKind::PermissionDenied => " (check who owns it)",
        _ => "",
    };
    Error::new(Kind::Io, format!("cannot {doing} {}{remedy}", path.display())).with_source(e)
}
