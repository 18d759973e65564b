//! The trials of a document side by side in one batch against one after the other: seconds of both, and whether both learn the same.

use std::sync::Arc;
use std::time::Instant;

use seald_core::domain::self_edit::RowText;
use seald_core::error::{Error, Kind, Result};
use seald_engine::examples::{BatchSize, Length};
use seald_engine::lora::Adapter;
use seald_engine::memory;
use seald_engine::schedule::Schedule;
use seald_engine::step::step_together;
use seald_engine::train::{Run, TrainOptions};
use seald_learn::author::Author;
use seald_learn::rows::{self, Mixture, StepRows};
use seald_learn::self_edits;
use seald_learn::trials::Edit;
use serde::Serialize;

use crate::data::Document;
use crate::lab::{Lab, held_back, reading};
use crate::learning::edits;

/// Most that losses of the two ways may differ by, as a share: sums of f32 in another order.
const TOLERANCE: f64 = 1e-3;
/// Tokens in one pass over the weights, as trials have it.
const PASS_TOKENS: usize = 4096;

/// Wall and processor seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Seconds {
    pub(crate) wall: f64,
    pub(crate) processor: f64,
}

/// One document in one round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Timed {
    pub(crate) document: usize,
    pub(crate) trials: usize,
    pub(crate) tokens: u64,
    pub(crate) alone: Seconds,
    pub(crate) together: Seconds,
    /// Largest difference between the losses of a trial's last step, as a share.
    pub(crate) difference: f64,
}

/// Trains the trials of each document both ways, `rounds` times, the two in turn the first. The very first round warms up and is not kept.
///
/// # Errors
/// [`Kind::Internal`] if the two ways differ in what they learn.
pub(crate) fn measure(lab: &Lab<'_>, documents: &[Document], rounds: usize) -> Result<Vec<Timed>> {
    let mut found = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let drafts = self_edits::write(
            &lab.session,
            reading(document),
            &held_back(document),
            Author::Model(None),
            &mut |_| {},
        )?;
        let edits = edits(drafts);
        let warm_up = usize::from(number == 0);
        for round in 0..rounds + warm_up {
            let first = train(lab, document, &edits, round % 2 == 0)?;
            let second = train(lab, document, &edits, round % 2 == 1)?;
            let (together, alone) = if round % 2 == 0 { (first, second) } else { (second, first) };
            let share = |(a, b): (&f64, &f64)| (a - b).abs() / a.abs();
            let difference = alone.losses.iter().zip(&together.losses).map(share).fold(0.0, f64::max);
            if !(difference <= TOLERANCE && alone.tokens == together.tokens) {
                let text = format!("{:?}: losses differ by {difference:.1e}", document.title);
                return Err(Error::new(Kind::Internal, text));
            }
            if round >= warm_up {
                let (trials, tokens) = (edits.len(), alone.tokens);
                let (alone, together) = (alone.seconds, together.seconds);
                found.push(Timed { document: number, trials, tokens, alone, together, difference });
            }
        }
        eprintln!("document {} of {}", number + 1, documents.len());
    }
    Ok(found)
}

/// What one way came to.
struct Trained {
    seconds: Seconds,
    losses: Vec<f64>,
    tokens: u64,
}

fn train(lab: &Lab<'_>, document: &Document, edits: &[Edit], together: bool) -> Result<Trained> {
    let start = |(seed, edit): (usize, &Edit)| run(lab, document, edit, seed as u64);
    let mut runs = edits.iter().enumerate().map(start).collect::<Result<Vec<Run>>>()?;
    let decoder = &lab.session.model.decoder;
    let all: Vec<&Run> = runs.iter().collect();
    let pass_tokens = memory::fit(decoder, &all, PASS_TOKENS, None)?;
    let mut losses = vec![f64::NAN; runs.len()];
    let (clock, used) = (Instant::now(), processor_seconds());
    let at_once = if together { runs.len().max(1) } else { 1 };
    for (group, first) in runs.chunks_mut(at_once).zip((0..).step_by(at_once)) {
        let mut group: Vec<&mut Run> = group.iter_mut().collect();
        while group.iter().any(|run| !run.is_done()) {
            for report in step_together(decoder, &mut group, pass_tokens)?.into_iter().flatten() {
                let report = report?;
                losses[first + report.run] = report.loss;
            }
        }
    }
    let seconds = Seconds { wall: clock.elapsed().as_secs_f64(), processor: processor_seconds() - used };
    Ok(Trained { seconds, losses, tokens: runs.iter().map(Run::tokens).sum() })
}

/// A trial from the base, as `Halving` starts it: its rows and the passages, without rehearsal.
fn run(lab: &Lab<'_>, document: &Document, edit: &Edit, seed: u64) -> Result<Run> {
    let (session, options) = (&lab.session, &lab.session.options);
    let passages = document.passages.iter();
    let texts = passages.map(|passage| RowText::Text(format!("{}\n{passage}", document.title)));
    let mut new = texts
        .chain(edit.rows.iter().map(|(_, row)| row.clone()))
        .map(|text| rows::row(session, &text))
        .collect::<Result<Vec<_>>>()?;
    new.retain(rows::has_target);
    let mixture = Mixture { new: &new, earlier: &[], base: &[] };
    let each = StepRows { new: options.trial_rows, ..StepRows::default() };
    let steps = options.rung_steps.last().copied().unwrap_or(1);
    let plan = rows::plan(mixture, each, edit.directive.epochs, steps, seed);
    let model = &session.model.decoder;
    let adapter = Adapter::init(&options.lora(), model.config(), seed, &model.compute().device)?;
    let train = TrainOptions {
        learning_rate: edit.directive.learning_rate,
        schedule: Schedule::Linear,
        length: Length::Steps(plan.steps.len()),
        batch: BatchSize { tokens: usize::MAX, rows: None },
        seed,
        ..TrainOptions::default()
    };
    Run::planned(model, adapter, Arc::from(plan.rows), train, plan.steps)
}

/// Seconds of processor time that this process has had: what others take does not count.
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to fill; the clock exists on every Unix.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
