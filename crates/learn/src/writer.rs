//! Writer rounds (ReST^EM, arXiv 2312.06585): the best self-edits of all documents become what an adapter of its own, the writer, is trained to write;
//! documents that it never saw say whether it is better than the one before. Writer and learner are separate adapters of the same base.

mod options;
mod sample;
mod verdict;

use super::directive;
use super::prompt::{self, Fill};
use super::rows::{self, Mixture, StepRows};
use super::session::Session;
use super::training::Training;
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::Directive;
use seald_core::error::{Error, Kind, Result};
use seald_engine::examples::TrainRow;
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};

pub use options::WriterOptions;
pub use sample::{Lesson, Sample, compose, earn, sample, take_apart, write};
pub use verdict::{Verdict, decide, diversity};

/// The best self-edit of one accepted document: what a writer learns to write.
#[derive(Debug, Clone, PartialEq)]
pub struct Winner {
    /// What names the document: its hash.
    pub key: String,
    /// Its title.
    pub title: String,
    /// Each passage with what was written about it.
    pub passages: Vec<(String, String)>,
    /// How it was trained.
    pub directive: Directive,
}

/// Whether a document examines writers and so is never trained on by one: it follows from its hash, so that no round changes it. `share` is how many
/// documents of all do, 0 to 1.
pub fn is_exam(hash: &str, share: f64) -> bool {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"seald exam v1").update(hash.as_bytes());
    let mut bytes = [0; 8];
    hasher.finalize_xof().fill(&mut bytes);
    // The 53 bits that a number of double precision holds.
    ((u64::from_le_bytes(bytes) >> 11) as f64) < share * (1u64 << 53) as f64
}

/// What a writer is trained on: for each winner the directive after the prompt that asks for one, and each text after the prompt of its format. Only
/// what the writer should write carries loss. A turn that does not fit the model's context is left out.
///
/// # Errors
/// From the tokenizer or the chat template.
pub fn examples(session: &Session<'_>, winners: &[Winner]) -> Result<Vec<TrainRow>> {
    let mut found = Vec::new();
    for Winner { key: _, title, passages, directive } in winners {
        let fill = |passage| Fill { title, passage, ..Fill::default() };
        // As `self_edits::write` asks: for the first passage.
        if let Some((passage, _)) = passages.first() {
            let asked = prompt::DIRECTIVE.fill(fill(passage));
            found.push(session.turn(&asked, &directive::line(directive))?);
        }
        for (passage, text) in passages.iter().filter(|(_, text)| !text.is_empty()) {
            found.push(session.turn(&prompt::self_edit(directive.format).fill(fill(passage)), text)?);
        }
    }
    found.retain(|(tokens, _)| tokens.len() <= session.context());
    let row = |(mut tokens, first): (Vec<u32>, usize)| {
        let said = tokens.split_off(first);
        TrainRow::completion(tokens, &said)
    };
    let mut rows: Vec<TrainRow> = found.into_iter().map(row).collect();
    rows.retain(rows::has_target);
    Ok(rows)
}

/// A writer that was trained, and what it took.
#[derive(Debug)]
pub struct Trained {
    /// The writer.
    pub adapter: Adapter,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, counting repetitions.
    pub tokens: u64,
    /// Seconds.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    pub loss: f64,
}

/// Trains a writer from the pristine base on the winners of all rounds.
///
/// # Errors
/// [`Kind::Invalid`] for options out of range or without anything to train on; [`Kind::Diverged`]; [`Kind::Cancelled`]; from the engine.
pub fn train(
    session: &Session<'_>,
    winners: &[Winner],
    options: &WriterOptions,
    seed: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<Trained> {
    options.validate()?;
    let rows = examples(session, winners)?;
    if rows.is_empty() {
        let text = "none of the best texts about documents fits the model: learn more documents first";
        return Err(Error::new(Kind::Invalid, text));
    }
    let decoder = &session.model.decoder;
    let config = LoraConfig {
        rank: options.rank,
        alpha: options.alpha,
        target_modules: TargetModules::AllLinear,
        ..LoraConfig::default()
    };
    let adapter = Adapter::init(&config, decoder.config(), seed, &decoder.compute().device)?;
    let each = StepRows { new: options.rows_in_step, ..StepRows::default() };
    let mixture = Mixture { new: &rows, earlier: &[], base: &[] };
    let plan = rows::plan(mixture, each, options.epochs, usize::MAX, seed);
    let rate = options.rate(decoder.config().hidden_size);
    let mut training = Training::begin(session, Some("writer"), adapter, plan, rate, seed)?;
    training.advance(session, usize::MAX, &mut |report| {
        let (step, steps, loss) = (report.step, report.steps, report.loss);
        tell(Progress::Step { trial: "writer".into(), step, steps, loss });
    })?;
    if !training.loss.is_finite() {
        let text =
            "the new writer's training went astray (it diverged): lower learning_rate in [writer_rounds]";
        return Err(Error::new(Kind::Diverged, text));
    }
    let (steps, tokens, seconds, loss) =
        (training.step(), training.tokens(), training.seconds, training.loss);
    Ok(Trained { adapter: training.into_adapter(), steps, tokens, seconds, loss })
}

#[cfg(test)]
mod tests;
