//! What lies in `done/`, one path after the other.

use std::fs::{self, ReadDir};
use std::path::{Path, PathBuf};

use super::MAX_FOLDERS_DEEP;
use crate::{is_passing, is_sidecar};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Paths of the files in `done/`, relative to it; folder by folder, never all at once.
#[derive(Debug)]
pub struct DoneListing {
    root: PathBuf,
    /// The open folder, its path and how deep it is.
    open: Option<(ReadDir, PathBuf, usize)>,
    /// Folders to come.
    folders: Vec<(PathBuf, usize)>,
}

impl DoneListing {
    pub(super) fn of(root: &Path) -> Result<Self> {
        if root.is_symlink() {
            let text = format!("{} is a symbolic link, which is not followed: remove it", root.display());
            return Err(Error::new(Kind::Io, text));
        }
        let entries = fs::read_dir(root).map_err(|e| io_error("read the folder", root, e))?;
        let root = root.to_path_buf();
        Ok(Self { open: Some((entries, root.clone(), 0)), root, folders: Vec::new() })
    }
}

impl Iterator for DoneListing {
    type Item = Result<PathBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((entries, folder, depth)) = &mut self.open else {
                let (folder, depth) = self.folders.pop()?;
                match fs::read_dir(&folder) {
                    Ok(entries) => self.open = Some((entries, folder, depth)),
                    Err(e) => return Some(Err(io_error("read the folder", &folder, e))),
                }
                continue;
            };
            let entry = match entries.next() {
                Some(Ok(entry)) => entry,
                Some(Err(e)) => {
                    let error = io_error("read the folder", folder, e);
                    self.open = None;
                    return Some(Err(error));
                }
                None => {
                    self.open = None;
                    continue;
                }
            };
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && *depth < MAX_FOLDERS_DEEP {
                self.folders.push((path, *depth + 1));
            } else if !is_folder && !is_passing(&path) && !is_sidecar(&path) {
                return Some(Ok(path.strip_prefix(&self.root).map(Path::to_path_buf).unwrap_or(path)));
            }
        }
    }
}
