//! What an earlier process left: jobs under way, half-written folders, generations without a row, a link that points elsewhere.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use super::publish::point_live;
use super::root::Root;
use super::worker::Worker;
use seald_core::clock::Timestamp;
use seald_core::domain::generation::Generation;
use seald_core::domain::ids::GenerationId;
use seald_core::domain::job::{Job, JobState, Stage};
use seald_core::error::{Error, Kind, Result};
use seald_core::files;
use seald_learn::Model;
use seald_store::{Dropped, NewEvent, Store};

/// Brings folders and rows together. The caller holds the root's lock, so no other process works here.
///
/// # Errors
/// [`Kind::Conflict`] where what was learned stands on another base model, or a generation to another database; from the file system and
/// the database.
pub(super) fn reconcile(root: &Root, store: &mut Store, model: &Model, now: Timestamp) -> Result<()> {
    for job in store.abandon_running()? {
        tracing::info!(
            job = job.id.0,
            stage = job.stage.as_str(),
            state = job.state.as_str(),
            "taken up again"
        );
    }
    files::clean_litter(&root.adapters())?;
    remove_finished_work(root, store)?;
    remove_unpublished(root, store)?;
    store.use_base(&model.fingerprint, &model.path.display().to_string(), now)
}

/// The folder of a generation whose publishing was cut short: no row names it, so it never went live. Any other folder that no row names was
/// learned under another database, and is not ours to remove or to write over.
fn remove_unpublished(root: &Root, store: &Store) -> Result<()> {
    let mut named: HashSet<OsString> = store.generations()?.iter().map(|g| g.id.folder().into()).collect();
    named.extend(store.writers()?.iter().map(|w| OsString::from(w.id.folder())));
    let jobs = store.jobs(None)?;
    let cut_short = |stages: &[Stage]| {
        jobs.iter().any(|job: &Job| stages.contains(&job.stage) && job.state != JobState::Done)
    };
    let mut unpublished = Vec::new();
    if cut_short(&[Stage::Publish, Stage::Swap]) {
        unpublished.push(root.generation(store.next_generation_id()?));
    }
    if cut_short(&[Stage::Promote]) {
        unpublished.push(root.writer(store.next_writer_id()?));
    }
    for folder in folders(&root.adapters())? {
        let Some(name) = folder.file_name().filter(|name| !named.contains(*name)) else { continue };
        if unpublished.contains(&folder) {
            tracing::info!(path = %folder.display(), "removed: no row names it, so it never went live");
            std::fs::remove_dir_all(&folder).map_err(|e| files::io_error("remove", &folder, e))?;
        } else if ["gen-", "writer-"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            let text = format!(
                "{} is an adapter that {} knows nothing of: restore the database that belongs to it, or move the folder away to go on without it",
                folder.display(),
                root.database().display()
            );
            return Err(Error::new(Kind::Conflict, text));
        }
    }
    Ok(())
}

/// Folders of jobs that are not waiting any more.
fn remove_finished_work(root: &Root, store: &Store) -> Result<()> {
    let waiting: HashSet<_> =
        store.jobs(Some(JobState::Queued))?.into_iter().map(|j| root.job(j.id)).collect();
    for folder in folders(&root.work())? {
        if waiting.contains(&folder) {
            files::clean_litter(&folder)?;
        } else {
            std::fs::remove_dir_all(&folder).map_err(|e| files::io_error("remove", &folder, e))?;
        }
    }
    Ok(())
}

/// The folders in a folder, links not counted.
fn folders(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(dir).map_err(|e| files::io_error("read", dir, e))?;
    for entry in entries {
        let entry = entry.map_err(|e| files::io_error("read", dir, e))?;
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

impl Worker<'_> {
    /// Loads the live generation. Where its files are gone or damaged, its parent takes its place, and what that drops
    /// waits to be learned again.
    pub(super) fn load_live(&mut self) -> Result<()> {
        while let Some(generation) = self.store.live()? {
            let dir = self.root.generation(generation.id);
            match self.session.load_adapter(&dir) {
                Ok(adapter) => {
                    self.live = Some((generation.id, adapter));
                    return point_live(&self.root, generation.id);
                }
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Corrupt) => {
                    self.fall_back(&generation, &error)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.live = None;
        point_live(&self.root, GenerationId::BASE)
    }

    fn fall_back(&mut self, broken: &Generation, error: &Error) -> Result<()> {
        let why = format!("{} cannot be used ({error})", broken.id.folder());
        let now = self.clock.now();
        let dropped = self.store.roll_back(broken.parent, Dropped::LearnedAgain, &why, now)?.dropped.len();
        tracing::error!(
            generation = broken.id.0,
            parent = broken.parent.0,
            dropped,
            "{why}: its parent takes its place, and the documents that this drops are learned again"
        );
        let body = serde_json::json!({"generation": broken.id.folder(), "why": error.to_string(), "dropped": dropped});
        self.store.log(&[NewEvent {
            at: self.clock.now(),
            job: None,
            document: None,
            kind: "fell_back".into(),
            body,
        }])
    }
}
