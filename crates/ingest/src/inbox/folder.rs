//! Folders held open by descriptor: what is moved goes to the folder that was looked at, whatever name or link stands in its place by then. Links are not followed.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A folder.
#[derive(Debug)]
pub(super) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// The inbox, whose own path may lead through links: the owner gave it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let descriptor = openat(CWD, path, FLAGS, Mode::empty())?;
        Ok(Self { descriptor, path: path.to_path_buf() })
    }

    /// The folder `name` in this one.
    pub(super) fn child(&self, name: &OsStr) -> io::Result<Self> {
        let path = self.path.join(name);
        if self.look(name).is_ok_and(|found| found.is_symlink()) {
            let text = format!("{} is a symbolic link, which is not followed: remove it", path.display());
            return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
        }
        let descriptor = openat(&self.descriptor, name, FLAGS | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Self { descriptor, path })
    }

    /// The folder at `inside` beneath this one.
    pub(super) fn descendant(&self, inside: &Path) -> io::Result<Self> {
        let mut folder = Self { descriptor: self.descriptor.try_clone()?, path: self.path.clone() };
        for part in inside {
            folder = folder.child(part)?;
        }
        Ok(folder)
    }

    /// Makes the folder `name` in this one. Fails with `AlreadyExists`.
    pub(super) fn make(&self, name: &OsStr) -> io::Result<()> {
        // As std makes folders: the umask decides.
        Ok(mkdirat(&self.descriptor, name, Mode::from_bits_truncate(0o777))?)
    }

    /// Its path, for people.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A path to `name` in this very folder, for the system: it lasts as long as this value, and no link leads it elsewhere.
    pub(super) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.anchor().join(name)
    }

    /// The same of the folder itself.
    pub(super) fn anchor(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.descriptor.as_raw_fd()))
    }

    /// Opens the file `name` to be read, if it is one: no link is followed, and nobody is waited for.
    pub(super) fn file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(openat(&self.descriptor, name, flags, Mode::empty())?);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file any more")),
        }
    }

    /// What `name` is, links themselves.
    pub(super) fn look(&self, name: impl AsRef<Path>) -> io::Result<Metadata> {
        fs::symlink_metadata(self.at(name))
    }
}
