//! Opening what a person named: a regular file of bearable size, and nothing else.

use std::fs::{File, FileType, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use super::limits::{Limits, size};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Opens `path`.
///
/// # Errors
/// [`Kind::NotFound`]; [`Kind::Unsupported`] for what is no regular file, too large or empty; [`Kind::Io`] for what
/// cannot be opened.
pub(super) fn open(path: &Path, limits: &Limits) -> Result<File> {
    let seen = std::fs::symlink_metadata(path).map_err(|e| io_error("read", path, e))?;
    check(path, &seen, limits)?;
    // The name may have changed hands since: do not follow a link now, nor wait for the writer of a pipe.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = File::options();
    let file = options.read(true).custom_flags(flags.bits() as i32).open(path);
    let file = file.map_err(|e| io_error("read", path, e))?;
    let opened = file.metadata().map_err(|e| io_error("read", path, e))?;
    check(path, &opened, limits)?;
    Ok(file)
}

/// All bytes of a file that was opened as `path`.
///
/// # Errors
/// [`Kind::Unsupported`] for what is no regular file, too large or empty; [`Kind::Io`] for what cannot be read.
pub(super) fn read_opened(path: &Path, file: File, limits: &Limits) -> Result<Vec<u8>> {
    let opened = file.metadata().map_err(|e| io_error("read", path, e))?;
    check(path, &opened, limits)?;
    let mut bytes = Vec::with_capacity(opened.len() as usize);
    let read = file.take(limits.bytes.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|e| io_error("read", path, e))?;
    if bytes.len() as u64 > limits.bytes {
        return Err(too_large(path, bytes.len() as u64, limits));
    }
    Ok(bytes)
}

fn check(path: &Path, metadata: &Metadata, limits: &Limits) -> Result<()> {
    let refuse = |why: String| Err(Error::new(Kind::Unsupported, format!("{}: {why}", path.display())));
    if let Some((what, remedy)) = irregular(metadata.file_type()) {
        return refuse(format!("is {what}: {remedy}"));
    }
    if metadata.len() > limits.bytes {
        return Err(too_large(path, metadata.len(), limits));
    }
    if metadata.len() == 0 {
        return refuse("is empty: there is nothing to learn".to_string());
    }
    Ok(())
}

/// What it is instead of a regular file, and what to do.
fn irregular(kind: FileType) -> Option<(&'static str, &'static str)> {
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_symlink() => Some(("a symbolic link", "name the file that it points to")),
        kind if kind.is_dir() => Some(("a folder", "name the files in it")),
        kind if kind.is_fifo() => Some(("a named pipe", "save what comes out of it to a file")),
        kind if kind.is_socket() => Some(("a socket", "name a file")),
        _ => Some(("a device", "name a file")),
    }
}

fn too_large(path: &Path, bytes: u64, limits: &Limits) -> Error {
    let (is, most) = (size(bytes), size(limits.bytes));
    let text = format!("{}: is {is}, at most {most} are read: split it into parts", path.display());
    Error::new(Kind::Unsupported, text)
}
