//! The folders that the program works in.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use seald_core::domain::ids::{GenerationId, JobId, WriterId};
use seald_core::error::Result;
use seald_core::files;

/// A root folder: `state` and `adapters` lie beneath it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    path: PathBuf,
}

impl Root {
    /// The root at `path`; its folders are made if they are not there.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Io`] naming the folder.
    pub fn open(path: &Path) -> Result<Self> {
        let root = Self { path: path.to_path_buf() };
        std::fs::create_dir_all(path).map_err(|e| files::io_error("create", path, e))?;
        // What was learned is as private as the documents: nobody else may look into folders that are made here.
        for (dir, mode) in [(root.state(), 0o700), (root.adapters(), 0o750), (root.work(), 0o700)] {
            let made = DirBuilder::new().recursive(true).mode(mode).create(&dir);
            made.map_err(|e| files::io_error("create", &dir, e))?;
        }
        Ok(root)
    }

    /// The root at `path`, of which nothing is made.
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the program keeps its own things.
    pub fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.state().join("seald.db")
    }

    /// Copies of the database.
    pub fn backups(&self) -> PathBuf {
        self.state().join("backups")
    }

    /// The lock that says a process works here.
    pub fn lock_file(&self) -> PathBuf {
        self.state().join("seald.lock")
    }

    /// Folders of jobs under way.
    pub fn work(&self) -> PathBuf {
        self.state().join("work")
    }

    /// The folder of one job.
    pub fn job(&self, job: JobId) -> PathBuf {
        self.work().join(format!("job-{:06}", job.0))
    }

    /// The folder of a calibration under way.
    pub fn calibration(&self) -> PathBuf {
        self.work().join("calibration")
    }

    /// Where the job under way is, for the next process.
    pub fn place(&self) -> PathBuf {
        self.state().join("place")
    }

    /// Where generations lie.
    pub fn adapters(&self) -> PathBuf {
        self.path.join("adapters")
    }

    /// Base models that were fetched.
    pub fn models(&self) -> PathBuf {
        self.path.join("models")
    }

    /// One generation.
    pub fn generation(&self, id: GenerationId) -> PathBuf {
        self.adapters().join(id.folder())
    }

    /// One writer of self-edits.
    pub fn writer(&self, id: WriterId) -> PathBuf {
        self.adapters().join(id.folder())
    }

    /// The link to the live generation; it is missing while the base answers.
    pub fn live(&self) -> PathBuf {
        self.adapters().join("live")
    }
}
