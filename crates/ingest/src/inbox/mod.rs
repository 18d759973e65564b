//! The inbox: a folder where people and programs drop files. A scan finds what has settled; what was read moves out.
//!
//! Scanning is the truth, [`watch`] only a hint to scan soon. Nothing here reads what the files hold, nor knows of a
//! database: [`Inbox::scan`] says what to read, [`Inbox::done`] and [`Inbox::failed`] move it, [`Inbox::put`] brings
//! files in. `done/` and `failed/` lie in the inbox and are never scanned. No link in the inbox is followed, theirs neither: whoever may drop files could make them lead
//! into folders that are not theirs.

mod again;
mod folder;
mod listing;
mod moves;
mod names;
mod note;
mod opened;
mod options;
mod put;
mod scan;
mod settle;
mod staged;
mod taken;
mod watch;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

pub use again::{LOOKED_AT_AGAIN_SECONDS, TakenEarlier};
use folder::Folder;
pub use listing::DoneListing;
pub use opened::Opened;
pub use options::InboxOptions;
pub use scan::{Found, Scan};
pub use watch::{Watcher, watch};

use super::{is_sidecar, sidecar_of};
use seald_core::clock::Timestamp;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;
use seald_core::protocol::{RefusedFile, RefusedFiles};

/// Folder of files that were read.
pub const DONE: &str = "done";
/// Folder of files that could not be read, with the reasons.
const FAILED: &str = "failed";
/// Folders within folders that are walked.
const MAX_FOLDERS_DEEP: usize = 64;

/// One inbox. A clone may [`Self::put`] while another scans; only one of them should scan and move.
#[derive(Debug, Clone)]
pub struct Inbox {
    path: PathBuf,
    options: InboxOptions,
    seen: settle::Seen,
    taken: taken::JustTaken,
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
            if folder.is_symlink() {
                tracing::warn!("{} is a symbolic link, which is not followed: remove it", folder.display());
                continue;
            }
            match make(&folder) {
                Err(e) if e.kind() == Kind::Conflict => return Err(e),
                // The first file that should move there tells the remedy.
                Err(e) => tracing::warn!("{e}"),
                Ok(()) => {}
            }
        }
        staged::clear_litter(&path);
        Ok(Self { path, options, seen: settle::Seen::default(), taken: taken::JustTaken::default() })
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

    /// Looks at a file in `done/` or `failed/` for some minutes more ([`Self::take_back`]): what lay at `path` and was `found`, if a scan found it, lies at `place` now, as
    /// [`Self::done`] or [`Self::failed`] returned it.
    pub fn watch_taken(&mut self, path: &Path, place: &Path, found: Option<&Found>, now: Timestamp) {
        let (relative, beneath) = (path.strip_prefix(&self.path), place.strip_prefix(&self.path));
        if let (Ok(relative), Ok(beneath), Ok(is)) = (relative, beneath, place.symlink_metadata()) {
            // On another file system it is a copy, and another file.
            let is = settle::Signature::of(&is);
            let read =
                found.map_or(is, |found| if is.same_text(&found.signature) { is } else { found.signature });
            self.taken.note(beneath, relative, read, now);
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
        let (inbox, from) = self.folders(&found.relative)?;
        let to = moves::folder(&inbox, DONE, inside(&found.relative))?;
        let name = found.relative.file_name().unwrap_or_default();
        let sidecar = found.sidecar.as_deref().and_then(Path::file_name);
        let sidecar = sidecar.filter(|sidecar| goes_along(&from, sidecar, name));
        let mut number = 1;
        loop {
            let (free, names) = moves::free(&to, name, sidecar, number)?;
            let place = to.path().join(&names.document);
            match moves::both((&from, name, sidecar), (&to, &names), Some(&found.signature)) {
                Ok(()) => {
                    note::clear(&from, name);
                    return Ok(place);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number = free + 1,
                Err(e) => return Err(moves::error(&found.path, &place, e)),
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
        let (inbox, from) = self.folders(relative)?;
        let to = moves::folder(&inbox, FAILED, inside(relative))?;
        let name = relative.file_name().unwrap_or_default();
        let sidecar = sidecar_of(path);
        let sidecar = sidecar.as_deref().and_then(Path::file_name);
        let sidecar = sidecar.filter(|sidecar| goes_along(&from, sidecar, name));
        let mut number = 1;
        loop {
            let (free, names) = moves::free(&to, name, sidecar, number)?;
            let place = to.path().join(&names.document);
            // The reason first: a crash in between leaves a reason without its file, which the next attempt takes up.
            let note = note::write(&to, &names.document, reason)?;
            let error = match moves::both((&from, name, sidecar), (&to, &names), None) {
                Ok(()) => {
                    note::clear(&from, name);
                    return Ok(place);
                }
                Err(e) => e,
            };
            let _ = fs::remove_file(to.at(note));
            match error.kind() {
                io::ErrorKind::AlreadyExists => number = free + 1,
                _ => return Err(moves::error(path, &place, error)),
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

    /// What lies in `failed/` now: the latest `most` files with their reasons, and how many more.
    ///
    /// # Errors
    /// [`Kind::NotFound`] or [`Kind::Io`] where `failed/` itself cannot be read.
    pub fn refused(&self, most: usize) -> Result<RefusedFiles> {
        let failed = self.path.join(FAILED);
        let mut found = Vec::new();
        // What cannot be looked at is left out.
        for path in DoneListing::of(&failed)?.flatten().filter(|path| !note::is_note(&failed.join(path))) {
            // A move changes no time of the content, but this one.
            let moved = failed.join(&path).symlink_metadata().map_or(0, |found| found.ctime());
            found.push((moved, path));
        }
        found.sort_by(|a, b| b.cmp(a));
        let more = found.len().saturating_sub(most);
        let file = |(moved, path): (i64, PathBuf)| RefusedFile {
            reason: note::reason(&failed.join(&path)).unwrap_or_default(),
            path: path.to_string_lossy().into_owned(),
            at: Timestamp(moved * 1000),
        };
        Ok(RefusedFiles {
            files: found.into_iter().take(most).map(file).collect(),
            more,
            unreadable: Vec::new(),
        })
    }

    /// The inbox, and the folder in it where a file at `relative` lies.
    fn folders(&self, relative: &Path) -> Result<(Folder, Folder)> {
        let inbox = Folder::open(&self.path).map_err(|e| io_error("open", &self.path, e))?;
        let path = self.path.join(relative);
        let from = inbox.descendant(inside(relative)).map_err(|e| moves::error(&path, &path, e))?;
        Ok((inbox, from))
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

/// The subfolder of the inbox that a file lies in.
fn inside(relative: &Path) -> &Path {
    relative.parent().unwrap_or(Path::new(""))
}

/// Whether the sidecar moves with the document: not while another one needs it.
fn goes_along(folder: &Folder, sidecar: &OsStr, document: &OsStr) -> bool {
    // What cannot be told moves: it is this document's in any case.
    !is_sidecar(Path::new(document)) && !moves::is_shared(folder, sidecar, document).unwrap_or(false)
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
