//! What an earlier process left: jobs under way, half-written folders, generations without a row, a link that points elsewhere.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::generation_files;
use super::place::last_place;
use super::publish::point_live;
use super::root::Root;
use super::trainings;
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
/// [`Kind::Conflict`] where what was learned stands on another base model; from the file system and the database.
pub(super) fn reconcile(root: &Root, store: &mut Store, model: &Model, now: Timestamp) -> Result<()> {
    for job in store.abandon_running(last_place(root).as_deref())? {
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

/// What a folder of `adapters` is called in front once it was moved aside.
const UNKNOWN: &str = "unknown-";

/// The folder of a generation whose publishing was cut short: no row names it, so it never went live. Any other folder that no row names was
/// learned under another database, or after the backup that this one was restored from: it is moved aside, for it is not ours to remove.
fn remove_unpublished(root: &Root, store: &Store) -> Result<()> {
    let mut named: HashSet<OsString> = store.generations()?.iter().map(|g| g.id.folder().into()).collect();
    named.extend(store.writers()?.iter().map(|w| OsString::from(w.id.folder())));
    let jobs = store.jobs(None)?;
    let cut_short = |stages: &[Stage]| {
        let open = |job: &&Job| matches!(job.state, JobState::Queued | JobState::Running);
        jobs.iter().filter(open).any(|job| stages.contains(&job.stage))
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
        } else if name == "live" {
            // A copy that follows links, or a disk without them, makes a folder of ours.
            let aside = set_aside(&folder, "live")?;
            tracing::warn!(
                "{} is a folder, where seald keeps a link: it is {} now, and a link stands in its place",
                folder.display(),
                aside.display()
            );
        } else if ["gen-", "writer-"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            let aside = set_aside(&folder, &name.to_string_lossy())?;
            tracing::warn!(
                "{} holds an adapter that {} knows nothing of: it is {} now. What it learned is learned again when its documents go into the inbox again",
                folder.display(),
                root.database().display(),
                aside.display()
            );
        }
    }
    Ok(())
}

/// Moves a folder to the first free name that says that nothing is known of it.
fn set_aside(folder: &Path, name: &str) -> Result<PathBuf> {
    let mut number = 1;
    loop {
        let ending = if number == 1 { String::new() } else { format!("-{number}") };
        let aside = folder.with_file_name(format!("{UNKNOWN}{name}{ending}"));
        if aside.symlink_metadata().is_err() {
            std::fs::rename(folder, &aside).map_err(|e| files::io_error("move aside", folder, e))?;
            return Ok(aside);
        }
        number += 1;
    }
}

/// Adapters that were moved aside because the database knows nothing of them.
///
/// # Errors
/// [`seald_core::Kind::Io`] where the folder cannot be read.
pub fn unknown_adapters(root: &Root) -> Result<Vec<PathBuf>> {
    let mut found = folders(&root.adapters())?;
    found.retain(|folder| folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(UNKNOWN)));
    Ok(found)
}

/// Removes the folders of jobs that are not waiting any more, and trainings of stages that are done.
fn remove_finished_work(root: &Root, store: &Store) -> Result<()> {
    let waiting: HashMap<PathBuf, Job> =
        store.jobs(Some(JobState::Queued))?.into_iter().map(|j| (root.job(j.id), j)).collect();
    for folder in folders(&root.work())? {
        if folder == root.calibration() {
            // Whoever calibrates looks whether it is of use.
        } else if let Some(job) = waiting.get(&folder) {
            files::clean_litter(&folder)?;
            trainings::tidy(root, job)?;
        } else {
            std::fs::remove_dir_all(&folder).map_err(|e| files::io_error("remove", &folder, e))?;
        }
    }
    Ok(())
}

/// The same in words, for whoever looks after the machine; none where there are none.
///
/// # Errors
/// As [`unknown_adapters`].
pub fn unknown_in_words(root: &Root) -> Result<Option<String>> {
    let unknown = unknown_adapters(root)?;
    Ok(unknown.first().map(|first| {
        format!(
            "{} ({} in all) was moved aside, for the database knows nothing of it: put the documents that it learned into the inbox again, then remove it",
            first.display(),
            unknown.len()
        )
    }))
}

/// The folders in a folder, links not counted.
pub(super) fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
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
    /// Loads the live generation. Where its files are gone or damaged, the nearest whole one takes its place, and what that drops
    /// waits to be learned again.
    pub(super) fn load_live(&mut self) -> Result<()> {
        refuse_where_all_are_gone(&self.root, &self.store)?;
        while let Some(generation) = self.store.live()? {
            let dir = self.root.generation(generation.id);
            match self.session.load_adapter(&dir) {
                Ok(adapter) => {
                    self.live = Some((generation.id, adapter));
                    return point_live(&self.root, generation.id);
                }
                Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Corrupt) => {
                    fall_back(&self.root, &mut self.store, &generation, &error, self.clock.now())?;
                }
                Err(error) => return Err(error),
            }
        }
        self.live = None;
        point_live(&self.root, GenerationId::BASE)
    }
}

/// Looks whether the files of the live generation are whole. Where they are not, the nearest whole one takes its place, at once and without the model, and what that drops waits to be
/// learned again; then in words what happened, for whoever looks after the machine.
///
/// # Errors
/// From the file system and the database.
pub fn heal_live(root: &Root, store: &mut Store, now: Timestamp) -> Result<Option<String>> {
    let mut words = None;
    // Said, and left as it is: only learning needs the files, and questions.
    if let Err(error) = refuse_where_all_are_gone(root, store) {
        return Ok(Some(error.to_string()));
    }
    while let Some(generation) = store.live()? {
        match generation_files::verify(root, &generation) {
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Corrupt) => {
                let said = fall_back(root, store, &generation, &error, now)?;
                words.get_or_insert(said);
            }
            // A disk that fails, or a later version's adapter: nothing is dropped for that.
            Err(error) => return Ok(Some(words.unwrap_or_else(|| error.to_string()))),
            Ok(()) => {
                point_live(root, generation.id)?;
                return Ok(words);
            }
        }
    }
    point_live(root, GenerationId::BASE)?;
    Ok(words)
}

/// Where not one generation's files are there, a disk is missing rather than a generation: nothing is dropped, for all would have to be learned again.
fn refuse_where_all_are_gone(root: &Root, store: &Store) -> Result<()> {
    let Some(live) = store.live()? else { return Ok(()) };
    let chain = store.chain(live.id)?;
    if chain.len() < 2 || chain.iter().any(|generation| root.generation(generation.id).exists()) {
        return Ok(());
    }
    let text = format!(
        "none of the {} generations that {} names is in {}: mount the disk that holds them, or put them back",
        chain.len(),
        root.database().display(),
        root.adapters().display()
    );
    Err(Error::new(Kind::Conflict, text))
}

/// The nearest whole generation takes the place of a broken one; in words.
fn fall_back(
    root: &Root,
    store: &mut Store,
    broken: &Generation,
    error: &Error,
    now: Timestamp,
) -> Result<String> {
    let to = generation_files::nearest_whole(root, store, broken)?;
    let why = format!("{} cannot be used ({error})", broken.id.folder());
    let dropped = store.roll_back(to, Dropped::LearnedAgain, &why, now)?.dropped.len();
    let instead = if to == GenerationId::BASE { "the base model".into() } else { to.folder() };
    let words = format!(
        "{why}: {instead} took its place, and the {dropped} documents that this drops are learned again"
    );
    tracing::error!(generation = broken.id.0, instead = to.0, dropped, "{words}");
    let body =
        serde_json::json!({"generation": broken.id.folder(), "why": error.to_string(), "dropped": dropped});
    store.log(&[NewEvent { at: now, job: None, document: None, kind: "fell_back".into(), body }])?;
    Ok(words)
}
