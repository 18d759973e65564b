//! Training LoRA adapters: one run is one adapter with its rows; several runs can share each pass over the
//! frozen weights.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::backward::Gradients;
use super::batch::Batch;
use super::decoder::{ActiveAdapter, Decoder};
use super::examples::{BatchSize, Length, TrainRow, check_rows, plan_steps};
use super::kernels::dropout::mix;
use super::lora::Adapter;
use super::loss::Target;
use super::optimizer::{AdamOptions, AdamW};
use super::schedule::Schedule;
use crate::error::{Error, Kind, Result};

/// How one adapter is trained. Everything that its result depends on besides the rows is here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainOptions {
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Steps over which it rises from 0.
    pub warmup_steps: usize,
    /// How long to train.
    pub length: Length,
    /// Rows of one optimiser step.
    pub batch: BatchSize,
    /// The optimiser's constants.
    pub adam: AdamOptions,
    /// Order of the rows and dropout's masks follow from it.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            learning_rate: 1e-4,
            schedule: Schedule::Linear,
            warmup_steps: 0,
            length: Length::Epochs(10),
            batch: BatchSize { tokens: 512, rows: None },
            adam: AdamOptions::default(),
            seed: 0,
        }
    }
}

impl TrainOptions {
    fn check(&self) -> Result<()> {
        let invalid = |text: &str| Err(Error::new(Kind::Invalid, text));
        let adam = &self.adam;
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return invalid("learning_rate must be a number above 0");
        }
        if matches!(self.length, Length::Epochs(0) | Length::Steps(0)) {
            return invalid("epochs or steps must be at least 1");
        }
        if self.batch.tokens == 0 || self.batch.rows == Some(0) {
            return invalid("a batch must hold at least 1 token and 1 row");
        }
        if ![adam.betas.0, adam.betas.1].iter().all(|b| (0.0..1.0).contains(b)) {
            return invalid("betas must lie in [0, 1)");
        }
        if !(adam.eps > 0.0 && adam.weight_decay >= 0.0 && adam.max_grad_norm.is_none_or(|n| n > 0.0)) {
            return invalid("eps and max_grad_norm must be above 0, weight_decay not below");
        }
        Ok(())
    }
}

/// One adapter on its way through its rows.
#[derive(Debug)]
pub struct Run {
    adapter: Adapter,
    rows: Arc<[TrainRow]>,
    options: TrainOptions,
    plan: Vec<Vec<usize>>,
    pub(super) optimizer: AdamW,
    tokens: u64,
}

/// What one optimiser step did.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Index of the run among those that train together.
    pub run: usize,
    /// Steps done, from 1.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// Weighted loss over the step's target tokens, before the step, nats a token.
    pub loss: f64,
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

impl Run {
    /// A run that continues `adapter` (fresh or trained before) with a fresh optimiser.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range or a bad row, naming it.
    pub fn new(
        decoder: &Decoder,
        adapter: Adapter,
        rows: Arc<[TrainRow]>,
        options: TrainOptions,
    ) -> Result<Self> {
        options.check()?;
        check_rows(&rows, decoder.config().max_position_embeddings)?;
        let plan = plan_steps(&rows, options.batch, options.length, options.seed);
        let optimizer = AdamW::new(&adapter, options.adam)?;
        Ok(Self { adapter, rows, options, plan, optimizer, tokens: 0 })
    }

    /// The adapter as it is now.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// The adapter, at the end.
    pub fn into_adapter(self) -> Adapter {
        self.adapter
    }

    /// What it is trained with.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// What it is trained on.
    pub fn rows(&self) -> &[TrainRow] {
        &self.rows
    }

    /// Steps done.
    pub fn step(&self) -> usize {
        self.optimizer.step
    }

    /// Steps in all.
    pub fn steps(&self) -> usize {
        self.plan.len()
    }

    /// Tokens seen so far, counting repetitions.
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.step() >= self.steps()
    }

    /// Most tokens that one step needs at once.
    pub fn longest_row(&self) -> usize {
        self.rows.iter().map(|r| r.tokens.len()).max().unwrap_or(0)
    }

    /// Sets the position of a run whose adapter and moments came from a checkpoint.
    pub(super) fn continue_from(&mut self, step: usize, tokens: u64) -> Result<()> {
        if step > self.steps() {
            let text = format!("the checkpoint is at step {step} of a run of {}", self.steps());
            return Err(Error::new(Kind::Corrupt, text));
        }
        (self.optimizer.step, self.tokens) = (step, tokens);
        Ok(())
    }

    fn next_rows(&self) -> &[usize] {
        self.plan.get(self.step()).map_or(&[], Vec::as_slice)
    }

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
        Ok(StepReport {
            run: index,
            step: step + 1,
            steps: self.steps(),
            loss: sums.loss,
            learning_rate,
            grad_norm,
            tokens: sums.tokens,
            targets: sums.targets,
            seconds: started.elapsed().as_secs_f64(),
        })
    }
}

/// What the micro-batches of one run's step add up to.
struct StepSums {
    gradients: Gradients,
    loss: f64,
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
    let mut owners = Vec::new();
    for item in items {
        let row = &runs[item.run].rows[item.row];
        let start = batch.len();
        batch.push(&row.tokens, 0, Some(item.run)).map_err(|e| e.context(format!("row {}", item.row)))?;
        let divisor = sums[item.run].as_ref().map_or(1, |s| s.targets);
        let weight = row.weight / divisor as f32;
        for (n, t) in row.target_positions().enumerate() {
            let soft = row.soft.as_ref().map(|soft| soft.label(n));
            targets.push(Target { row: (start + t - 1) as u32, token: row.tokens[t], weight, soft });
            owners.push(item.run);
        }
    }
    let result = decoder.train_pass(&batch, &active, &targets)?;
    for ((loss, target), &owner) in result.losses.iter().zip(&targets).zip(&owners) {
        if let Some(sum) = &mut sums[owner] {
            sum.loss += f64::from(*loss) * f64::from(target.weight);
        }
    }
    for (sum, gradients) in sums.iter_mut().zip(result.gradients) {
        if let Some(sum) = sum {
            sum.gradients.add(gradients)?;
        }
    }
    Ok(())
}

/// Trains runs side by side until all are done, one fails for all, or somebody says stop: `on_step`
/// after each step, or `cancel` between steps. Each run's result is its own.
///
/// # Errors
/// What stops all of them; [`Kind::Cancelled`] on request. The runs keep the state of their last step.
pub fn train_together(
    decoder: &Decoder,
    runs: &mut [Run],
    pass_tokens: usize,
    on_step: &mut dyn FnMut(&Run, &StepReport) -> ControlFlow<()>,
    cancel: &AtomicBool,
) -> Result<Vec<Result<()>>> {
    let mut results: Vec<Result<()>> = runs.iter().map(|_| Ok(())).collect();
    loop {
        let live: Vec<usize> =
            (0..runs.len()).filter(|&i| results[i].is_ok() && !runs[i].is_done()).collect();
        if live.is_empty() {
            return Ok(results);
        }
        if cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Cancelled, "training was stopped"));
        }
        let mut stepping: Vec<&mut Run> =
            runs.iter_mut().enumerate().filter(|(i, _)| live.contains(i)).map(|(_, run)| run).collect();
        let reports = step_together(decoder, &mut stepping, pass_tokens)?;
        for (&index, report) in live.iter().zip(reports) {
            match report {
                Some(Ok(report))
                    if on_step(&runs[index], &StepReport { run: index, ..report }).is_break() =>
                {
                    return Err(Error::new(Kind::Cancelled, "training was stopped"));
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => results[index] = Err(e),
                None => {}
            }
        }
    }
}

/// Trains one run to its end.
///
/// # Errors
/// [`Kind::Diverged`] with the step, the adapter being that of the step before; [`Kind::Cancelled`].
pub fn train(
    decoder: &Decoder,
    run: &mut Run,
    pass_tokens: usize,
    on_step: &mut dyn FnMut(&Run, &StepReport) -> ControlFlow<()>,
    cancel: &AtomicBool,
) -> Result<()> {
    let results = train_together(decoder, std::slice::from_mut(run), pass_tokens, on_step, cancel)?;
    results.into_iter().collect()
}
