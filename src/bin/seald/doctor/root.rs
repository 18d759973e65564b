//! `seald doctor --root DIR`: whether a root's database is whole, and what it could be restored from.

use std::path::{Path, PathBuf};

use seald::pipeline::{self, Root};
use seald_core::domain::calibration::Calibration;
use seald_core::error::{Error, Kind, Result};
use seald_terminal::calibration;
use serde::Serialize;

/// A root whose database is whole.
#[derive(Serialize)]
pub(crate) struct RootReport {
    path: PathBuf,
    documents: usize,
    generations: usize,
    newest_backup: Option<PathBuf>,
    /// Adapters that were moved aside, for the database knows nothing of them.
    unknown_adapters: Vec<PathBuf>,
    /// Of the model that is looked at; none where it was not calibrated in this root.
    calibration: Option<Calibration>,
}

impl RootReport {
    /// In one line.
    pub(crate) fn words(&self) -> String {
        let Self { path, documents, generations, newest_backup, unknown_adapters, calibration: _ } = self;
        let backup = match newest_backup {
            Some(backup) => format!("newest backup {}", backup.display()),
            None => "no backup yet (the daemon makes one a day)".into(),
        };
        let unknown = match unknown_adapters.first() {
            Some(first) => format!("; it knows nothing of {}, which was moved aside", first.display()),
            None => String::new(),
        };
        format!(
            "{}: the database is whole, {documents} documents, {generations} generations; {backup}{unknown}",
            path.display()
        )
    }

    /// What is kept of the model's calibration.
    pub(crate) fn calibration_words(&self) -> String {
        self.calibration.as_ref().map_or_else(|| calibration::NOT_YET.to_string(), calibration::line)
    }
}

/// Opens the database, which checks it. `base_fingerprint`: that of the model that is looked at.
pub(crate) fn look(path: &Path, base_fingerprint: Option<&str>) -> Result<RootReport> {
    if path.join("state").is_dir() && pipeline::restore_under_way(&Root::at(path))? {
        let text = format!(
            "a restore of {} was cut short: `sealctl restore` finishes it, and so does the daemon when it starts",
            path.display()
        );
        return Err(Error::new(Kind::Conflict, text));
    }
    if !path.join("state/seald.db").exists() {
        let text = format!("{} has no database (state/seald.db): name the daemon's root", path.display());
        return Err(Error::new(Kind::NotFound, text));
    }
    let root = Root::open(path)?;
    let store = pipeline::open_database(&root)?;
    let documents = store.jobs(None)?.len();
    let generations = store.generations()?.len();
    let calibration = base_fingerprint.map(|base| pipeline::kept_calibration(&store, base)).transpose()?;
    Ok(RootReport {
        calibration: calibration.flatten(),
        path: path.to_path_buf(),
        documents,
        generations,
        newest_backup: pipeline::newest_backup(&root),
        unknown_adapters: pipeline::unknown_adapters(&root)?,
    })
}
