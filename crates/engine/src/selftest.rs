//! A test of the engine by itself, run before it is trusted with training: every LoRA matrix gets a finite,
//! non-zero gradient, and an adapter changes the logits, in memory and after it went through a file.

use std::path::Path;

use candle_core::Tensor;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::adapter_files::{self, AdapterMeta, LoadOptions};
use super::batch::Batch;
use super::decoder::{ActiveAdapter, Decoder};
use super::lora::{Adapter, LoraConfig};
use super::loss::Target;
use seald_core::error::{Error, Kind, Result};

/// Tokens of the sequence that is tried: with the bf16 kernels' fused path in reach.
const TOKENS: usize = 72;
const SEED: u64 = 0x5ea1d;

/// What the self-test saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Matrices whose gradient was checked.
    pub matrices: usize,
    /// Largest change of a logit by the adapter.
    pub logit_change: f32,
    /// Loss of random tokens, nats a token; near ln(vocabulary) for any model.
    pub loss: f32,
}

/// Runs the self-test on `decoder`; temporary files go into `scratch`.
///
/// # Errors
/// [`Kind::Internal`], naming the matrix or the step that failed: do not train with this build on this machine.
pub fn run(decoder: &Decoder, scratch: &Path) -> Result<Report> {
    let config = LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() };
    let device = &decoder.compute().device;
    let mut adapter = Adapter::init(&config, decoder.config(), SEED, device)?;
    let mut generator = Pcg64Mcg::seed_from_u64(SEED);
    for pair in adapter.layers.iter_mut().flatten().flatten() {
        // B is zero in a fresh adapter, and A then gets no gradient.
        let values: Vec<f32> =
            (0..pair.b.elem_count()).map(|_| generator.random_range(-0.05..0.05)).collect();
        pair.b = Tensor::from_vec(values, pair.b.shape(), device)?;
    }
    let vocabulary = decoder.config().vocab_size as u32;
    let length = TOKENS.min(decoder.config().max_position_embeddings);
    let tokens: Vec<u32> = (0..length).map(|_| generator.random_range(0..vocabulary)).collect();
    let loss = check_gradients(decoder, &adapter, &tokens)?;
    let logit_change = check_logits(decoder, &adapter, &tokens[..8.min(length)], scratch)?;
    Ok(Report { matrices: 2 * adapter.matrices().count(), logit_change, loss })
}

fn failed(what: impl Into<String>) -> Error {
    let text = format!("the engine's self-test failed on this machine, do not train here: {}", what.into());
    Error::new(Kind::Internal, text)
}

fn check_gradients(decoder: &Decoder, adapter: &Adapter, tokens: &[u32]) -> Result<f32> {
    let batch = Batch::of(&[tokens], Some(0))?;
    let weight = 1.0 / (tokens.len() - 1) as f32;
    let target = |t: usize| Target { row: t as u32 - 1, token: tokens[t], weight, soft: None };
    let targets: Vec<Target<'_>> = (1..tokens.len()).map(target).collect();
    let pass = decoder.train_pass(&batch, &[ActiveAdapter::inference(adapter)], &targets)?;
    let loss = pass.losses.iter().sum::<f32>() * weight;
    if !loss.is_finite() {
        return Err(failed(format!("the loss is {loss}")));
    }
    for (layer, projection, _) in adapter.matrices() {
        let name = super::model_config::module_name(layer, projection);
        let Some(pair) = &pass.gradients[0].layers[layer][projection as usize] else {
            return Err(failed(format!("{name} got no gradient")));
        };
        for (which, gradient) in [("A", &pair.a), ("B", &pair.b)] {
            let norm = gradient.sqr()?.sum_all()?.to_scalar::<f32>()?;
            if !norm.is_finite() || norm == 0.0 {
                return Err(failed(format!(
                    "the gradient of {name}.lora_{which} has a squared norm of {norm}"
                )));
            }
        }
    }
    Ok(loss)
}

fn check_logits(decoder: &Decoder, adapter: &Adapter, tokens: &[u32], scratch: &Path) -> Result<f32> {
    let logits = |adapter: Option<&Adapter>| -> Result<Tensor> {
        let batch = Batch::of(&[tokens], adapter.map(|_| 0))?;
        let active: Vec<ActiveAdapter<'_>> = adapter.map(ActiveAdapter::inference).into_iter().collect();
        decoder.all_logits(&batch, &active)
    };
    let difference = |a: &Tensor, b: &Tensor| -> Result<f32> {
        Ok((a - b)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?)
    };
    let adapted = logits(Some(adapter))?;
    let change = difference(&adapted, &logits(None)?)?;
    if !change.is_finite() || change == 0.0 {
        return Err(failed(format!("an adapter changes the logits by {change}")));
    }
    let dir =
        tempfile::tempdir_in(scratch).map_err(|e| seald_core::files::io_error("write to", scratch, e))?;
    let saved = dir.path().join("adapter");
    adapter_files::save(adapter, &saved, &AdapterMeta::default())?;
    let device = &decoder.compute().device;
    let loaded = adapter_files::load(&saved, decoder.config(), LoadOptions::default(), device)?.adapter;
    let gap = difference(&adapted, &logits(Some(&loaded))?)?;
    if gap != 0.0 {
        return Err(failed(format!("a reloaded adapter gives logits that differ by {gap}")));
    }
    Ok(change)
}
