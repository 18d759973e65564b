//! Bringing a file in: staged out of sight, synced, then put in place under a free name.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::note::{MAX_NUMBERS, full};
use super::{DONE, FAILED, names, staged};
use crate::{is_passing, is_sidecar};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// As [`super::Inbox::put`].
pub(super) fn put(inbox: &Path, name: &str, tag: Option<&str>, bytes: &[u8]) -> Result<PathBuf> {
    check("file name", name)?;
    let inbox = Folder::open(inbox).map_err(|e| io_error("open", inbox, e))?;
    let folder = match tag {
        Some(tag) => subfolder(&inbox, tag)?,
        None => inbox,
    };
    let wanted = folder.path().join(name);
    let staged = staged::write(&folder.anchor(), bytes).map_err(|e| io_error("write", &wanted, e))?;
    for number in 1..=MAX_NUMBERS {
        let numbered = names::numbered(OsStr::new(name), number);
        let path = folder.path().join(&numbered);
        match staged::publish(&staged, &folder.at(&numbered)) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(io_error("write", &path, e)),
            Err(_) if is_sidecar(&path) => {
                let text = format!(
                    "{} exists already, and under another name these questions would belong to no document: remove it first",
                    path.display()
                );
                return Err(Error::new(Kind::Conflict, text));
            }
            Err(_) => {}
        }
    }
    Err(full(folder.path(), OsStr::new(name)))
}

fn subfolder(inbox: &Folder, tag: &str) -> Result<Folder> {
    check("tag", tag)?;
    if [DONE, FAILED].contains(&tag) {
        let text =
            format!("the tag `{tag}` is the name of a folder for files that were read: choose another");
        return Err(Error::new(Kind::Invalid, text));
    }
    let path = inbox.path().join(tag);
    match inbox.make(OsStr::new(tag)) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(io_error("make", &path, e)),
        _ => inbox.child(OsStr::new(tag)).map_err(|e| match e.kind() {
            io::ErrorKind::NotADirectory => {
                let text = format!("{} is no folder: choose another tag", path.display());
                Error::new(Kind::Conflict, text)
            }
            _ => io_error("open", &path, e),
        }),
    }
}

/// One name that stays in its folder and that a scan sees.
fn check(what: &str, name: &str) -> Result<()> {
    let wrong = match name {
        "" => "is empty".to_string(),
        _ if name.len() > names::LONGEST => format!("is longer than {} bytes", names::LONGEST),
        _ if name.contains(['/', '\0']) || name == "." || name == ".." => "is no single name".to_string(),
        _ if name.contains(char::is_control) => "holds a line break or control character".to_string(),
        _ if is_passing(Path::new(name)) => {
            "is that of a hidden or temporary file, which nobody reads".to_string()
        }
        _ => return Ok(()),
    };
    let shown: String = name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect();
    Err(Error::new(Kind::Invalid, format!("the {what} `{shown}` {wrong}: give another")))
}
