//! Training LoRA adapters: one run is one adapter with its rows; several runs can share each pass over the
//! frozen weights.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::anchors::AnchorLosses;
use super::decoder::Decoder;
use super::examples::{BatchSize, Length, TrainRow, check_rows, plan_steps};
use super::kernels::Precision;
use super::lora::Adapter;
use super::optimizer::{AdamOptions, AdamW};
use super::schedule::Schedule;
use super::step::{StepReport, step_together};
use seald_core::error::{Error, Kind, Result};

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
    /// Mean loss that anchors may have, nats a token, above 0: beyond it their weight rises. None: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_target: Option<f64>,
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
            anchor_target: None,
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
        if self.anchor_target.is_some_and(|target| !(target.is_finite() && target > 0.0)) {
            return invalid("anchor_target must be a number above 0");
        }
        Ok(())
    }
}

/// One adapter on its way through its rows.
#[derive(Debug)]
pub struct Run {
    pub(super) adapter: Adapter,
    pub(super) rows: Arc<[TrainRow]>,
    pub(super) options: TrainOptions,
    pub(super) plan: Vec<Vec<usize>>,
    /// How the base's weights are kept: in another precision the same rows end in another adapter.
    pub(super) precision: Precision,
    pub(super) optimizer: AdamW,
    pub(super) tokens: u64,
    pub(super) anchors: AnchorLosses,
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
        let plan = plan_steps(&rows, options.batch, options.length, options.seed);
        Self::planned(decoder, adapter, rows, options, plan)
    }

    /// The same with the rows of every step given: indices into `rows`, in place of what `options.length` and `options.batch` say.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Kind::Invalid`] for a step without rows, or with one that does not exist.
    pub fn planned(
        decoder: &Decoder,
        adapter: Adapter,
        rows: Arc<[TrainRow]>,
        options: TrainOptions,
        plan: Vec<Vec<usize>>,
    ) -> Result<Self> {
        options.check()?;
        check_rows(&rows, decoder.config().max_position_embeddings)?;
        if let Some(step) = plan.iter().position(|s| s.is_empty() || s.iter().any(|&row| row >= rows.len())) {
            let text =
                format!("step {} of the plan must name at least one of the {} rows", step + 1, rows.len());
            return Err(Error::new(Kind::Invalid, text));
        }
        let optimizer = AdamW::new(&adapter, options.adam)?;
        let precision = decoder.compute().precision;
        Ok(Self {
            adapter,
            rows,
            options,
            plan,
            precision,
            optimizer,
            tokens: 0,
            anchors: AnchorLosses::default(),
        })
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

    /// What holds the model where it was: moving mean of the anchors' losses, nats a token, and the factor of their weight.
    pub fn anchors(&self) -> (f64, f64) {
        (self.anchors.mean(), self.anchors.factor(self.options.anchor_target))
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
    pub(super) fn continue_from(&mut self, step: usize, tokens: u64, anchors: AnchorLosses) -> Result<()> {
        if step > self.steps() {
            let text = format!("the checkpoint is at step {step} of a run of {}", self.steps());
            return Err(Error::new(Kind::Corrupt, text));
        }
        (self.optimizer.step, self.tokens, self.anchors) = (step, tokens, anchors);
        Ok(())
    }

    pub(super) fn next_rows(&self) -> &[usize] {
        self.plan.get(self.step()).map_or(&[], Vec::as_slice)
    }
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
