//! The published recipe (SEAL, arXiv 2506.10943, section 4.1 and its code) on our engine: LoRA r 32, alpha 64 on q and v, AdamW with linear decay, one row
//! a step, no rehearsal; five self-edits, the best by raw accuracy.

use std::sync::Arc;
use std::time::Instant;

use seald_core::domain::self_edit::{Format, RowText};
use seald_core::error::Result;
use seald_engine::examples::{BatchSize, Length, TrainRow};
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};
use seald_engine::model::Model;
use seald_engine::train::{Run, TrainOptions, train};
use seald_learn::author::Author;
use seald_learn::rows;
use seald_learn::self_edits;
use seald_learn::session::{Question, Session};

use crate::data::Document;
use crate::lab::{question, reading};

/// Every row is padded to so many tokens in the published code.
pub(crate) const PADDED: u64 = 2048;
/// Self-edits of a passage.
const SAMPLES: usize = 5;

/// What differs between the published recipe and the tuned one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) learning_rate: f64,
    pub(crate) epochs: usize,
    pub(crate) format: Format,
}

/// As published.
pub(crate) const PUBLISHED: Recipe = Recipe { learning_rate: 1e-3, epochs: 10, format: Format::Implications };

/// An adapter and what it cost.
pub(crate) struct Made {
    pub(crate) adapter: Adapter,
    pub(crate) tokens: u64,
    pub(crate) padded_tokens: u64,
    pub(crate) seconds: f64,
}

/// Trains the candidates of a document on `model` and keeps the one that answers most of the select questions.
pub(crate) fn best_of_five(
    session: &Session<'_>,
    model: &Model,
    document: &Document,
    recipe: Recipe,
    seed: u64,
) -> Result<Made> {
    let started = Instant::now();
    let asked: Vec<Question<'_>> = document.of(&["select"]).take(5).map(|q| question(&q.asked)).collect();
    let (mut best, mut tokens, mut padded_tokens): (Option<(usize, Adapter)>, u64, u64) = (None, 0, 0);
    for sample in 0..SAMPLES as u64 {
        let texts = self_edits::each_format(
            session,
            reading(document),
            &[recipe.format],
            seed * 1000 + sample,
            Author::Model(None),
        )?;
        let rows = rows_of(session, document, &texts.concat())?;
        let count = rows.len() as u64;
        let adapter = one(model, rows, recipe, seed * 1000 + sample, &mut tokens)?;
        padded_tokens += PADDED * count * recipe.epochs as u64;
        let right = session.ask(&asked, Some(&adapter))?.iter().filter(|a| a.grade.right).count();
        if best.as_ref().is_none_or(|(most, _)| right > *most) {
            best = Some((right, adapter));
        }
    }
    let adapter = best.map(|(_, adapter)| adapter);
    let adapter = adapter
        .ok_or_else(|| seald_core::Error::new(seald_core::Kind::Internal, "no self-edit was trained"))?;
    Ok(Made { adapter, tokens, padded_tokens, seconds: started.elapsed().as_secs_f64() })
}

/// The self-edit split at line ends, each line under the title, and the passage last.
fn rows_of(session: &Session<'_>, document: &Document, texts: &[String]) -> Result<Vec<TrainRow>> {
    let lines = texts.iter().flat_map(|t| t.lines()).map(str::trim).filter(|l| !l.is_empty());
    let all = lines.chain(document.passages.iter().map(String::as_str));
    all.map(|line| rows::row(session, &RowText::Text(format!("{}\n{line}", document.title)))).collect()
}

/// One inner loop.
fn one(model: &Model, rows: Vec<TrainRow>, recipe: Recipe, seed: u64, tokens: &mut u64) -> Result<Adapter> {
    let config = LoraConfig {
        rank: 32,
        alpha: 64.0,
        target_modules: TargetModules::List(vec!["q_proj".into(), "v_proj".into()]),
        ..LoraConfig::default()
    };
    let adapter = Adapter::init(&config, model.decoder.config(), seed, &model.decoder.compute().device)?;
    let options = TrainOptions {
        learning_rate: recipe.learning_rate,
        length: Length::Epochs(recipe.epochs),
        batch: BatchSize { tokens: usize::MAX, rows: Some(1) },
        seed,
        ..TrainOptions::default()
    };
    let mut run = Run::new(&model.decoder, adapter, Arc::from(rows), options)?;
    train(
        &model.decoder,
        &mut run,
        4096,
        &mut |_, _| std::ops::ControlFlow::Continue(()),
        &crate::lab::NEVER,
    )?;
    *tokens += run.tokens();
    Ok(run.into_adapter())
}
