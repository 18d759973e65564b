//! `NAME.error.txt` beside a file that could not be learned: why, and what to do.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::folder::Folder;
use super::{moves, names, staged};
use seald_core::error::{Error, Kind, Result};

const ENDING: &str = ".error.txt";
/// What every note begins with; a note is told by it from a document of such a name.
const BEGINNING: &str = "seald could not learn from this file: ";
/// Between the reason and what can be done.
const REMEDY: &str = "\n\nTo try again, ";
/// Longest note that is read back, bytes.
const LONGEST: u64 = 16 << 10;
/// Numbers that are tried for a name.
pub(super) const MAX_NUMBERS: usize = 100_000;

/// Whether it is a note of ours, which nobody should learn from. Files of other names are not opened.
pub(super) fn is_note(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().ends_with(ENDING.as_bytes()) && begins_with(path, BEGINNING)
}

/// Writes the note for the file `name` in `folder`, in place of an older one for the same name; its name.
pub(super) fn write(folder: &Folder, name: &OsStr, reason: &str) -> Result<OsString> {
    let heading = format!("{BEGINNING}{}\n", plain(&name.to_string_lossy()));
    let text = format!(
        "{heading}\n{}{REMEDY}put it right and move it back into the inbox. Otherwise both can be removed.\n",
        reason.trim()
    );
    // Long names that begin alike are cut to the same.
    for number in 1..=MAX_NUMBERS {
        let note = names::with_ending(&names::numbered(name, number), ENDING);
        if folder.look(&note).is_err() || begins_with(&folder.at(&note), &heading) {
            let written = staged::replace(&folder.at(&note), text.as_bytes());
            let doing = || format!("cannot write {}", folder.path().join(&note).display());
            let within = folder.path().display();
            written.map_err(|e| moves::not_writable(doing(), &within.to_string(), e))?;
            return Ok(note);
        }
    }
    Err(full(folder.path(), name))
}

/// The note for the file at `document`; none where there is no note of ours.
fn of(document: &Path) -> Option<PathBuf> {
    let name = document.file_name()?;
    let note = document.with_file_name(names::with_ending(name, ENDING));
    is_note(&note).then_some(note)
}

/// When the note for the file at `document` was written, among other things.
pub(super) fn written(document: &Path) -> Option<Metadata> {
    of(document)?.symlink_metadata().ok()
}

/// The reason that a note gives for the file at `document`.
pub(super) fn reason(document: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(of(document)?).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    let (_, rest) = text.split_once("\n\n")?;
    Some(rest.split_once(REMEDY).map_or(rest, |(reason, _)| reason).trim().to_string())
}

/// Removes the note that an earlier attempt at the document `name` left beside it.
pub(super) fn clear(folder: &Folder, name: &OsStr) {
    let note = folder.at(names::with_ending(name, ENDING));
    if is_note(&note) {
        // It is passed over as long as it lies there.
        let _ = fs::remove_file(&note);
    }
}

/// No number is free for a name.
pub(super) fn full(folder: &Path, name: &OsStr) -> Error {
    let text = format!(
        "{} holds {MAX_NUMBERS} files called {} already: move some of them away",
        folder.display(),
        name.to_string_lossy()
    );
    Error::new(Kind::Conflict, text)
}

/// Without line breaks and other control characters.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Whether the regular file `path` begins with `words`.
fn begins_with(path: &Path, words: &str) -> bool {
    let mut options = File::options();
    // Neither a link nor the writer of a pipe is followed.
    options.read(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    let Ok(file) = options.open(path) else { return false };
    let mut start = Vec::with_capacity(words.len());
    let regular = file.metadata().is_ok_and(|found| found.is_file());
    regular && file.take(words.len() as u64).read_to_end(&mut start).is_ok() && start == words.as_bytes()
}
