//! Where trainings under way, the scores of trials and other parts of long work are kept, so that another process goes on with them and ends the same. What lies there decides only how
//! long that takes: what does not fit or is damaged is left out, and what cannot be written is not kept.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::trials::Outcome;
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;
use seald_engine::adapter_files::LoadOptions;
use seald_engine::checkpoint;
use seald_engine::model::Model;
use seald_engine::train::Run;

/// Between two times that a training under way is saved: what a kill costs at most.
const BETWEEN: Duration = Duration::from_secs(60);

/// The place where a session keeps its trainings.
#[derive(Debug, Default)]
pub struct Checkpoints {
    /// A folder of their own; none: nothing is kept.
    pub folder: Option<PathBuf>,
    /// Time between two savings of one training; none: a minute.
    pub every: Option<Duration>,
    /// Whether the last one could not be written: said once.
    failing: Cell<bool>,
}

impl Checkpoints {
    /// The place of a training that begins with all of `begun`; none where nothing is kept. `name` tells it from the others of the folder.
    pub(super) fn place(&self, name: &str, begun: impl FnOnce() -> Result<String>) -> Result<Option<Place>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let (path, begun) = (folder.join(short(name)), begun()?);
        let every = self.every.unwrap_or(BETWEEN);
        Ok(Some(Place {
            name: name.to_string(),
            path,
            begun,
            every,
            saved_at: Instant::now(),
            saved_step: 0,
        }))
    }

    /// The file of a part of the work; none where nothing is kept.
    pub(super) fn part(&self, name: &str) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(short(name)).with_extension("part.json"))
    }

    /// Keeps a part of the work.
    pub(super) fn write_part(&self, path: &Path, part: &impl Serialize) {
        self.tell(write_json(path, part));
    }

    /// Says once that something could not be kept.
    fn tell(&self, written: Result<()>) {
        let failed = written.is_err();
        if let Err(error) = written
            && !self.failing.get()
        {
            tracing::warn!(%error, "how far the work is cannot be kept: after a restart it begins anew");
        }
        self.failing.set(failed);
    }
}

/// Where one training is kept.
#[derive(Debug)]
pub(super) struct Place {
    name: String,
    path: PathBuf,
    begun: String,
    every: Duration,
    saved_at: Instant,
    saved_step: usize,
}

/// What is kept beside a run. Numbers by their bits, for text may lose the last one.
#[derive(Serialize, Deserialize)]
struct Note {
    begun: String,
    seconds: u64,
    loss: u64,
}

/// What a trial came to at one rung.
#[derive(Serialize, Deserialize)]
struct Score {
    begun: String,
    rung: usize,
    steps: usize,
    tokens: u64,
    seconds: u64,
    loss: u64,
    gain: u64,
}

impl Place {
    /// Brings a run that was just begun to where it is kept, if that is no further than step `until`; then seconds and loss so far.
    pub(super) fn take_up(&mut self, model: &Model, run: &mut Run, until: usize) -> Option<(f64, f64)> {
        if !self.path.is_dir() {
            return None;
        }
        match self.try_take_up(model, run, until) {
            Ok(found) => {
                tracing::info!(
                    training = self.name,
                    step = run.step(),
                    steps = run.steps(),
                    "goes on where it was"
                );
                self.saved_step = run.step();
                Some(found)
            }
            Err(error) => {
                tracing::warn!(training = self.name, %error, "begins anew: what was kept of it cannot be used");
                None
            }
        }
    }

    fn try_take_up(&self, model: &Model, run: &mut Run, until: usize) -> Result<(f64, f64)> {
        let (note, step) = checkpoint::note(&self.path)?;
        let Note { begun, seconds, loss } = serde_json::from_value(note)
            .doing(Kind::Corrupt, || format!("{} is damaged", self.path.display()))?;
        let other = |what: &str| Err(Error::new(Kind::Conflict, format!("it was made {what}")));
        if begun != self.begun {
            return other("with another beginning: other rows, another adapter or another version of seald");
        }
        if step > until {
            return other("further on than it is needed");
        }
        let base = LoadOptions { base_fingerprint: Some(&model.fingerprint), allow_other_base: false };
        checkpoint::take_up(run, &model.decoder, &self.path, base)?;
        Ok((f64::from_bits(seconds), f64::from_bits(loss)))
    }

    /// Whether the last saving is long enough ago.
    pub(super) fn is_due(&self) -> bool {
        self.saved_at.elapsed() >= self.every
    }

    /// Saves a run, unless it is kept as it is.
    pub(super) fn save(&mut self, all: &Checkpoints, model: &Model, run: &Run, seconds: f64, loss: f64) {
        if run.step() == self.saved_step || !loss.is_finite() {
            return;
        }
        let note = Note { begun: self.begun.clone(), seconds: seconds.to_bits(), loss: loss.to_bits() };
        let note = serde_json::to_value(note).unwrap_or(Value::Null);
        let saved = checkpoint::save(run, &self.path, &model.adapter_meta(), note);
        if saved.is_ok() {
            self.saved_step = run.step();
        }
        // Where it failed it is not tried at each step.
        self.saved_at = Instant::now();
        all.tell(saved);
    }

    /// Removes what is kept of the training: its score is all that is needed.
    pub(super) fn clear(&self) {
        // What stays is removed with the folder.
        let _ = fs::remove_dir_all(&self.path);
    }

    fn score_file(&self, rung: usize) -> PathBuf {
        self.path.with_extension(format!("rung-{rung}.json"))
    }

    /// Keeps what a trial came to; `ranked_by` is what its gain was measured with.
    pub(super) fn keep_score(&self, all: &Checkpoints, outcome: &Outcome, ranked_by: &str) {
        let Outcome { rung, steps, tokens, seconds, loss, gain, .. } = *outcome;
        let begun = self.scored_with(ranked_by);
        let (seconds, loss, gain) = (seconds.to_bits(), loss.to_bits(), gain.to_bits());
        let score = Score { begun, rung, steps, tokens, seconds, loss, gain };
        all.tell(write_json(&self.score_file(rung), &score));
    }

    /// Fills in what the trial came to at that rung, if that is kept.
    pub(super) fn recall(&self, outcome: &mut Outcome, rung: usize, ranked_by: &str) -> bool {
        let kept = fs::read(self.score_file(rung)).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Score>(&bytes).ok());
        let Some(kept) = kept.filter(|kept| kept.begun == self.scored_with(ranked_by) && kept.rung == rung)
        else {
            return false;
        };
        (outcome.rung, outcome.steps, outcome.tokens) = (rung, kept.steps, kept.tokens);
        outcome.seconds = f64::from_bits(kept.seconds);
        (outcome.loss, outcome.gain) = (f64::from_bits(kept.loss), f64::from_bits(kept.gain));
        true
    }

    fn scored_with(&self, ranked_by: &str) -> String {
        format!("{} {ranked_by}", self.begun)
    }
}

/// Writes a file, and its folder if need be.
fn write_json(path: &Path, what: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(what)
        .doing(Kind::Internal, || format!("cannot write {} as JSON", path.display()))?;
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| files::io_error("create", parent, e))?;
    files::write_atomic(path, &bytes)
}

/// A name that a file can have.
fn short(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..16].to_string()
}
