//! Moving a document with its sidecar to `done/` or `failed/`: nothing is overwritten, nothing is there twice.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::note::{MOST_NUMBERS, full};
use super::settle::Signature;
use super::{names, staged};
use crate::sidecar::{ENDING, is_sidecar, sidecar_names};
use crate::walk::is_passing;
use seald_core::error::{Error, Kind, Result};

/// Where a document and its sidecar will lie.
pub(super) struct Places {
    pub(super) document: PathBuf,
    pub(super) sidecar: Option<PathBuf>,
}

/// The first number under which both are free in `folder`, from `number` on, and the places.
pub(super) fn free(
    folder: &Path,
    document: &Path,
    sidecar: Option<&Path>,
    number: usize,
) -> Result<(usize, Places)> {
    let name = document.file_name().unwrap_or_default();
    let own = sidecar.and_then(Path::file_name);
    for number in number..=MOST_NUMBERS {
        let numbered = names::numbered(name, number);
        let sidecar = own.map(|own| match number {
            1 => own.to_os_string(),
            _ => [numbered.as_os_str(), ENDING.as_ref()].into_iter().collect::<OsString>(),
        });
        let places = Places { document: folder.join(numbered), sidecar: sidecar.map(|own| folder.join(own)) };
        let taken = |path: &PathBuf| path.symlink_metadata().is_ok();
        if !taken(&places.document) && !places.sidecar.as_ref().is_some_and(taken) {
            return Ok((number, places));
        }
    }
    Err(full(folder, name))
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

/// Moves both to their places, the sidecar first: after a crash in between, the document is found again and follows it.
/// On failure both are where they were. With `found`, a document that has become another since then stays.
pub(super) fn both(
    document: &Path,
    sidecar: Option<&Path>,
    to: &Places,
    found: Option<&Signature>,
) -> io::Result<()> {
    let mut moved = None;
    if let Some((from, to)) = sidecar.zip(to.sidecar.as_deref()) {
        match file(from, to, None) {
            Ok(()) => moved = Some((from, to)),
            // Somebody took it away: its document goes alone.
            Err(e) if e.kind() == io::ErrorKind::NotFound && from.symlink_metadata().is_err() => {}
            Err(e) => return Err(e),
        }
    }
    let outcome = file(document, &to.document, found);
    if let (Err(_), Some((from, to))) = (&outcome, moved) {
        // Else it lies in wait for the document, which will follow.
        let _ = file(to, from, None);
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
    for number in 1..=MOST_NUMBERS {
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

/// The folder below `root` that stands for the subfolder `inside` of the inbox, made where it is missing. A folder whose
/// name a file has already gets a number.
pub(super) fn folder(root: &Path, inside: &Path) -> Result<PathBuf> {
    let error = |folder: &Path, within: &Path, e| {
        not_writable(format!("cannot make {}", folder.display()), &within.display().to_string(), e)
    };
    fs::create_dir_all(root).map_err(|e| error(root, root.parent().unwrap_or(root), e))?;
    let mut folder = root.to_path_buf();
    for part in inside {
        let mut numbers = 1..=MOST_NUMBERS;
        folder = loop {
            let number = numbers.next().ok_or_else(|| full(&folder, part))?;
            let next = folder.join(names::numbered(part, number));
            match fs::create_dir(&next) {
                Ok(()) => break next,
                Err(_) if next.is_dir() => break next,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(error(&next, &folder, e)),
            }
        };
    }
    Ok(folder)
}

/// Whether another document beside this one reads the same sidecar, which has to wait for it.
pub(super) fn is_shared(sidecar: &Path, document: &Path) -> io::Result<bool> {
    let folder = document.parent().unwrap_or(Path::new("."));
    let exists = |name: &OsString| folder.join(name).symlink_metadata().is_ok();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if name.file_name() == document.file_name() || is_sidecar(&name) || is_passing(&name) {
            continue;
        }
        let Some([own, by_stem]) = sidecar_names(&name) else { continue };
        let reads = [&own, &by_stem].contains(&&OsString::from(sidecar.file_name().unwrap_or_default()));
        let other = Some(own.as_os_str()) != sidecar.file_name() && exists(&own);
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
        let sidecar = at("a.probes.jsonl");
        let move_both = |found: &Signature| {
            let (_, to) = free(&at("done"), &at("a.md"), Some(&sidecar), 1).unwrap();
            both(&at("a.md"), Some(&sidecar), &to, Some(found))
                .map_err(|e| error(&at("a.md"), &to.document, e))
        };
        assert_eq!(move_both(&found).unwrap_err().kind(), Kind::Conflict);
        assert_eq!(fs::read(at("a.md")).unwrap(), b"another");
        assert!(sidecar.exists() && fs::read_dir(at("done")).unwrap().next().is_none());
        move_both(&Signature::of(&at("a.md").symlink_metadata().unwrap())).unwrap();
        assert!(at("done/a.md").exists() && at("done/a.probes.jsonl").exists());
    }
}
