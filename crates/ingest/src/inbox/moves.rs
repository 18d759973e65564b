//! Moving a document with its sidecar to `done/` or `failed/`: nothing is overwritten, nothing is there twice.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::folder::Folder;
use super::note::{MAX_NUMBERS, full};
use super::settle::Signature;
use super::{names, staged};
use crate::sidecar::{ENDING, is_sidecar, sidecar_names};
use crate::walk::is_passing;
use seald_core::error::{Error, Kind, Result};

/// The names under which a document and its sidecar will lie.
pub(super) struct Names {
    pub(super) document: OsString,
    pub(super) sidecar: Option<OsString>,
}

/// The first number under which both are free in `folder`, from `number` on, and the names.
pub(super) fn free(
    folder: &Folder,
    name: &OsStr,
    own: Option<&OsStr>,
    number: usize,
) -> Result<(usize, Names)> {
    for number in number..=MAX_NUMBERS {
        let numbered = names::numbered(name, number);
        let sidecar = own.map(|own| match number {
            1 => own.to_os_string(),
            _ => [numbered.as_os_str(), ENDING.as_ref()].into_iter().collect::<OsString>(),
        });
        let names = Names { document: numbered, sidecar };
        let taken = |name: &OsString| folder.look(name).is_ok();
        if !taken(&names.document) && !names.sidecar.as_ref().is_some_and(taken) {
            return Ok((number, names));
        }
    }
    Err(full(folder.path(), name))
}

/// A file that is no longer the one that was found.
#[derive(Debug)]
struct Changed;

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has changed")
    }
}

impl std::error::Error for Changed {}

/// Moves both from one folder to their names in another, the sidecar first: after a crash in between, the document is found again and follows it.
/// On failure both are where they were. With `found`, a document that has become another since then stays.
pub(super) fn both(
    (from, document, sidecar): (&Folder, &OsStr, Option<&OsStr>),
    (to, names): (&Folder, &Names),
    found: Option<&Signature>,
) -> io::Result<()> {
    let mut moved = None;
    if let Some((own, new)) = sidecar.zip(names.sidecar.as_deref()) {
        let (own, new) = (from.at(own), to.at(new));
        match file(&own, &new, None) {
            Ok(()) => moved = Some((own, new)),
            // Somebody took it away: its document goes alone.
            Err(e) if e.kind() == io::ErrorKind::NotFound && own.symlink_metadata().is_err() => {}
            Err(e) => return Err(e),
        }
    }
    let outcome = file(&from.at(document), &to.at(&names.document), found);
    if let (Err(_), Some((own, new))) = (&outcome, moved) {
        // Else it lies in wait for the document, which will follow.
        let _ = file(&new, &own, None);
    }
    outcome
}

/// Moves one file, link or other thing without overwriting. Between file systems it is copied, synced and then removed.
///
/// Not synced where it is a mere rename: after a power cut it is in one place or the other, and either will do.
fn file(from: &Path, to: &Path, found: Option<&Signature>) -> io::Result<()> {
    match staged::rename_new(from, to) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => return across(from, to, found),
        renamed => renamed?,
    }
    let Some(found) = found else { return Ok(()) };
    // Only now is it sure which file it was: the name may have changed hands at any moment.
    if to.symlink_metadata().is_ok_and(|moved| Signature::of(&moved).same_content(found)) {
        return Ok(());
    }
    put_back(to, from)?;
    Err(io::Error::other(Changed))
}

/// Brings back what should not have been moved, under another name if its own is taken by now.
fn put_back(from: &Path, to: &Path) -> io::Result<()> {
    let name = to.file_name().unwrap_or_default();
    for number in 1..=MAX_NUMBERS {
        match staged::rename_new(from, &to.with_file_name(names::numbered(name, number))) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            done => return done,
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn across(from: &Path, to: &Path, found: Option<&Signature>) -> io::Result<()> {
    let before = from.symlink_metadata()?;
    if before.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if before.is_file() {
        copy(from, to)?;
    } else {
        let text = "only files and links can go to another file system: remove it";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let before = found.copied().unwrap_or_else(|| Signature::of(&before));
    let same = from.symlink_metadata().is_ok_and(|now| Signature::of(&now) == before);
    let removed = match same {
        true => fs::remove_file(from),
        false => Err(io::Error::other(Changed)),
    };
    if removed.is_err() {
        // Otherwise every attempt would leave a copy more.
        let _ = fs::remove_file(to);
    }
    removed
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut options = File::options();
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    let source = options.open(from)?;
    let found = source.metadata()?;
    let staged = staged::write(to.parent().unwrap_or(Path::new(".")), &source)?;
    staged.as_file().set_permissions(found.permissions())?;
    staged.as_file().set_times(FileTimes::new().set_modified(found.modified()?))?;
    staged::publish(&staged, to)
}

/// The folder in the folder `name` of the inbox that stands for the subfolder `inside` of it, made where it is missing. A folder whose
/// name something else has already gets a number; in place of `name` itself nothing else will do.
pub(super) fn folder(inbox: &Folder, name: &str, inside: &Path) -> Result<Folder> {
    let error = |within: &Folder, name: &OsStr, e| {
        let (folder, within) = (within.path().join(name), within.path().display());
        not_writable(format!("cannot make {}", folder.display()), &within.to_string(), e)
    };
    let name = OsStr::new(name);
    let mut folder = match inbox.make(name) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => inbox.child(name),
    }
    .map_err(|e| error(inbox, name, e))?;
    for part in inside {
        let mut numbers = 1..=MAX_NUMBERS;
        folder = loop {
            let number = numbers.next().ok_or_else(|| full(folder.path(), part))?;
            let next = names::numbered(part, number);
            match folder.make(&next) {
                Ok(()) => {}
                Err(_) if folder.look(&next).is_ok_and(|found| found.is_dir()) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(error(&folder, &next, e)),
            }
            break folder.child(&next).map_err(|e| error(&folder, &next, e))?;
        };
    }
    Ok(folder)
}

/// Whether another document beside this one reads the same sidecar, which has to wait for it.
pub(super) fn is_shared(folder: &Folder, sidecar: &OsStr, document: &OsStr) -> io::Result<bool> {
    for entry in fs::read_dir(folder.anchor())? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if name.as_os_str() == document || is_sidecar(&name) || is_passing(&name) {
            continue;
        }
        let Some([own, by_stem]) = sidecar_names(&name) else { continue };
        let reads = own == sidecar || by_stem == sidecar;
        let other = own != sidecar && folder.look(&own).is_ok();
        if reads && !other && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Why a move failed, and what to do.
pub(super) fn error(from: &Path, to: &Path, source: io::Error) -> Error {
    let folder = |path: &Path| path.parent().unwrap_or(path).display().to_string();
    if source.get_ref().is_some_and(|inner| inner.is::<Changed>()) {
        return changed(from);
    }
    match source.kind() {
        io::ErrorKind::NotFound if from.symlink_metadata().is_err() => gone(from),
        io::ErrorKind::Unsupported => {
            Error::new(Kind::Unsupported, format!("cannot move {}", from.display())).with_source(source)
        }
        _ => {
            let doing = format!("cannot move {} to {}", from.display(), folder(to));
            not_writable(doing, &format!("{} and {}", folder(from), folder(to)), source)
        }
    }
}

/// The file is not the one that was found.
pub(super) fn changed(path: &Path) -> Error {
    let text = format!("{} has changed since it was found: it stays, and is read again", path.display());
    Error::new(Kind::Conflict, text)
}

/// The file is not there.
pub(super) fn gone(path: &Path) -> Error {
    let text = format!("{} is no longer there: somebody took it out of the inbox", path.display());
    Error::new(Kind::NotFound, text)
}

/// What failed in `folders`, with the remedy where they may not be written.
pub(super) fn not_writable(doing: String, folders: &str, source: io::Error) -> Error {
    let remedy = match source.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            format!(" (mounted read-only: mount {folders} so that seald can write there)")
        }
        io::ErrorKind::PermissionDenied => {
            format!(" (not permitted: let the user that seald runs as write to {folders})")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => " (free some space)".to_string(),
        _ => String::new(),
    };
    Error::new(Kind::Io, format!("{doing}{remedy}")).with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_took_the_name_of_another_is_not_moved_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, text) in [("a.md", "one"), ("a.probes.jsonl", "{}"), ("new", "another")] {
            fs::write(at(name), text).unwrap();
        }
        fs::create_dir(at("done")).unwrap();
        let found = Signature::of(&at("a.md").symlink_metadata().unwrap());
        fs::rename(at("new"), at("a.md")).unwrap();
        let inbox = Folder::open(dir.path()).unwrap();
        let done = folder(&inbox, "done", Path::new("")).unwrap();
        let (name, own) = (OsStr::new("a.md"), Some(OsStr::new("a.probes.jsonl")));
        let move_both = |found: &Signature| {
            let (_, to) = free(&done, name, own, 1).unwrap();
            both((&inbox, name, own), (&done, &to), Some(found))
                .map_err(|e| error(&at("a.md"), &at("done").join(&to.document), e))
        };
        let sidecar = at("a.probes.jsonl");
        assert_eq!(move_both(&found).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(fs::read(at("a.md")).unwrap(), b"another");
        assert!(sidecar.exists() && fs::read_dir(at("done")).unwrap().next().is_none());
        move_both(&Signature::of(&at("a.md").symlink_metadata().unwrap())).unwrap();
        assert!(at("done/a.md").exists() && at("done/a.probes.jsonl").exists());
    }

    #[test]
    fn files_go_to_another_file_system_by_copy() {
        let dir = tempfile::tempdir().unwrap();
        let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&fs::metadata(path).unwrap());
        let elsewhere = tempfile::tempdir_in("/dev/shm").ok();
        let Some(elsewhere) = elsewhere.filter(|other| device(other.path()) != device(dir.path())) else {
            eprintln!("skipped: /dev/shm is no file system of its own here");
            return;
        };
        let (inbox, done) = (Folder::open(dir.path()).unwrap(), Folder::open(elsewhere.path()).unwrap());
        let (name, own) = (OsStr::new("a.md"), Some(OsStr::new("a.probes.jsonl")));
        let at = |name: &str| dir.path().join(name);
        let signature = |name: &str| Signature::of(&at(name).symlink_metadata().unwrap());
        for round in ["one", "two"] {
            fs::write(at("a.md"), round).unwrap();
            fs::write(at("a.probes.jsonl"), round).unwrap();
            let (found, modified) =
                (signature("a.md"), fs::metadata(at("a.md")).unwrap().modified().unwrap());
            let (_, names) = free(&done, name, own, 1).unwrap();
            both((&inbox, name, own), (&done, &names), Some(&found)).unwrap();
            let moved = elsewhere.path().join(&names.document);
            assert_eq!(fs::read_to_string(&moved).unwrap(), round);
            assert_eq!(fs::metadata(&moved).unwrap().modified().unwrap(), modified);
            assert!(!at("a.md").exists() && !at("a.probes.jsonl").exists());
        }
        assert_eq!(fs::read(elsewhere.path().join("a (2).md.probes.jsonl")).unwrap(), b"two");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 4, "nothing staged is left");

        symlink("nowhere", at("link")).unwrap();
        let move_one = |name: &str, found: Option<&Signature>| {
            let (_, names) = free(&done, OsStr::new(name), None, 1).unwrap();
            both((&inbox, OsStr::new(name), None), (&done, &names), found)
        };
        move_one("link", None).unwrap();
        assert_eq!(fs::read_link(elsewhere.path().join("link")).unwrap(), Path::new("nowhere"));
        let socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        assert_eq!(move_one("socket", None).unwrap_err().kind(), io::ErrorKind::Unsupported);
        drop(socket);
        // What is not taken away is not left there as a copy either, else every attempt would make one more.
        fs::write(at("stays.md"), "one").unwrap();
        let found = signature("stays.md");
        fs::write(at("stays.md"), "two, longer").unwrap();
        assert!(move_one("stays.md", Some(&found)).is_err());
        assert!(at("stays.md").exists() && !elsewhere.path().join("stays.md").exists());
    }
}
