//! What an earlier process left: jobs under way, half-written folders, generations without a row, a link that points elsewhere.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use super::publish::point_live;
use super::root::Root;
use crate::domain::ids::GenerationId;
use crate::domain::job::JobState;
use crate::error::{Error, Kind, Result};
use crate::files;
use crate::store::Store;

/// Brings folders and rows together. The caller holds the root's lock, so no other process works here.
///
/// # Errors
/// [`Kind::Conflict`] where the live generation belongs to another base model; [`Kind::Corrupt`] where a generation's folder is gone; from the
/// file system and the database.
pub(super) fn reconcile(root: &Root, store: &mut Store, fingerprint: &str) -> Result<()> {
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
    let generations = store.generations()?;
    let named: HashSet<OsString> = generations.iter().map(|g| g.id.folder().into()).collect();
    for folder in folders(&root.adapters())? {
        let ours = folder.file_name().is_some_and(|n| n.to_string_lossy().starts_with("gen-"));
        if ours && !folder.file_name().is_some_and(|name| named.contains(name)) {
            tracing::info!(path = %folder.display(), "removed: no row names it, so it never went live");
            std::fs::remove_dir_all(&folder).map_err(|e| files::io_error("remove", &folder, e))?;
        }
    }
    let live = store.live()?;
    if let Some(live) = &live {
        if live.base_fingerprint != fingerprint {
            let text = format!(
                "{} was learned on another base model ({}, this one is {fingerprint}): give the model it belongs to, or another --root",
                live.id.folder(),
                live.base_fingerprint
            );
            return Err(Error::new(Kind::Conflict, text));
        }
        let dir = root.generation(live.id);
        if !dir.is_dir() {
            let text =
                format!("the live generation's folder {} is gone: restore it from a backup", dir.display());
            return Err(Error::new(Kind::Corrupt, text));
        }
    }
    point_live(root, live.map_or(GenerationId::BASE, |g| g.id))
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
