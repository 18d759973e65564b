//! The folder of a model: the one it is fetched into, which keeps what came, and the one that appears when all is there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::statvfs;
use serde::{Deserialize, Serialize};

use super::fetch::{PART, matches};
use super::listing::{Model, RemoteFile};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::{self, io_error};

/// The file that says what a folder holds.
const CARD: &str = "pulled.json";

/// What a folder holds, or will hold: the file `pulled.json` in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// `ORG/NAME`.
    pub repo: String,
    /// The commit.
    pub commit: String,
    /// As the repository names it, if it names one.
    pub licence: Option<String>,
    /// When the last file came, as RFC 3339 in UTC; none while they are being fetched.
    pub pulled_at: Option<String>,
    /// Every file but this one.
    pub files: Vec<RemoteFile>,
}

impl Card {
    pub(super) fn of(model: &Model) -> Self {
        Self {
            repo: model.repo.to_string(),
            commit: model.commit.clone(),
            licence: model.licence.name.clone(),
            pulled_at: None,
            files: model.files.clone(),
        }
    }

    /// Of a folder; none where it has none that can be read.
    fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(CARD)).ok()?).ok()
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(Kind::Internal, "cannot write pulled.json").with_source(e))?;
        files::write_atomic(&folder.join(CARD), &bytes)
    }
}

/// Where a model is to be.
#[derive(Debug, Clone)]
pub struct Target {
    folder: PathBuf,
    /// The folder beside it, for what is not whole.
    part: PathBuf,
}

impl Target {
    /// For a folder, which need not be there.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where it has no name of its own, as `..`.
    pub fn new(folder: &Path) -> Result<Self> {
        let name = folder.file_name().ok_or_else(|| {
            Error::new(Kind::Invalid, format!("{} is no name for a folder", folder.display()))
        })?;
        let mut part = name.to_os_string();
        part.push(PART);
        Ok(Self { folder: folder.to_path_buf(), part: folder.with_file_name(part) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The card of a folder that holds this model already, each file with its right size; none where there is nothing yet.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where something else is there, [`Kind::Corrupt`] where a file is missing or of another size.
    pub fn holds(&self, model: &Model) -> Result<Option<Card>> {
        let folder = self.folder.display();
        match fs::read_dir(&self.folder).map(|mut entries| entries.next().is_none()) {
            Ok(true) => return Ok(None),
            Ok(false) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error("look into", &self.folder, e)),
        }
        let other = |what: String| {
            let text = format!("{folder} holds {what}: name another folder with --to, or remove it first");
            Err(Error::new(Kind::Conflict, text))
        };
        let Some(card) = Card::read(&self.folder) else { return other("something else".into()) };
        if card.repo != model.repo.to_string() || card.commit != model.commit {
            return other(format!(
                "{} at commit {}, not {} at {}",
                card.repo, card.commit, model.repo, model.commit
            ));
        }
        for file in &card.files {
            let found = fs::metadata(self.folder.join(&file.name)).map_or(0, |found| found.len());
            if found != file.bytes {
                return Err(self.damaged(file, &format!("has {found} bytes instead of {}", file.bytes)));
            }
        }
        Ok(Some(card))
    }

    /// Reads every file again; `read` is told of each before.
    ///
    /// # Errors
    /// [`Kind::Corrupt`] for one with other bytes than were listed.
    pub fn verify(&self, card: &Card, mut read: impl FnMut(&RemoteFile)) -> Result<()> {
        for file in &card.files {
            read(file);
            if !matches(&self.folder.join(&file.name), file)? {
                return Err(self.damaged(file, &format!("is damaged (not {})", file.checksum)));
            }
        }
        Ok(())
    }

    fn damaged(&self, file: &RemoteFile, how: &str) -> Error {
        let text = format!(
            "{} {how}: remove {} and pull it again",
            self.folder.join(&file.name).display(),
            self.folder.display()
        );
        Error::new(Kind::Corrupt, text)
    }

    /// Prepares the folder beside it, with what earlier attempts left of the same files.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where another process fetches into it, or it holds something else; [`Kind::Io`].
    pub(super) fn stage(&self, model: &Model) -> Result<Staged> {
        let part = &self.part;
        fs::create_dir_all(part).map_err(|e| io_error("create", part, e))?;
        let lock = File::open(part).map_err(|e| io_error("open", part, e))?;
        if lock.try_lock().is_err() {
            let text = format!("another process fetches into {}: wait for it", part.display());
            return Err(Error::new(Kind::Conflict, text));
        }
        files::clean_litter(part)?;
        let card = Card::of(model);
        let earlier = match Card::read(part) {
            Some(earlier) => Some(earlier),
            None if is_empty(part)? => None,
            None => {
                let text = format!(
                    "{} is no pull under way: move it away, or name another folder with --to",
                    part.display()
                );
                return Err(Error::new(Kind::Conflict, text));
            }
        };
        let staged = Staged { part: part.clone(), folder: self.folder.clone(), _lock: lock };
        staged.sweep(&earlier.map(|card| card.files).unwrap_or_default(), &card.files)?;
        card.write(part)?;
        Ok(staged)
    }
}

fn is_empty(folder: &Path) -> Result<bool> {
    fs::read_dir(folder).map(|mut entries| entries.next().is_none()).map_err(|e| io_error("list", folder, e))
}

/// The folder that files are fetched into. It stays when this is dropped.
#[derive(Debug)]
pub(super) struct Staged {
    part: PathBuf,
    folder: PathBuf,
    /// On the folder itself, so that nothing lies about; held until the end of the process, however it ends.
    _lock: File,
}

impl Staged {
    pub(super) fn path(&self) -> &Path {
        &self.part
    }

    /// Removes whatever does not belong to a file that was wanted before with the same size and checksum and is wanted now.
    fn sweep(&self, earlier: &[RemoteFile], wanted: &[RemoteFile]) -> Result<()> {
        let kept = wanted.iter().filter(|file| earlier.contains(file));
        let kept: BTreeSet<&str> = kept.map(|file| file.name.as_str()).collect();
        for entry in fs::read_dir(&self.part).map_err(|e| io_error("list", &self.part, e))? {
            let path = entry.map_err(|e| io_error("list", &self.part, e))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name == CARD || kept.contains(name.strip_suffix(PART).unwrap_or(&name)) {
                continue;
            }
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.map_err(|e| io_error("remove", &path, e))?;
        }
        Ok(())
    }

    /// Whether what is missing fits on the disk.
    ///
    /// # Errors
    /// [`Kind::Io`] with both numbers.
    pub(super) fn refuse_without_room(&self, model: &Model) -> Result<()> {
        let there = |file: &RemoteFile| {
            let size = |name: &str| fs::metadata(self.part.join(name)).map_or(0, |found| found.len());
            size(&file.name).max(size(&format!("{}{PART}", file.name))).min(file.bytes)
        };
        let have: u64 = model.files.iter().map(there).sum();
        let missing = model.bytes().saturating_sub(have);
        let space = statvfs(&self.part).map_err(|e| io_error("measure", &self.part, e.into()))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if missing <= free {
            return Ok(());
        }
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let text = format!(
            "{} needs {:.1} GiB more, and {} has {:.1} GiB free: make room, or name another place with --to",
            model.repo,
            gib(missing),
            self.part.display(),
            gib(free)
        );
        Err(Error::new(Kind::Io, text))
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where something has come to be there meanwhile; [`Kind::Io`].
    pub(super) fn publish(self, card: Card) -> Result<Card> {
        card.write(&self.part)?;
        files::put_in_place(&self.part, &self.folder)?;
        Ok(card)
    }
}
