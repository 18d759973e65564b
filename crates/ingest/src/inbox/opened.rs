//! Files of the inbox held open to be read: the ones that the scan saw, whatever has their names by then.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::settle::Signature;
use super::{Found, Inbox, inside, moves};
use seald_core::error::Result;
use seald_core::files::io_error;

/// A file, and the questions beside it.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Its sidecar, and what it is called.
    pub sidecar: Option<(PathBuf, File)>,
}

impl Inbox {
    /// Opens a file that a scan found, with its sidecar, without following any link in the inbox.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] if it is gone; [`seald_core::Kind::Conflict`] if it is another one now, or has changed; [`seald_core::Kind::Io`] if it cannot be opened.
    pub fn open_found(&self, found: &Found) -> Result<Opened> {
        let failed = |e| io_error("read", &found.path, e);
        let inbox = Folder::open(&self.path).map_err(failed)?;
        let folder = inbox.descendant(inside(&found.relative)).map_err(failed)?;
        let file = open(&folder, &found.path)?;
        let is = file.metadata().map_err(failed)?;
        if Signature::of(&is) != found.signature {
            return Err(moves::changed(&found.path));
        }
        let sidecar = match &found.sidecar {
            Some(path) => Some((path.clone(), open(&folder, path)?)),
            None => None,
        };
        Ok(Opened { file, sidecar })
    }
}

fn open(folder: &Folder, path: &Path) -> Result<File> {
    folder.file(path.file_name().unwrap_or(OsStr::new(""))).map_err(|e| io_error("read", path, e))
}
