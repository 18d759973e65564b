//! Two short samples of speed: what one can expect of this model on this machine.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use seald_core::error::Result;
use seald_engine::decoder::Decoder;
use seald_engine::examples::{BatchSize, Length, TrainRow};
use seald_engine::generate::{GenerateOptions, GenerateRow, Generator};
use seald_engine::lora::{Adapter, LoraConfig};
use seald_engine::memory;
use seald_engine::step::StepReport;
use seald_engine::train::{self, Run, TrainOptions};

/// Rows of the training sample, and tokens of each.
pub(crate) const TRAINING: (usize, usize) = (8, 64);
/// Tokens that the decoding sample writes.
const DECODED: usize = 16;

/// Tokens a second of one training step with the default adapter, [`TRAINING`] rows.
pub(crate) fn training(decoder: &Decoder) -> Result<f64> {
    let (count, length) = TRAINING;
    let length = length.min(decoder.config().max_position_embeddings);
    let rows: Arc<[TrainRow]> =
        (0..count).map(|i| TrainRow::whole(some_tokens(decoder, i * length, length))).collect();
    let device = &decoder.compute().device;
    let adapter = Adapter::init(&LoraConfig::default(), decoder.config(), 0, device)?;
    // The first step also prepares the weights for the backward pass, so the faster one counts.
    let options = TrainOptions {
        length: Length::Steps(2),
        batch: BatchSize { tokens: count * length, rows: None },
        ..TrainOptions::default()
    };
    let mut run = Run::new(decoder, adapter, rows, options)?;
    let pass = memory::fit(decoder, &[&run], count * length, None)?;
    let mut best = 0f64;
    let mut on_step = |_: &Run, report: &StepReport| {
        best = best.max(report.tokens as f64 / report.seconds);
        ControlFlow::Continue(())
    };
    train::train(decoder, &mut run, pass, &mut on_step, &AtomicBool::new(false))?;
    Ok(best)
}

/// Tokens a second when one row is written.
pub(crate) fn decoding(decoder: &Decoder) -> Result<f64> {
    let row = GenerateRow { prompt: some_tokens(decoder, 0, 8), ..GenerateRow::default() };
    let options = GenerateOptions { max_tokens: DECODED + 1, ..GenerateOptions::default() };
    // The first token comes with the reading of the prompt, and is not counted.
    let (mut first, mut last, mut tokens) = (None, Instant::now(), 0);
    let mut on_token = |_: seald_engine::generate::TokenEvent<'_>| {
        last = Instant::now();
        first.get_or_insert(last);
        tokens += 1;
        ControlFlow::Continue(())
    };
    Generator::new(decoder, None, &[]).generate(&[row], &options, &mut on_token, &AtomicBool::new(false))?;
    let seconds = first.map_or(0.0, |first| last.duration_since(first).as_secs_f64());
    Ok(if seconds > 0.0 { f64::from(tokens - 1) / seconds } else { 0.0 })
}

/// `n` different-looking tokens of the vocabulary.
fn some_tokens(decoder: &Decoder, start: usize, n: usize) -> Vec<u32> {
    let vocabulary = decoder.config().vocab_size;
    (start..start + n).map(|i| (i * 7919 % vocabulary) as u32).collect()
}
