//! `seald doctor --root DIR`: whether a root's database is whole, and what it could be restored from.

use std::path::{Path, PathBuf};

use seald::pipeline::{self, Root};
use seald_core::error::{Error, Kind, Result};
use serde::Serialize;

/// A root whose database is whole.
#[derive(Serialize)]
pub(crate) struct RootReport {
    path: PathBuf,
    documents: usize,
    generations: usize,
    newest_backup: Option<PathBuf>,
}

impl RootReport {
    /// In one line.
    pub(crate) fn words(&self) -> String {
        let Self { path, documents, generations, newest_backup } = self;
        let backup = match newest_backup {
            Some(backup) => format!("newest backup {}", backup.display()),
            None => "no backup yet (the daemon makes one a day)".into(),
        };
        format!(
            "{}: the database is whole, {documents} documents, {generations} generations; {backup}",
            path.display()
        )
    }
}

/// Opens the database, which checks it.
pub(crate) fn look(path: &Path) -> Result<RootReport> {
    if !path.join("state/seald.db").exists() {
        let text = format!("{} has no database (state/seald.db): name the daemon's root", path.display());
        return Err(Error::new(Kind::NotFound, text));
    }
    let root = Root::open(path)?;
    let store = pipeline::open_database(&root)?;
    let documents = store.jobs(None)?.len();
    let generations = store.generations()?.len();
    Ok(RootReport {
        path: path.to_path_buf(),
        documents,
        generations,
        newest_backup: pipeline::newest_backup(&root),
    })
}
