//! Long work in parts whose results are kept, so that another process goes on after the last one that was done, and ends the same.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::session::Session;
use super::work::Tally;
use seald_core::error::{Context, Kind, Result};
use seald_core::files;

/// What is kept of a part: what decided it, what it came to, and what it took.
#[derive(Serialize, Deserialize)]
struct Part<T> {
    decided_by: String,
    value: T,
    spent: Tally,
}

impl<T: DeserializeOwned> Part<T> {
    fn read(path: &Path, decided_by: &str) -> Option<Self> {
        let part: Self = serde_json::from_slice(&files::read(path).ok()?).ok()?;
        (part.decided_by == decided_by).then_some(part)
    }
}

impl Session<'_> {
    /// What `work` comes to: from an earlier process, if that kept it under `name` and all that decides it (`decided_by`) is the same. What it took then
    /// counts in the tally as if it was done now. It is kept where trainings are, if they are.
    ///
    /// What is kept is read back at once, so that nobody sees in which process it was done: JSON may lose a number's last digit.
    ///
    /// # Errors
    /// From `work`. What cannot be kept is no error: another process does it again.
    pub fn part<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        decided_by: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let Some(path) = self.checkpoints.part(name) else { return work() };
        if let Some(Part { value, spent, .. }) = Part::read(&path, decided_by) {
            tracing::info!(part = name, "goes on after it: an earlier process did it");
            self.count(|tally| *tally = tally.plus(&spent));
            return Ok(value);
        }
        let before = self.tally();
        let value = work()?;
        let part = Part { decided_by: decided_by.to_string(), value, spent: self.tally().since(&before) };
        self.checkpoints.write_part(&path, &part);
        let read = Part::read(&path, decided_by).unwrap_or(part);
        Ok(read.value)
    }

    /// A hash of what decides everything that this session does of itself: the version of seald, the base and its precision, the prompts, the options.
    ///
    /// # Errors
    /// [`Kind::Internal`] for options that JSON has no words for.
    pub fn decides(&self) -> Result<blake3::Hasher> {
        let options = serde_json::to_string(&self.options)
            .doing(Kind::Internal, || "cannot write options as JSON".into())?;
        let (version, base, prompts) = (env!("CARGO_PKG_VERSION"), &self.model.fingerprint, self.prompts);
        let precision = self.model.decoder.compute().precision.name();
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{version} {base} {precision} {prompts:?} {options}").as_bytes());
        Ok(hasher)
    }
}
