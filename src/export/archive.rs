//! The tar: files as they come, each hashed on its way, and a manifest of them as the last entry.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use seald_core::domain::export::{ExportManifest, ExportedFile, MANIFEST};
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;

/// A file to be written.
pub(super) struct Entry {
    /// Its name, without folders.
    name: String,
    /// How much `content` gives.
    bytes: u64,
    content: Box<dyn Read + Send>,
}

impl Entry {
    /// A file made as it is read; `content` must give exactly so many bytes.
    pub(super) fn new(name: &str, bytes: u64, content: impl Read + Send + 'static) -> Self {
        Self { name: name.to_string(), bytes, content: Box::new(content) }
    }

    /// A file whose content is in memory.
    pub(super) fn of_bytes(name: &str, bytes: Vec<u8>) -> Self {
        Self::new(name, bytes.len() as u64, Cursor::new(bytes))
    }

    /// The file `name` in `dir`, opened now, so that it stays whole where somebody removes it meanwhile; none where
    /// there is none.
    pub(super) fn of_file(dir: &Path, name: &str) -> Result<Option<Self>> {
        let path = dir.join(name);
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((bytes, file)) => Ok(Some(Self::new(name, bytes, file))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(files::io_error("read", &path, e)),
        }
    }
}

/// An export that is ready to be written.
pub struct Archive {
    /// What it holds, its files not yet listed.
    pub(super) manifest: ExportManifest,
    pub(super) entries: Vec<Entry>,
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.entries.iter().map(|entry| &entry.name).collect();
        f.debug_struct("Archive").field("manifest", &self.manifest).field("entries", &names).finish()
    }
}

impl Archive {
    /// Writes the tar; returns its manifest. Files are made while they are written: memory stays bounded.
    ///
    /// # Errors
    /// [`Kind::Io`] where `out` takes no more, or a file cannot be read or is not what it was.
    pub fn write(self, out: &mut dyn Write) -> Result<ExportManifest> {
        let Self { mut manifest, entries } = self;
        let mut tar = tar::Builder::new(out);
        for Entry { name, bytes, content } in entries {
            let mut hashed = Hashed { inner: content, hasher: blake3::Hasher::new(), bytes: 0 };
            append(&mut tar, &name, bytes, &mut (&mut hashed).take(bytes))?;
            if hashed.bytes != bytes {
                let text = format!("{name} became shorter while it was exported: export it again");
                return Err(Error::new(Kind::Io, text));
            }
            let blake3 = hashed.hasher.finalize().to_hex().to_string();
            manifest.files.push(ExportedFile { name, bytes, blake3 });
        }
        let text = serde_json::to_vec_pretty(&manifest)
            .doing(Kind::Internal, || format!("cannot write {MANIFEST}"))?;
        append(&mut tar, MANIFEST, text.len() as u64, &mut text.as_slice())?;
        let flushed = tar.into_inner().and_then(Write::flush);
        flushed.doing(Kind::Io, || "cannot write the export's end".to_string())?;
        Ok(manifest)
    }
}

fn append(
    tar: &mut tar::Builder<&mut dyn Write>,
    name: &str,
    bytes: u64,
    content: &mut dyn Read,
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o644);
    tar.append_data(&mut header, name, content)
        .doing(Kind::Io, || format!("cannot write {name} into the export"))
}

/// Hashes and counts what is read through it.
struct Hashed {
    inner: Box<dyn Read + Send>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}
