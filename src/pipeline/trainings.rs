//! Where a job keeps its trainings while they are under way: another process goes on with them. They go with the stage that made them.

use std::io;
use std::path::PathBuf;

use super::root::Root;
use super::worker::Worker;
use seald_core::domain::ids::JobId;
use seald_core::domain::job::Job;
use seald_core::error::Result;
use seald_core::files;

/// The folder within a job's.
const TRAININGS: &str = "trainings";

impl Worker<'_> {
    /// Keeps what this stage of a job trains.
    pub(super) fn keep_trainings(&mut self, job: &Job) {
        self.session.checkpoints.folder = job.stage.trains().then(|| folder(&self.root, job.id));
    }
}

/// Removes them: the stage is stored, or given up.
pub(super) fn clear(root: &Root, job: JobId) {
    let folder = folder(root, job);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            // They are removed with the job's folder, at the latest.
            tracing::warn!(path = %folder.display(), %error, "cannot be removed");
        }
        _ => {}
    }
}

/// Removes what a process that ended left of them, and all where the job has gone on to a stage that trains nothing.
///
/// # Errors
/// From the file system.
pub(super) fn tidy(root: &Root, job: &Job) -> Result<()> {
    let folder = folder(root, job.id);
    if !job.stage.trains() {
        clear(root, job.id);
    } else if folder.is_dir() {
        files::clean_litter(&folder)?;
    }
    Ok(())
}

fn folder(root: &Root, job: JobId) -> PathBuf {
    root.job(job).join(TRAININGS)
}
