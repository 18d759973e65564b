//! A training run on disk: adapter, moments and position together, so that a resumed run ends in the same
//! bytes as an undisturbed one.
//!
//! | file | content |
//! |---|---|
//! | the adapter's files | as [`adapter_files`] writes them |
//! | `optimizer.safetensors` | `first.N` and `second.N`: AdamW's moments, in the order of the adapter's matrices |
//! | `training.json` | the position: where the run is, and what it must agree with |
//!
//! There is no generator state to keep: the order of the rows and dropout's masks are functions of the seed and
//! the step.
//!
//! A run that was planned ([`Run::planned`]) goes on with [`take_up`]: its plan and the adapter that it began with are known to whoever plans it, who
//! keeps a hash of them ([`beginning`]) in the note.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::adapter_files::{self, AdapterMeta, LoadOptions};
use super::anchors::AnchorLosses;
use super::decoder::Decoder;
use super::examples::TrainRow;
use super::kernels::Precision;
use super::lora::{Adapter, LoraMatrices};
use super::optimizer::Moments;
use super::train::{Run, TrainOptions};
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files::{self, StagedDir};

const OPTIMIZER: &str = "optimizer.safetensors";
const POSITION: &str = "training.json";

/// Where a run stands, and what it must be resumed with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Position {
    /// Steps done.
    step: usize,
    /// Tokens seen.
    tokens: u64,
    /// What the anchors said; early checkpoints had none.
    #[serde(default)]
    anchors: AnchorLosses,
    /// The options it was started with.
    options: TrainOptions,
    /// Hash of the rows it was started with.
    rows: String,
    /// How the frozen weights were kept; early checkpoints do not say.
    #[serde(default)]
    precision: Option<Precision>,
    /// Hash of the moments' file; early checkpoints do not say.
    #[serde(default)]
    moments: Option<String>,
    /// What the caller wants to find again.
    #[serde(default)]
    note: serde_json::Value,
}

/// Writes `run` to the directory `dir`, replacing an earlier checkpoint there; it appears whole or not at all. `note` is the caller's own.
///
/// # Errors
/// [`Kind::Io`] when it cannot be written; an earlier checkpoint is then still there.
pub fn save(run: &Run, dir: &Path, meta: &AdapterMeta, note: serde_json::Value) -> Result<()> {
    let name = dir.file_name().and_then(|n| n.to_str()).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("{} does not end in a directory name", dir.display()))
    })?;
    let parent = dir.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let staged = StagedDir::replacing(parent, name)?;
    adapter_files::write(run.adapter(), &staged, meta)?;
    let mut tensors = HashMap::new();
    for (i, moments) in run.optimizer.moments.iter().enumerate() {
        tensors.insert(format!("first.{i}"), moments.first.clone());
        tensors.insert(format!("second.{i}"), moments.second.clone());
    }
    let bytes =
        safetensors::serialize(&tensors, None).doing(Kind::Internal, || "cannot write moments".into())?;
    staged.write(OPTIMIZER, &bytes)?;
    let position = Position {
        step: run.step(),
        tokens: run.tokens(),
        anchors: run.anchors,
        options: run.options().clone(),
        rows: rows_hash(run.rows()),
        precision: Some(run.precision),
        moments: Some(blake3::hash(&bytes).to_hex().to_string()),
        note,
    };
    let text =
        serde_json::to_vec_pretty(&position).doing(Kind::Internal, || "cannot write the position".into())?;
    staged.write(POSITION, &text)?;
    staged.publish()?;
    Ok(())
}

/// Continues the run that `dir` holds, with the rows and options it was started with.
///
/// # Errors
/// [`Kind::NotFound`] without a checkpoint; [`Kind::Corrupt`] when a file is damaged; [`Kind::Conflict`] when rows,
/// options or base model are others than the run's.
pub fn resume(
    decoder: &Decoder,
    dir: &Path,
    rows: Arc<[TrainRow]>,
    options: TrainOptions,
    base: LoadOptions<'_>,
) -> Result<Run> {
    let position = read(dir)?;
    let compute = decoder.compute();
    position.check(dir, &rows, &options, compute.precision)?;
    let adapter = adapter_files::load(dir, decoder.config(), base, &compute.device)?.adapter;
    let mut run = Run::new(decoder, adapter, rows, options)?;
    position.restore(&mut run, dir)?;
    Ok(run)
}

/// Brings a run that was just begun to where `dir` holds it: rows, options, plan and the adapter that it began with must be the same, of which the last
/// two are for the caller to compare, by the [`note`].
///
/// # Errors
/// As [`resume`]. The run is as it was then.
pub fn take_up(run: &mut Run, decoder: &Decoder, dir: &Path, base: LoadOptions<'_>) -> Result<()> {
    let position = read(dir)?;
    let compute = decoder.compute();
    position.check(dir, run.rows(), run.options(), compute.precision)?;
    let loaded = adapter_files::load(dir, decoder.config(), base, &compute.device)?.adapter;
    position.restore(run, dir)?;
    // Its files say the same of it in other words (which layers), and what it ends in should not show that it was kept.
    let config = run.adapter.config.clone();
    run.adapter = Adapter { config, ..loaded };
    Ok(())
}

/// The note beside the run that `dir` holds, and the steps that it has done.
///
/// # Errors
/// [`Kind::NotFound`] without a checkpoint; [`Kind::Corrupt`] when it is damaged.
pub fn note(dir: &Path) -> Result<(serde_json::Value, usize)> {
    let position = read(dir)?;
    Ok((position.note, position.step))
}

/// A hash of everything that decides where a run ends which has just begun: rows, options, the rows of every step, the adapter, the precision of the base.
///
/// # Errors
/// When a matrix cannot be read.
pub fn beginning(run: &Run) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    let options =
        serde_json::to_string(&run.options).doing(Kind::Internal, || "cannot write options".into())?;
    hasher.update(format!("{} {options} {}", rows_hash(&run.rows), run.precision.name()).as_bytes());
    hash_adapter(&mut hasher, &run.adapter)?;
    for step in &run.plan {
        hasher.update(&(step.len() as u64).to_le_bytes());
        step.iter().for_each(|row| {
            hasher.update(&(*row as u64).to_le_bytes());
        });
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Adds an adapter's matrices to a hash: what it makes of a base.
///
/// # Errors
/// When a matrix cannot be read.
pub fn hash_adapter(hasher: &mut blake3::Hasher, adapter: &Adapter) -> Result<()> {
    for (layer, projection, LoraMatrices { a, b, scale }) in adapter.matrices() {
        hasher.update(format!("{layer} {projection:?} {} {:?}", scale.to_bits(), a.dims()).as_bytes());
        for matrix in [a, b] {
            let values: Vec<f32> = matrix.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
            values.iter().for_each(|value| {
                hasher.update(&value.to_le_bytes());
            });
        }
    }
    Ok(())
}

fn read(dir: &Path) -> Result<Position> {
    let path = dir.join(POSITION);
    serde_json::from_str(&files::read_text(&path)?)
        .map_err(|e| damaged(&path, "not a position").with_source(e))
}

fn damaged(path: &Path, what: &str) -> Error {
    let text = format!("{}: {what}: delete the checkpoint and start again", path.display());
    Error::new(Kind::Corrupt, text)
}

impl Position {
    /// Refuses what it was not made with.
    fn check(&self, dir: &Path, rows: &[TrainRow], options: &TrainOptions, now: Precision) -> Result<()> {
        let conflict = |what: &str| {
            let text = format!(
                "the checkpoint {} was made with other {what}: use those, or start without it",
                dir.display()
            );
            Err(Error::new(Kind::Conflict, text))
        };
        // Read back as they were: the last bit of a number may be lost on the way.
        let read_back = serde_json::to_string(options).and_then(|text| serde_json::from_str(&text));
        if read_back.ok().as_ref() != Some(&self.options) {
            return conflict("options");
        }
        if self.rows != rows_hash(rows) {
            return conflict("rows");
        }
        let Some(precision) = self.precision.filter(|precision| *precision != now) else { return Ok(()) };
        let (dir, name) = (dir.display(), precision.name());
        let text = format!(
            "the checkpoint {dir} was made with {name} weights: use those (--dtype {name}), or start without it"
        );
        Err(Error::new(Kind::Conflict, text))
    }

    /// Puts moments and position into a run that has the adapter already.
    fn restore(&self, run: &mut Run, dir: &Path) -> Result<()> {
        let path = dir.join(OPTIMIZER);
        let bytes = files::read(&path)?;
        if self.moments.as_ref().is_some_and(|hash| blake3::hash(&bytes).to_hex().as_str() != hash) {
            return Err(damaged(&path, "not what was written"));
        }
        let mut moments = Vec::with_capacity(run.optimizer.moments.len());
        let Some(device) = run.optimizer.moments.first().map(|moments| moments.first.device().clone()) else {
            return Err(damaged(&path, "there are no matrices to train"));
        };
        let mut tensors = candle_core::safetensors::load_buffer(&bytes, &device)
            .map_err(|e| damaged(&path, "not a whole safetensors file").with_source(e))?;
        for (i, like) in run.optimizer.moments.iter().enumerate() {
            let mut take = |which: &str, like: &Tensor| match tensors.remove(&format!("{which}.{i}")) {
                Some(t) if t.shape() == like.shape() && t.dtype() == like.dtype() => Ok(t),
                _ => Err(damaged(&path, &format!("{which}.{i} is missing or of another shape"))),
            };
            moments
                .push(Moments { first: take("first", &like.first)?, second: take("second", &like.second)? });
        }
        run.continue_from(self.step, self.tokens, self.anchors)?;
        run.optimizer.moments = moments;
        Ok(())
    }
}

/// A hash of everything in the rows.
fn rows_hash(rows: &[TrainRow]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut number = |n: u64| {
        hasher.update(&n.to_le_bytes());
    };
    for row in rows {
        number(row.tokens.len() as u64);
        row.tokens.iter().for_each(|&t| number(u64::from(t)));
        row.targets.iter().for_each(|&t| number(u64::from(t)));
        number(u64::from(row.weight.to_bits()));
        number(u64::from(row.anchor));
        let Some(soft) = &row.soft else {
            number(0);
            continue;
        };
        number(soft.k as u64);
        soft.ids.iter().for_each(|&id| number(u64::from(id)));
        soft.log_probs.iter().for_each(|l| number(u64::from(l.to_bits())));
    }
    hasher.finalize().to_hex().to_string()
}
