//! One file: what is there already, the rest of it as often as the connection breaks, its checksum, its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::digest::Running;
use super::http::RequestError;
use super::listing::{Model, RemoteFile};
use super::{Event, Hub, Tell};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Bytes that are read and written at a time.
const PIECE: usize = 256 << 10;
/// Ends the name of a file that is not whole, or not yet checked.
pub(super) const PART: &str = ".part";

/// What is to be fetched, whence and whither.
pub(super) struct Fetch<'a> {
    pub(super) hub: &'a Hub,
    pub(super) model: &'a Model,
    pub(super) file: &'a RemoteFile,
    /// The file's address.
    pub(super) url: &'a str,
    /// Where it will lie, under its name.
    pub(super) folder: &'a Path,
}

impl Fetch<'_> {
    /// Until the file lies there with the right checksum. One that was there was checked when it got its name.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] where its checksum was wrong twice; see [`Hub::pull`].
    pub(super) fn whole(&self, tell: &mut Tell<'_>) -> Result<()> {
        let path = self.folder.join(&self.file.name);
        if fs::metadata(&path).is_ok_and(|found| found.len() == self.file.bytes) {
            tell(Event::Kept(self.file.bytes));
            tell(Event::Whole(self.file));
            return Ok(());
        }
        let mut again = false;
        loop {
            let part = self.all_bytes(tell)?;
            if part.is_right(self.file) {
                part.keep(&path)?;
                tell(Event::Whole(self.file));
                return Ok(());
            }
            part.remove()?;
            if again {
                let RemoteFile { name, checksum, .. } = self.file;
                let text = format!(
                    "{name} of {} came twice with other bytes than the hub lists ({checksum}): try again later; the other files are kept",
                    self.model.repo
                );
                return Err(Error::new(Kind::Corrupt, text));
            }
            tell(Event::Wrong(self.file));
            tell(Event::Lost(self.file.bytes));
            again = true;
        }
    }

    /// Until all bytes are there. Attempts that bring something are not counted.
    fn all_bytes(&self, tell: &mut Tell<'_>) -> Result<Part> {
        let mut name = self.file.name.clone();
        name += PART;
        let mut part = Part::open(self.folder.join(name), self.file, tell)?;
        let mut failures = 0;
        while part.have < self.file.bytes {
            let before = part.have;
            let Err(failure) = self.more(&mut part, tell) else { continue };
            if part.have > before {
                failures = 0;
            }
            self.hub.pause(failure, &mut failures, tell).map_err(|e| {
                e.context(format!(
                    "cannot fetch the rest of {}; what came is kept, and the same command goes on",
                    self.file.name
                ))
            })?;
        }
        Ok(part)
    }

    /// One request for what is missing.
    fn more(&self, part: &mut Part, tell: &mut Tell<'_>) -> Result<(), RequestError> {
        let answer = self.hub.client.get(&self.model.repo, self.url, part.have)?;
        match answer.from {
            Some(from) if from == part.have => {}
            // A server that does not give parts; nothing of what is there can be trusted to be the same.
            Some(0) => part.restart(self.file, tell)?,
            _ => {
                part.restart(self.file, tell)?;
                return Err(RequestError::passing("the server has no such part of it".to_string()));
            }
        }
        let mut reader = answer.reader().take(self.file.bytes - part.have);
        let mut buffer = vec![0; PIECE];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) if part.have == self.file.bytes => return Ok(()),
                Ok(0) => return Err(RequestError::passing("the connection ended too early".to_string())),
                Ok(n) => {
                    part.write(&buffer[..n])?;
                    tell(Event::Arrived(n as u64));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(RequestError::passing(format!("the connection broke ({e})"))),
            }
        }
    }
}

/// A file under way.
struct Part {
    file: File,
    path: PathBuf,
    /// Bytes that are there.
    have: u64,
    /// Of those.
    checksum: Running,
}

impl Part {
    /// Takes up what an earlier attempt left.
    fn open(path: PathBuf, of: &RemoteFile, tell: &mut Tell<'_>) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|e| io_error("open", &path, e))?;
        let checksum = Running::new(&of.checksum, of.bytes);
        let mut part = Self { file, path, have: 0, checksum };
        let there = part.file.metadata().map_err(|e| io_error("look at", &part.path, e))?.len();
        if there > of.bytes {
            part.empty()?;
        }
        let mut buffer = vec![0; PIECE];
        loop {
            let n = part.file.read(&mut buffer).map_err(|e| io_error("read", &part.path, e))?;
            if n == 0 {
                return Ok(part);
            }
            part.checksum.update(&buffer[..n]);
            part.have += n as u64;
            tell(Event::Kept(n as u64));
        }
    }

    fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.file.write_all(piece).map_err(|e| io_error("write", &self.path, e))?;
        self.checksum.update(piece);
        self.have += piece.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    fn restart(&mut self, of: &RemoteFile, tell: &mut Tell<'_>) -> Result<()> {
        tell(Event::Lost(self.have));
        self.empty()?;
        self.have = 0;
        self.checksum = Running::new(&of.checksum, of.bytes);
        Ok(())
    }

    fn empty(&mut self) -> Result<()> {
        let emptied = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        emptied.map(drop).map_err(|e| io_error("empty", &self.path, e))
    }

    fn is_right(&self, file: &RemoteFile) -> bool {
        self.checksum.clone().finish() == file.checksum
    }

    /// Gives it its name, once its bytes are on the disk.
    fn keep(self, path: &Path) -> Result<()> {
        self.file.sync_all().map_err(|e| io_error("sync", &self.path, e))?;
        fs::rename(&self.path, path).map_err(|e| io_error("rename", &self.path, e))
    }

    fn remove(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|e| io_error("remove", &self.path, e))
    }
}

/// Whether a file's bytes come to what they should.
///
/// # Errors
/// From reading it.
pub(super) fn matches(path: &Path, of: &RemoteFile) -> Result<bool> {
    let mut file = File::open(path).map_err(|e| io_error("open", path, e))?;
    let mut checksum = Running::new(&of.checksum, of.bytes);
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer).map_err(|e| io_error("read", path, e))? {
            0 => return Ok(checksum.finish() == of.checksum),
            n => checksum.update(&buffer[..n]),
        }
    }
}
