//! The last stage of forgetting: the files that hold a document go, then its rows.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::crash::{self, Place};
use super::worker::{Tell, Worker};
use super::{back_up, backups, restore};
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::progress::Progress;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

impl Worker<'_> {
    /// Files first: whoever finds the rows gone can be sure of the files.
    pub(super) fn purge(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let forgetting = self.store.forgetting(job.id)?;
        let gone = match job.document {
            Some(document) => self.store.versions(document)?,
            None => Vec::new(),
        };
        let generations = self.store.generations_with(&gone, job.id)?;
        if generations.contains(&self.live_id()) {
            let text =
                format!("{} is live and contains the document: forget it again", self.live_id().folder());
            return Err(Error::new(Kind::Conflict, text));
        }
        // Until the rows are gone, no copy of them is made.
        let alone = backups::alone();
        let mut files = self.remove_from_inbox(&gone)?;
        let mut adapters = 0;
        if !forgetting.keep_history {
            let writers = self.store.writers_with(&gone)?;
            let folders = generations.iter().map(|id| self.root.generation(*id));
            for folder in folders.chain(writers.iter().map(|id| self.root.writer(*id))) {
                adapters += usize::from(remove(&folder)?);
            }
            files += backups::remove_all(&self.root)?;
            for copy in restore::replaced(&self.root)? {
                files += usize::from(remove(&copy)?);
            }
        }
        crash::point(Stage::Purge, Place::AfterFiles);
        let next = self.store.finish_purge(job, &gone, self.clock.now())?;
        drop(alone);
        self.load_writer()?;
        // The database is smaller now, and no backup is left that holds the document.
        if !forgetting.keep_history {
            match back_up(&self.root, &self.store, self.clock.now(), 1) {
                // The last one that is told of is among those that went.
                Ok(_) => self.store.ran("backup", self.clock.now())?,
                // The document is forgotten all the same; the next scheduled backup makes good for this one.
                Err(error) => {
                    tracing::warn!(%error, "no backup could be made after a document was forgotten");
                }
            }
        }
        tell(Progress::Forgotten { documents: gone.len(), files, adapters });
        Ok(next)
    }

    /// Removes the documents' files from the inbox's `done`, with the questions beside them; how many went.
    fn remove_from_inbox(&self, gone: &[DocumentId]) -> Result<usize> {
        let Some(done) = &self.done else { return Ok(0) };
        let mut removed = 0;
        for path in self.store.files_of(gone)? {
            let path = done.join(path);
            if let Some(sidecar) = seald_ingest::sidecar_of(&path) {
                removed += usize::from(remove(&sidecar)?);
            }
            removed += usize::from(remove(&path)?);
        }
        Ok(removed)
    }
}

/// Removes a file or a folder; whether it was there.
fn remove(path: &Path) -> Result<bool> {
    let gone = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(io_error("remove", path, e)),
    }
}
