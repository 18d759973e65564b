//! One look at the whole inbox: what has settled, what has not, and what can never be read.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::settle::{Seen, Signature};
use super::{DONE, FAILED, MAX_FOLDERS_DEEP, note};
use crate::sidecar::sidecar_names;
use crate::{is_passing, is_sidecar};
use seald_core::clock::Timestamp;
use seald_core::error::{Result, without_number};
use seald_core::files::{io_error, name_text};

/// Folders and files that a scan reports because they cannot be looked at; more of them are only left out.
const MAX_UNREADABLE: usize = 100;
/// How long questions may wait for their document before a person is told: a large one takes its time to be copied.
const LONELY_SECONDS: i64 = 300;
const MAX_LONELY: usize = 100;

/// What a look at the inbox found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Files that have settled, in the order of their arrival.
    pub files: Vec<Found>,
    /// How many more have settled.
    pub more: usize,
    /// How many have not settled yet.
    pub waiting: usize,
    /// When the first of those can have. None where there are none, or all wait for a refused sidecar to be taken out.
    pub look_again: Option<Timestamp>,
    /// What can never be read, and why: links, pipes, sockets, devices. [`super::Inbox::failed`] takes it out.
    pub refused: Vec<(PathBuf, String)>,
    /// Folders and files that could not be looked at, and why: at most 100. They stay, and the next scan tries again.
    pub unreadable: Vec<(PathBuf, String)>,
    /// How many are left alone because they could not be moved ([`super::Inbox::leave`]).
    pub left: usize,
    /// Questions that have lain here for five minutes without a document that they belong to: at most 100.
    pub lonely: Vec<PathBuf>,
}

/// A file that has settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it lies.
    pub path: PathBuf,
    /// The same, inside the inbox.
    pub relative: PathBuf,
    /// The subfolder that it came in, `/` between the parts; none at the top. What is not UTF-8 is replaced.
    pub tag: Option<String>,
    /// The questions beside it.
    pub sidecar: Option<PathBuf>,
    /// Its size, bytes.
    pub bytes: u64,
    pub(super) signature: Signature,
}

impl Found {
    /// Whether it is still as the scan found it. Worth asking after it was read: what was read may be half of a new
    /// version then, and the next scan finds that.
    pub fn unchanged(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|now| Signature::of(&now) == self.signature)
    }
}

/// A settled file, ordered by its arrival.
#[derive(PartialEq, Eq)]
struct Arrival {
    changed: (i64, i64),
    relative: PathBuf,
    sidecar: Option<OsString>,
    bytes: u64,
    signature: Signature,
}

impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.changed, &self.relative).cmp(&(other.changed, &other.relative))
    }
}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A sidecar of the folder that is being looked at.
struct Sidecar {
    /// When it will have settled; never, if it is refused.
    ready_at: Option<Timestamp>,
    since: Timestamp,
    has_document: bool,
}

/// A scan under way.
struct Look<'a> {
    inbox: &'a Path,
    seen: &'a mut Seen,
    settle_seconds: u64,
    now: Timestamp,
    most: usize,
    /// The earliest arrivals, the latest of them on top.
    first: BinaryHeap<Arrival>,
    /// Folders to come, inside the inbox, and how deep they are.
    folders: Vec<(PathBuf, usize)>,
    scan: Scan,
}

/// As [`super::Inbox::scan`].
pub(super) fn scan(
    inbox: &Path,
    seen: &mut Seen,
    settle_seconds: u64,
    now: Timestamp,
    most: usize,
) -> Result<Scan> {
    seen.begin();
    let (first, folders, scan) = (BinaryHeap::new(), Vec::new(), Scan::default());
    let mut look = Look { inbox, seen, settle_seconds, now, most, first, folders, scan };
    look.folder(Path::new(""), 0).map_err(|e| io_error("read the inbox", inbox, e))?;
    while let Some((folder, depth)) = look.folders.pop() {
        if let Err(e) = look.folder(&folder, depth) {
            look.unreadable(&folder, &e);
        }
    }
    let Look { seen, first, mut scan, .. } = look;
    seen.end();
    scan.lonely.sort();
    scan.files = first.into_sorted_vec().into_iter().map(|arrival| arrival.found(inbox)).collect();
    scan.more -= scan.files.len();
    Ok(scan)
}

impl Look<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let path = self.inbox.join(folder);
        let mut sidecars = self.sidecars(&path, folder)?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let name = entry.file_name();
            let kept = depth == 0 && [DONE, FAILED].iter().any(|kept| name == *kept);
            if kept || is_passing(Path::new(&name)) {
                continue;
            }
            let relative = folder.join(&name);
            let Some(metadata) = self.metadata(&entry, &relative) else { continue };
            match what(metadata.file_type()) {
                What::Folder if depth < MAX_FOLDERS_DEEP => self.folders.push((relative, depth + 1)),
                What::Folder => self.too_deep(relative),
                _ if is_sidecar(Path::new(&name)) => {}
                What::Other(why) => self.refuse(relative, why),
                What::File if note::is_note(&entry.path()) => {}
                What::File => {
                    let sidecar = partner(&name, &mut sidecars);
                    self.file(relative, sidecar, &metadata);
                }
            }
        }
        self.lonely(folder, &sidecars);
        Ok(())
    }

    /// The sidecars in a folder, all looked at before the documents that wait for them.
    fn sidecars(&mut self, path: &Path, folder: &Path) -> io::Result<HashMap<OsString, Sidecar>> {
        let mut sidecars = HashMap::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name();
            if !is_sidecar(Path::new(&name)) || is_passing(Path::new(&name)) {
                continue;
            }
            let relative = folder.join(&name);
            let Some(metadata) = self.metadata(&entry, &relative) else { continue };
            let (ready_at, since) = match what(metadata.file_type()) {
                What::Folder => continue,
                What::File => {
                    let sight = self.seen.look(&relative, &Signature::of(&metadata), self.now);
                    (Some(self.ready_at(sight.since)), sight.since)
                }
                What::Other(why) => {
                    self.refuse(relative, why);
                    (None, self.now)
                }
            };
            sidecars.insert(name, Sidecar { ready_at, since, has_document: false });
        }
        Ok(sidecars)
    }

    /// A document: it has settled, or waits.
    fn file(
        &mut self,
        relative: PathBuf,
        sidecar: Option<(OsString, Option<Timestamp>)>,
        metadata: &Metadata,
    ) {
        let signature = Signature::of(metadata);
        let sight = self.seen.look(&relative, &signature, self.now);
        if sight.left {
            self.scan.left += 1;
            return;
        }
        let beside = sidecar.as_ref().map_or(Some(Timestamp(i64::MIN)), |(_, ready_at)| *ready_at);
        // None: it waits until its refused sidecar is taken out, which is a change to look at.
        let ready_at = beside.map(|beside| beside.max(self.ready_at(sight.since)));
        if ready_at.is_none_or(|at| at > self.now) {
            self.scan.waiting += 1;
            self.scan.look_again = [self.scan.look_again, ready_at].into_iter().flatten().min();
            return;
        }
        self.scan.more += 1;
        let sidecar = sidecar.map(|(name, _)| name);
        let (changed, bytes) = (signature.changed, metadata.len());
        self.first.push(Arrival { changed, relative, sidecar, bytes, signature });
        if self.first.len() > self.most {
            self.first.pop();
        }
    }

    /// Finds the sidecars without a document, which nobody reads.
    fn lonely(&mut self, folder: &Path, sidecars: &HashMap<OsString, Sidecar>) {
        let alone = sidecars.iter().filter(|(_, sidecar)| {
            let settled = sidecar.ready_at.is_some_and(|at| at <= self.now);
            settled && !sidecar.has_document && sidecar.since.plus_seconds(LONELY_SECONDS) <= self.now
        });
        let room = MAX_LONELY - self.scan.lonely.len();
        self.scan.lonely.extend(alone.take(room).map(|(name, _)| self.inbox.join(folder).join(name)));
    }

    /// None where it vanished meanwhile, or cannot be looked at.
    fn metadata(&mut self, entry: &DirEntry, relative: &Path) -> Option<Metadata> {
        entry.metadata().map_err(|e| self.unreadable(relative, &e)).ok()
    }

    fn ready_at(&self, since: Timestamp) -> Timestamp {
        since.plus_seconds(i64::try_from(self.settle_seconds).unwrap_or(i64::MAX))
    }

    fn refuse(&mut self, relative: PathBuf, why: &str) {
        // They count as seen, so that one which cannot be moved can be left alone.
        let path = self.inbox.join(&relative);
        let Ok(metadata) = path.symlink_metadata() else { return };
        if self.seen.look(&relative, &Signature::of(&metadata), self.now).left {
            self.scan.left += 1;
        } else if self.scan.refused.len() < self.most {
            self.scan.refused.push((path, why.to_string()));
        }
    }

    fn unreadable(&mut self, relative: &Path, error: &io::Error) {
        if error.kind() == io::ErrorKind::NotFound {
            return; // gone meanwhile, as files do
        }
        let path = self.inbox.join(relative);
        let remedy = match error.kind() {
            io::ErrorKind::PermissionDenied => ": let the user that seald runs as read it",
            _ => "",
        };
        let words = without_number(&error.to_string());
        self.cannot_be_read(path, format!("cannot be looked at ({words}){remedy}"));
    }

    fn too_deep(&mut self, relative: PathBuf) {
        let why = format!("lies more than {MAX_FOLDERS_DEEP} folders deep: move it up");
        self.cannot_be_read(self.inbox.join(relative), why);
    }

    fn cannot_be_read(&mut self, path: PathBuf, why: String) {
        if self.scan.unreadable.len() < MAX_UNREADABLE {
            self.scan.unreadable.push((path, why));
        }
    }
}

impl Arrival {
    fn found(self, inbox: &Path) -> Found {
        let Self { relative, sidecar, bytes, signature, .. } = self;
        let path = inbox.join(&relative);
        let folder = relative.parent().unwrap_or(Path::new(""));
        let parts: Vec<_> = folder.iter().map(name_text).collect();
        let tag = (!parts.is_empty()).then(|| parts.join("/"));
        let sidecar = sidecar.map(|name| path.with_file_name(name));
        Found { path, relative, tag, sidecar, bytes, signature }
    }
}

/// The sidecar that a document reads, and when it will have settled.
fn partner(
    document: &OsStr,
    sidecars: &mut HashMap<OsString, Sidecar>,
) -> Option<(OsString, Option<Timestamp>)> {
    if sidecars.is_empty() {
        return None;
    }
    let names = sidecar_names(Path::new(document))?;
    let name = names.into_iter().find(|name| sidecars.contains_key(name))?;
    let sidecar = sidecars.get_mut(&name)?;
    sidecar.has_document = true;
    Some((name, sidecar.ready_at))
}

/// What a directory entry is.
enum What {
    File,
    Folder,
    /// No file: why it is refused.
    Other(&'static str),
}

fn what(kind: FileType) -> What {
    match kind {
        kind if kind.is_file() => What::File,
        kind if kind.is_dir() => What::Folder,
        kind if kind.is_symlink() => {
            What::Other("It is a symbolic link: put the file itself into the inbox.")
        }
        kind if kind.is_fifo() => What::Other(
            "It is a named pipe: save what comes out of it to a file, and put that into the inbox.",
        ),
        kind if kind.is_socket() => What::Other("It is a socket: only files can be learned."),
        _ => What::Other("It is a device: only files can be learned."),
    }
}
