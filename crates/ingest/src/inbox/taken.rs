//! Files that were moved away while somebody still had them open: what is written into them afterwards comes back into the inbox.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::folder::Folder;
use super::settle::Signature;
use super::{DONE, Inbox, inside, moves, note};
use crate::{is_sidecar, sidecar_of};
use seald_core::clock::Timestamp;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Seconds for which a file that was taken is looked at: a scanner that pauses between pages, a download that stalls.
pub(super) const WATCHED_SECONDS: i64 = 600;

/// A file in `done` or `failed`.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// Where it lies, `done` or `failed` first.
    pub(super) beneath: PathBuf,
    /// What it was called in the inbox.
    pub(super) relative: PathBuf,
    /// As it was when it was read; none where it is known to have been written to since.
    pub(super) read: Option<Signature>,
    /// As it was last seen, and since when.
    pub(super) seen: Option<(Signature, Timestamp)>,
    pub(super) until: Timestamp,
}

/// Files that were taken lately.
#[derive(Debug, Clone, Default)]
pub(super) struct JustTaken(Vec<Taken>);

impl JustTaken {
    /// Notes a file that was moved, as it was when it was read.
    pub(super) fn note(&mut self, beneath: &Path, relative: &Path, read: Signature, now: Timestamp) {
        let (beneath, relative) = (beneath.to_path_buf(), relative.to_path_buf());
        let (read, until) = (Some(read), now.plus_seconds(WATCHED_SECONDS));
        self.0.push(Taken { beneath, relative, read, seen: None, until });
    }

    /// Notes a file that an earlier process moved.
    pub(super) fn take_up(&mut self, taken: Taken) {
        self.0.push(taken);
    }
}

impl Inbox {
    /// Looks no more at these, by their paths beneath `done/`: their documents are being forgotten, and what was written since goes with them.
    pub fn let_go(&mut self, leaving: &[PathBuf]) {
        self.taken.0.retain(|one| {
            one.beneath.strip_prefix(DONE).map_or(true, |path| leaving.iter().all(|gone| gone != path))
        });
    }

    /// Looks at the files that were taken in the last minutes. One that was written to since it was read, and has settled again, goes back into the inbox under its name, with its
    /// questions: it is a new version. Returns where they lie now, and whether some are still looked at. One that cannot go back is not looked at any more.
    pub fn take_back(&mut self, now: Timestamp) -> (Vec<PathBuf>, bool) {
        let settle = self.options.settle_seconds.try_into().unwrap_or(i64::MAX);
        let (mut back, mut left) = (Vec::new(), Vec::new());
        for mut one in std::mem::take(&mut self.taken.0) {
            let Ok(found) = self.path.join(&one.beneath).symlink_metadata() else { continue };
            let is = Signature::of(&found);
            if one.read.is_some_and(|read| is.same_content(&read)) {
                // A clock that jumps back does not keep it for ever: the next start forgets what will be taken.
                left.extend(Some(one).filter(|one| now < one.until));
                continue;
            }
            match one.seen {
                Some((seen, since)) if seen == is && since.plus_seconds(settle) <= now => {
                    match self.put_back(&one.beneath, &one.relative) {
                        Ok(path) => back.push(path),
                        Err(error) => {
                            tracing::warn!(%error, "was written to since it was read, and is not read again")
                        }
                    }
                }
                Some((seen, _)) if seen == is => left.push(one),
                _ => {
                    one.seen = Some((is, now));
                    left.push(one);
                }
            }
        }
        self.taken.0 = left;
        (back, !self.taken.0.is_empty())
    }

    /// Moves a file from `done/` into the inbox again, with its questions and into the same subfolder, so that it is read once more; `path` is the one beneath `done/`. Where it lies then.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a path that leads out of `done/`; [`Kind::Io`] where it cannot be moved.
    pub fn read_again(&self, path: &Path) -> Result<PathBuf> {
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            let text = format!("{} is no path beneath {DONE}", path.display());
            return Err(Error::new(Kind::Invalid, text));
        }
        let mut folder = Folder::open(&self.path).map_err(|e| io_error("open", &self.path, e))?;
        for part in inside(path) {
            let made = match folder.make(part) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
                _ => folder.child(part),
            };
            folder = made.map_err(|e| io_error("make", &folder.path().join(part), e))?;
        }
        self.put_back(&Path::new(DONE).join(path), path)
    }

    /// Moves what lies at `beneath` to `relative` in the inbox.
    fn put_back(&self, beneath: &Path, relative: &Path) -> Result<PathBuf> {
        let path = self.path.join(beneath);
        let failed = |e| io_error("move back", &path, e);
        let inbox = Folder::open(&self.path).map_err(failed)?;
        let from = inbox.descendant(inside(beneath)).map_err(failed)?;
        // Its subfolder may be gone by now.
        let to = inbox.descendant(inside(relative)).unwrap_or(inbox);
        let (old, name) = (beneath.file_name().unwrap_or_default(), relative.file_name().unwrap_or_default());
        let sidecar = sidecar_of(&path);
        let sidecar = sidecar.as_deref().and_then(Path::file_name).filter(|_| !is_sidecar(&path));
        let (_, names) = moves::free(&to, name, sidecar, 1)?;
        moves::both((&from, old, sidecar), (&to, &names), None).map_err(failed)?;
        note::clear(&from, old);
        Ok(to.path().join(&names.document))
    }
}
