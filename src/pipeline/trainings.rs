//! Where what takes long is kept while it is under way, so that another process goes on with it: the trainings of a job, which go with the stage that made them, and a calibration.

use std::io;
use std::path::{Path, PathBuf};

use super::recover::folders;
use super::root::Root;
use super::worker::{Tell, Worker};
use seald_core::domain::calibration::Calibration;
use seald_core::domain::ids::JobId;
use seald_core::domain::job::Job;
use seald_core::error::Result;
use seald_core::files;
use seald_learn::calibrate;

/// The folder within a job's.
const TRAININGS: &str = "trainings";

impl Worker<'_> {
    /// Keeps what this stage of a job trains, and what it has finished otherwise.
    pub(super) fn keep_trainings(&mut self, job: &Job) {
        self.session.checkpoints.folder = job.stage.keeps_work().then(|| folder(&self.root, job.id));
    }

    /// Calibrates, going on where another process stopped.
    ///
    /// # Errors
    /// As [`calibrate::run`].
    pub(super) fn calibrate_on(&mut self, tell: Tell<'_>) -> Result<Calibration> {
        let decided_by = calibrate::decided_by(&self.session, &self.rehearsal)?;
        // What other options, samples or another base had begun is of no use.
        let all = self.root.calibration();
        let own = all.join(&decided_by[..16]);
        for other in folders(&all).unwrap_or_default().into_iter().filter(|folder| *folder != own) {
            remove(&other);
        }
        if own.is_dir() {
            files::clean_litter(&own)?;
        }
        self.session.checkpoints.folder = Some(own);
        let made = calibrate::run(&self.session, &self.rehearsal, &self.clock, tell);
        self.session.checkpoints.folder = None;
        made
    }
}

/// Removes what is kept of a calibration: it is stored, or a document was learned without it.
pub(super) fn clear_calibration(root: &Root) {
    remove(&root.calibration());
}

/// Removes them: the stage is stored, or given up.
pub(super) fn clear(root: &Root, job: JobId) {
    // What stays is removed with the job's folder, at the latest.
    remove(&folder(root, job));
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %folder.display(), %error, "cannot be removed");
        }
        _ => {}
    }
}

/// Removes what a process that ended left of them, and all where the job has gone on to a stage that keeps nothing.
///
/// # Errors
/// From the file system.
pub(super) fn tidy(root: &Root, job: &Job) -> Result<()> {
    let folder = folder(root, job.id);
    if !job.stage.keeps_work() {
        clear(root, job.id);
    } else if folder.is_dir() {
        files::clean_litter(&folder)?;
    }
    Ok(())
}

fn folder(root: &Root, job: JobId) -> PathBuf {
    root.job(job).join(TRAININGS)
}
