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

use std::collections::HashMap;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::adapter_files::{self, AdapterMeta, LoadOptions};
use super::decoder::Decoder;
use super::examples::TrainRow;
use super::kernels::Precision;
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
    /// The options it was started with.
    options: TrainOptions,
    /// Hash of the rows it was started with.
    rows: String,
    /// How the frozen weights were kept; early checkpoints do not say.
    #[serde(default)]
    precision: Option<Precision>,
}

/// Writes `run` to the directory `dir`, replacing an earlier checkpoint there; it appears whole or not at all.
///
/// # Errors
/// [`Kind::Io`] when it cannot be written; an earlier checkpoint is then still there.
pub fn save(run: &Run, dir: &Path, meta: &AdapterMeta) -> Result<()> {
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
        options: run.options().clone(),
        rows: rows_hash(run.rows()),
        precision: Some(run.precision),
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
    let path = dir.join(POSITION);
    let position: Position = serde_json::from_str(&files::read_text(&path)?).map_err(|e| {
        let text = format!("{} is damaged: delete the checkpoint and start again", path.display());
        Error::new(Kind::Corrupt, text).with_source(e)
    })?;
    let conflict = |what: &str| {
        let text = format!(
            "the checkpoint {} was made with other {what}: use those, or start without it",
            dir.display()
        );
        Error::new(Kind::Conflict, text)
    };
    if position.options != options {
        return Err(conflict("options"));
    }
    if position.rows != rows_hash(&rows) {
        return Err(conflict("rows"));
    }
    let compute = decoder.compute();
    if let Some(precision) = position.precision.filter(|precision| *precision != compute.precision) {
        let (dir, name) = (dir.display(), precision.name());
        let text = format!(
            "the checkpoint {dir} was made with {name} weights: use those (--dtype {name}), or start without it"
        );
        return Err(Error::new(Kind::Conflict, text));
    }
    let device = &compute.device;
    let adapter = adapter_files::load(dir, decoder.config(), base, device)?.adapter;
    let mut run = Run::new(decoder, adapter, rows, options)?;
    let path = dir.join(OPTIMIZER);
    let damaged = |what: &str| {
        let text = format!("{}: {what}: delete the checkpoint and start again", path.display());
        Error::new(Kind::Corrupt, text)
    };
    let mut tensors = candle_core::safetensors::load_buffer(&files::read(&path)?, device)
        .map_err(|e| damaged("not a whole safetensors file").with_source(e))?;
    for (i, moments) in run.optimizer.moments.iter_mut().enumerate() {
        let mut take = |which: &str, like: &Tensor| match tensors.remove(&format!("{which}.{i}")) {
            Some(t) if t.shape() == like.shape() && t.dtype() == like.dtype() => Ok(t),
            _ => Err(damaged(&format!("{which}.{i} is missing or of another shape"))),
        };
        *moments =
            Moments { first: take("first", &moments.first)?, second: take("second", &moments.second)? };
    }
    run.continue_from(position.step, position.tokens)?;
    Ok(run)
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
