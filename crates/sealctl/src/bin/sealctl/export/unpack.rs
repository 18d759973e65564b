//! Unpacking: plain files with plain names, each compared with the manifest, which must come last.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::path::Path;

use indicatif::ProgressBar;
use seald_core::domain::export::{ExportManifest, ExportedFile, MANIFEST};
use seald_core::error::{Error, Kind, Result};
use seald_terminal::one_line;
use tar::{Archive, Entry, EntryType};
use tokio::sync::mpsc::Receiver;

use super::target::failed;

/// Most bytes of the manifest, and of a file's name.
const MANIFEST_BYTES: u64 = 1 << 20;
const NAME_BYTES: usize = 255;
/// Bytes that are read at a time.
const PIECE: usize = 256 << 10;

/// What arrives, as something to read; its end is the end of the stream, whole or not.
pub(super) struct Pieces {
    receive: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    given: usize,
}

impl Pieces {
    pub(super) fn new(receive: Receiver<Vec<u8>>) -> Self {
        Self { receive, piece: Vec::new(), given: 0 }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.piece.len() {
            let Some(piece) = self.receive.blocking_recv() else { return Ok(0) };
            (self.piece, self.given) = (piece, 0);
        }
        let n = buffer.len().min(self.piece.len() - self.given);
        buffer[..n].copy_from_slice(&self.piece[self.given..][..n]);
        self.given += n;
        Ok(n)
    }
}

/// Writes the files of a tar into `folder`; returns its manifest, read and as it came.
///
/// # Errors
/// [`Kind::Corrupt`] for a tar that breaks off, holds anything but plain files, or differs from its manifest;
/// [`Kind::Io`] where a file cannot be written.
pub(super) fn unpack(
    stream: impl Read,
    folder: &Path,
    bar: &ProgressBar,
) -> Result<(ExportManifest, Vec<u8>)> {
    let mut archive = Archive::new(stream);
    let mut files = Vec::new();
    let mut manifest = None;
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = plain_name(&entry)?;
        if manifest.is_some() {
            return Err(corrupt(format!("{name} comes after {MANIFEST}")));
        }
        if name == MANIFEST {
            manifest = Some(read_manifest(&mut entry)?);
        } else {
            files.push(write(&mut entry, folder, name, bar)?);
        }
    }
    let Some((manifest, text)) = manifest else {
        return Err(corrupt(format!("it ends without {MANIFEST}, so it is not whole")));
    };
    compare(&manifest.files, &files)?;
    let written =
        OpenOptions::new().write(true).create_new(true).open(folder.join(MANIFEST)).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
    written.map_err(|e| failed("write", &folder.join(MANIFEST), e))?;
    Ok((manifest, text))
}

/// The name of a plain file that would lie in the folder itself.
fn plain_name<R: Read>(entry: &Entry<'_, R>) -> Result<String> {
    let bytes = entry.path_bytes();
    let shown = one_line(&String::from_utf8_lossy(&bytes));
    if entry.header().entry_type() != EntryType::Regular {
        return Err(corrupt(format!("{shown} is no plain file")));
    }
    let name = std::str::from_utf8(&bytes).ok().filter(|name| {
        let length = 1..=NAME_BYTES;
        length.contains(&name.len()) && !name.starts_with('.') && !name.contains(['/', '\\', '\0'])
    });
    name.map(str::to_string).ok_or_else(|| corrupt(format!("{shown:?} is no plain file name")))
}

fn read_manifest(entry: &mut impl Read) -> Result<(ExportManifest, Vec<u8>)> {
    let mut text = Vec::new();
    entry.take(MANIFEST_BYTES).read_to_end(&mut text).map_err(broken)?;
    let manifest = serde_json::from_slice(&text).map_err(|e| {
        let version = env!("CARGO_PKG_VERSION");
        corrupt(format!("{MANIFEST} cannot be read; is the daemon of this version ({version})?"))
            .with_source(e)
    })?;
    Ok((manifest, text))
}

/// Writes one file, which must not be there yet; what was written.
fn write<R: Read>(
    entry: &mut Entry<'_, R>,
    folder: &Path,
    name: String,
    bar: &ProgressBar,
) -> Result<ExportedFile> {
    let path = folder.join(&name);
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => corrupt(format!("{name} comes twice")),
            _ => failed("create", &path, e),
        })?;
    bar.reset();
    bar.set_length(entry.size());
    bar.set_message(name.clone());
    let (mut hasher, mut bytes, mut piece) = (blake3::Hasher::new(), 0, vec![0; PIECE]);
    loop {
        let n = entry.read(&mut piece).map_err(broken)?;
        if n == 0 {
            break;
        }
        hasher.update(&piece[..n]);
        file.write_all(&piece[..n]).map_err(|e| failed("write", &path, e))?;
        bytes += n as u64;
        bar.set_position(bytes);
    }
    file.sync_all().map_err(|e| failed("sync", &path, e))?;
    Ok(ExportedFile { name, bytes, blake3: hasher.finalize().to_hex().to_string() })
}

fn compare(listed: &[ExportedFile], written: &[ExportedFile]) -> Result<()> {
    if let Some((wrong, _)) = written.iter().zip(listed).find(|(written, listed)| written != listed) {
        return Err(corrupt(format!("{} is not the file that {MANIFEST} lists", wrong.name)));
    }
    if listed.len() != written.len() {
        let text = format!("it holds {} files, and {MANIFEST} lists {}", written.len(), listed.len());
        return Err(corrupt(text));
    }
    Ok(())
}

fn corrupt(what: String) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("the export is not as it should be: {what}. Nothing was written; try again"),
    )
}

fn broken(e: io::Error) -> Error {
    corrupt("it broke off, or is no tar".to_string()).with_source(e)
}
