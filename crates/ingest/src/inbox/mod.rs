//! The inbox: a folder where people and programs drop files. A scan finds what has settled; what was read moves out.
//!
//! Scanning is the truth, [`watch`] only a hint to scan soon. Nothing here reads what the files hold, nor knows of a
//! database: [`Inbox::scan`] says what to read, [`Inbox::done`] and [`Inbox::failed`] move it, [`Inbox::put`] brings
//! files in. `done/` and `failed/` lie in the inbox and are never scanned.

mod listing;
mod moves;
mod names;
mod note;
mod options;
mod put;
mod scan;
mod settle;
mod staged;
mod watch;

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

pub use listing::DoneListing;
pub use options::InboxOptions;
pub use scan::{Found, Scan};
pub use watch::{Watcher, watch};

use super::{is_sidecar, sidecar_of};
use seald_core::clock::Timestamp;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Folder of files that were read.
pub const DONE: &str = "done";
/// Folder of files that could not be read, with the reasons.
const FAILED: &str = "failed";
/// Folders within folders that are walked.
const MOST_FOLDERS_DEEP: usize = 64;

/// One inbox. A clone may [`Self::put`] while another scans; only one of them should scan and move.
#[derive(Debug, Clone)]
pub struct Inbox {
    path: PathBuf,
    options: InboxOptions,
    seen: settle::Seen,
}

impl Inbox {
    /// Opens the inbox at `path`, makes it with its folders `done` and `failed` if need be, and removes what a crash left
    /// unfinished. An inbox that may be read but not written is opened all the same.
    ///
    /// Only for the process that owns it: two of them would remove each other's unfinished files.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range; [`Kind::Conflict`] where a file has the name of one of the folders;
    /// [`Kind::Io`] where the folder can be neither made nor read.
    pub fn open(path: &Path, options: InboxOptions) -> Result<Self> {
        options.validate()?;
        let path = std::path::absolute(path).map_err(|e| io_error("find the inbox", path, e))?;
        make(&path)?;
        fs::read_dir(&path).map_err(|e| io_error("read the inbox", &path, e))?;
        for name in [DONE, FAILED] {
            let folder = path.join(name);
            match make(&folder) {
                Err(e) if e.kind() == Kind::Conflict => return Err(e),
                // The first file that should move there tells the remedy.
                Err(e) => tracing::warn!("{e}"),
                Ok(()) => {}
            }
        }
        staged::clear_litter(&path);
        Ok(Self { path, options, seen: settle::Seen::default() })
    }

    /// Its folder, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of files that were read.
    pub fn done_folder(&self) -> PathBuf {
        self.path.join(DONE)
    }

    /// Takes other options from now on.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range; the old ones stay.
    pub fn set_options(&mut self, options: InboxOptions) -> Result<()> {
        options.validate()?;
        self.options = options;
        Ok(())
    }

    /// Looks at everything, and reads nothing. At most `most` files are listed, in order of their arrival, and at most so
    /// many refused ones.
    ///
    /// A file has settled once it and its sidecar lay unchanged for [`InboxOptions::settle_seconds`]: by their own times
    /// if they are seen for the first time, else by `now`. A clock that jumps back makes them wait once more, not for ever.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Io`] where the inbox itself cannot be read.
    pub fn scan(&mut self, now: Timestamp, most: usize) -> Result<Scan> {
        scan::scan(&self.path, &mut self.seen, self.options.settle_seconds, now, most)
    }

    /// Leaves a file alone until it changes, or until the next start: for one that could not be moved, so that later
    /// scans go on to those behind it. They count it in [`Scan::left`].
    pub fn leave(&mut self, path: &Path) {
        if let Ok(relative) = path.strip_prefix(&self.path) {
            self.seen.leave(relative);
        }
    }

    /// Moves a file that was read to `done/`, with its sidecar, into the same subfolder; returns where it lies now. Where the
    /// name is taken, a number is put into it: `plan (2).md`. A sidecar that another document reads too stays for that one.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if it is gone; [`Kind::Conflict`] if it has changed since the scan: it stays, and the next scan
    /// finds the new version; [`Kind::Io`] if it cannot be moved, because the inbox is read-only or the disk is full, with
    /// the remedy: it stays, and [`Self::leave`] keeps it from being found again.
    pub fn done(&self, found: &Found) -> Result<PathBuf> {
        if !found.unchanged() {
            let there = found.path.symlink_metadata().is_ok();
            return Err(if there { moves::changed(&found.path) } else { moves::gone(&found.path) });
        }
        let folder = self.folder_in(DONE, &found.relative)?;
        let sidecar = found.sidecar.as_deref().filter(|sidecar| goes_along(sidecar, &found.path));
        let mut number = 1;
        loop {
            let (free, to) = moves::free(&folder, &found.path, sidecar, number)?;
            match moves::both(&found.path, sidecar, &to, Some(&found.signature)) {
                Ok(()) => {
                    note::clear(&found.path);
                    return Ok(to.document);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number = free + 1,
                Err(e) => return Err(moves::error(&found.path, &to.document, e)),
            }
        }
    }

    /// Moves what could not be read to `failed/`, with its sidecar, into the same subfolder, and writes `NAME.error.txt`
    /// with the reason beside it; returns where it lies now. A link is moved itself, never what it points to.
    ///
    /// It takes whatever has the name by now: ask [`Found::unchanged`] first, where a reader failed.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a path that is not a file of this inbox; [`Kind::Unsupported`] for a pipe, socket or device
    /// where `failed/` is on another file system; else as [`Self::done`].
    pub fn failed(&self, path: &Path, reason: &str) -> Result<PathBuf> {
        let relative = self.relative(path)?;
        let seen = path.symlink_metadata().map_err(|e| moves::error(path, path, e))?;
        if seen.is_dir() {
            return Err(Error::new(Kind::Invalid, format!("{} is a folder: name a file", path.display())));
        }
        let folder = self.folder_in(FAILED, relative)?;
        let sidecar = sidecar_of(path).filter(|sidecar| goes_along(sidecar, path));
        let mut number = 1;
        loop {
            let (free, to) = moves::free(&folder, path, sidecar.as_deref(), number)?;
            // The reason first: a crash in between leaves a reason without its file, which the next attempt takes up.
            let note = note::write(&folder, to.document.file_name().unwrap_or_default(), reason)?;
            let error = match moves::both(path, sidecar.as_deref(), &to, None) {
                Ok(()) => {
                    note::clear(path);
                    return Ok(to.document);
                }
                Err(e) => e,
            };
            let _ = fs::remove_file(note);
            match error.kind() {
                io::ErrorKind::AlreadyExists => number = free + 1,
                _ => return Err(moves::error(path, &to.document, error)),
            }
        }
    }

    /// Puts a file into the inbox, whole or not at all, also after a power cut; returns where it lies. Where the name is
    /// taken, a number is put into it. `tag` is the subfolder, made if need be.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a name or tag that is no single safe name, or that no scan would see; [`Kind::Conflict`] for a
    /// sidecar whose name is taken (put it before its document), and for a tag that is no folder; [`Kind::Io`].
    pub fn put(&self, name: &str, tag: Option<&str>, bytes: &[u8]) -> Result<PathBuf> {
        put::put(&self.path, name, tag, bytes)
    }

    /// What lies in `done/` now: paths relative to it, in no order, without sidecars and hidden files. Where a folder
    /// cannot be read, an error says so, and what lies there is not missing.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Io`] where `done/` itself cannot be read.
    pub fn done_listing(&self) -> Result<DoneListing> {
        DoneListing::of(&self.done_folder())
    }

    /// The folder in `done/` or `failed/` for a file at `relative`, made if need be.
    fn folder_in(&self, name: &str, relative: &Path) -> Result<PathBuf> {
        moves::folder(&self.path.join(name), relative.parent().unwrap_or(Path::new("")))
    }

    fn relative<'a>(&self, path: &'a Path) -> Result<&'a Path> {
        let relative = path.strip_prefix(&self.path).ok().filter(|relative| {
            let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
            let first = relative.components().next();
            plain && first.is_some_and(|first| ![DONE, FAILED].map(Path::new).contains(&first.as_ref()))
        });
        relative.ok_or_else(|| {
            let text = format!("{} is no file of the inbox {}", path.display(), self.path.display());
            Error::new(Kind::Invalid, text)
        })
    }
}

/// Whether the sidecar moves with the document: not while another one needs it.
fn goes_along(sidecar: &Path, document: &Path) -> bool {
    // What cannot be told moves: it is this document's in any case.
    !is_sidecar(document) && !moves::is_shared(sidecar, document).unwrap_or(false)
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| match e.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            let text = format!("{} is a file where a folder should be: move it away", folder.display());
            Error::new(Kind::Conflict, text)
        }
        _ => io_error("make", folder, e),
    })
}
