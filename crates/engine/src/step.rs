//! One optimiser step of one or more runs: the passes over the frozen weights that it takes, their gradients
//! summed and divided once, and the update.

use std::time::Instant;

use super::backward::Gradients;
use super::batch::Batch;
use super::decoder::{ActiveAdapter, Decoder};
use super::examples::TrainRow;
use super::kernels::dropout::mix;
use super::loss::Target;
use super::train::Run;
use seald_core::error::{Error, Kind, Result};

/// What one optimiser step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Index of the run among those that train together.
    pub run: usize,
    /// Steps done, from 1.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Weighted loss over the step's target tokens, before the step, nats a token; anchors with the weight that they were given.
    pub loss: f64,
    /// Mean loss of the step's anchors over their target tokens, before the step, nats a token; none without anchors.
    pub anchor_loss: Option<f64>,
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
    /// Tokens of this step, with and without loss.
    pub tokens: usize,
    /// Tokens that carried loss.
    pub targets: usize,
    /// Seconds the step took, shared with the runs beside it.
    pub seconds: f64,
}

/// What the micro-batches of one run's step add up to.
struct StepSums {
    gradients: Gradients,
    loss: f64,
    /// Loss of the step's anchors, nats, their target tokens, and how many they are.
    anchors: (f64, usize, usize),
    tokens: usize,
    targets: usize,
}

/// One row of one run in a step.
#[derive(Clone, Copy)]
struct Item {
    run: usize,
    row: usize,
}

/// Takes one optimiser step in every run that is not done; each pass holds at most `pass_tokens` tokens
/// (or one row). Gradients are summed over passes and divided once, by the target tokens of the run's step.
///
/// A run whose loss or gradient is not finite fails alone, and its adapter stays as it was.
///
/// # Errors
/// What stops all of them, such as a row with a token outside the vocabulary.
pub fn step_together(
    decoder: &Decoder,
    runs: &mut [&mut Run],
    pass_tokens: usize,
) -> Result<Vec<Option<Result<StepReport>>>> {
    let started = Instant::now();
    let items: Vec<Item> = runs
        .iter()
        .enumerate()
        .flat_map(|(run, r)| r.next_rows().iter().map(move |&row| Item { run, row }))
        .collect();
    let mut sums: Vec<Option<StepSums>> = runs.iter().map(|r| step_sums(r)).collect();
    for (micro, items) in micro_batches(runs, &items, pass_tokens).enumerate() {
        pass(decoder, runs, items, micro, &mut sums)?;
    }
    let finish = |(index, (run, sums)): (usize, (&mut &mut Run, Option<StepSums>))| {
        sums.map(|sums| run.apply(decoder, &sums, index, started))
    };
    Ok(runs.iter_mut().zip(sums).enumerate().map(finish).collect())
}

/// Empty sums for a run's next step; `None` when it is done.
fn step_sums(run: &Run) -> Option<StepSums> {
    if run.is_done() {
        return None;
    }
    let rows = run.next_rows().iter().map(|&i| &run.rows[i]);
    Some(StepSums {
        gradients: Gradients::empty(run.adapter.layers.len()),
        loss: 0.0,
        anchors: (0.0, 0, 0),
        tokens: rows.clone().map(|r| r.tokens.len()).sum(),
        targets: rows.map(TrainRow::target_count).sum(),
    })
}

/// Cuts the items into passes of at most `limit` tokens, at least one row each.
fn micro_batches<'a>(runs: &[&mut Run], items: &'a [Item], limit: usize) -> impl Iterator<Item = &'a [Item]> {
    let (mut cuts, mut tokens, mut start) = (Vec::new(), 0, 0);
    for (i, item) in items.iter().enumerate() {
        let n = runs[item.run].rows[item.row].tokens.len();
        if i > start && tokens + n > limit {
            cuts.push(start..i);
            (start, tokens) = (i, 0);
        }
        tokens += n;
    }
    if start < items.len() {
        cuts.push(start..items.len());
    }
    cuts.into_iter().map(|range| &items[range])
}

/// One forward and backward pass; adds to the runs' sums.
fn pass(
    decoder: &Decoder,
    runs: &[&mut Run],
    items: &[Item],
    micro: usize,
    sums: &mut [Option<StepSums>],
) -> Result<()> {
    let active: Vec<ActiveAdapter<'_>> = runs
        .iter()
        .map(|run| {
            let key = mix(run.options.seed ^ mix(run.step() as u64 ^ mix(micro as u64)));
            ActiveAdapter { adapter: &run.adapter, dropout_key: Some(key) }
        })
        .collect();
    let mut batch = Batch::new();
    let mut targets = Vec::new();
    for item in items {
        let row = &runs[item.run].rows[item.row];
        let start = batch.len();
        batch.push(&row.tokens, 0, Some(item.run)).map_err(|e| e.context(format!("row {}", item.row)))?;
        let run = &runs[item.run];
        let divisor = sums[item.run].as_ref().map_or(1, |s| s.targets);
        let factor = if row.anchor { run.anchors().1 as f32 } else { 1.0 };
        let weight = factor * row.weight / divisor as f32;
        for (n, t) in row.target_positions().enumerate() {
            let soft = row.soft.as_ref().map(|soft| soft.label(n));
            targets.push(Target { row: (start + t - 1) as u32, token: row.tokens[t], weight, soft });
        }
    }
    let result = decoder.train_pass(&batch, &active, &targets)?;
    let mut losses = result.losses.iter();
    for item in items {
        let row = &runs[item.run].rows[item.row];
        let Some(sum) = &mut sums[item.run] else { continue };
        let count = row.target_count();
        let loss: f64 = losses.by_ref().take(count).map(|loss| f64::from(*loss)).sum();
        sum.loss += loss * f64::from(row.weight) / sum.targets as f64;
        if row.anchor {
            sum.anchors = (sum.anchors.0 + loss, sum.anchors.1 + count, sum.anchors.2 + 1);
        }
    }
    for (sum, gradients) in sums.iter_mut().zip(result.gradients) {
        if let Some(sum) = sum {
            sum.gradients.add(gradients)?;
        }
    }
    Ok(())
}

impl Run {
    /// Applies one step's gradients.
    fn apply(
        &mut self,
        decoder: &Decoder,
        sums: &StepSums,
        index: usize,
        started: Instant,
    ) -> Result<StepReport> {
        let step = self.step();
        let diverged = |e: Error| e.context(format!("training stopped at step {}", step + 1));
        if !sums.loss.is_finite() {
            let text = format!("the loss is {}; try a lower learning rate", sums.loss);
            return Err(diverged(Error::new(Kind::Diverged, text)));
        }
        let factor = self.options.schedule.factor(step, self.options.warmup_steps, self.steps());
        let learning_rate = self.options.learning_rate * factor;
        let compute = decoder.compute();
        let grad_norm = self
            .optimizer
            .step(compute, &mut self.adapter, &sums.gradients, learning_rate)
            .map_err(diverged)?;
        self.tokens += sums.tokens as u64;
        let (loss, targets, anchors) = sums.anchors;
        if anchors > 0 {
            let share = anchors as f64 / self.rows.iter().filter(|row| row.anchor).count() as f64;
            self.anchors.take_in(loss, targets as f64, share);
        }
        Ok(StepReport {
            run: index,
            step: step + 1,
            steps: self.steps(),
            loss: sums.loss,
            anchor_loss: (targets > 0).then(|| loss / targets as f64),
            learning_rate,
            grad_norm,
            tokens: sums.tokens,
            targets: sums.targets,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}
