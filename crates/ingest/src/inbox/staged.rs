//! Files written out of sight, under a hidden name in the same folder, and put in place whole.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::MAX_FOLDERS_DEEP;

/// Names of unfinished files begin so: hidden, and nobody else's.
const PREFIX: &str = ".seald-";

/// Writes and syncs all of `content` to a hidden file in `folder`. It has the permissions of any new file.
pub(super) fn write(folder: &Path, mut content: impl Read) -> io::Result<NamedTempFile> {
    let mode = Permissions::from_mode(0o666);
    let mut staged = tempfile::Builder::new().prefix(PREFIX).permissions(mode).tempfile_in(folder)?;
    io::copy(&mut content, &mut staged)?;
    staged.flush()?;
    staged.as_file().sync_all()?;
    Ok(staged)
}

/// Replaces `path` in one step; its folder exists.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    write(folder, bytes)?.persist(path).map_err(|e| e.error)?;
    sync_folder(folder)
}

/// Puts a staged file in its place, and syncs the folder. Fails with `AlreadyExists` if the name is taken; the staged
/// file stays then.
pub(super) fn publish(staged: &NamedTempFile, path: &Path) -> io::Result<()> {
    rename_new(staged.path(), path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Renames without overwriting: fails with `AlreadyExists`.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system that cannot promise it: look first.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match to.symlink_metadata() {
            Ok(_) => Err(Errno::EXIST.into()),
            Err(_) => fs::rename(from, to),
        },
        renamed => Ok(renamed?),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what a crash left unfinished, anywhere in the inbox. What cannot be read or removed stays.
pub(super) fn clear_litter(inbox: &Path) {
    let mut folders = vec![(inbox.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < MAX_FOLDERS_DEEP {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() && entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
                tracing::info!("removing {}, which a crash left unfinished", entry.path().display());
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
