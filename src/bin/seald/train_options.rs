//! The options of `seald train`, and the adapter and training they describe.

use std::path::{Path, PathBuf};

use seald_core::error::{Error, Kind, Result};
use seald_engine::examples::{BatchSize, Length};
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};
use seald_engine::model::Model;
use seald_engine::optimizer::AdamOptions;
use seald_engine::train::TrainOptions;

use crate::open::{ModelArgs, open_adapter};
use crate::options::{self, ScheduleName};
use crate::rows::Loss;

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) base: ModelArgs,
    /// Rows to learn, one JSON object a line: {"text"}, {"prompt","completion"} or {"messages"}, each with
    /// "weight" (factor of its loss) if wanted
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// Where the adapter goes: a directory that does not exist yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Print JSON lines on stdout: one for each step, and a last one for the run
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) lora: LoraArgs,
    #[command(flatten)]
    pub(crate) training: TrainingArgs,
    #[command(flatten)]
    pub(crate) safety: SafetyArgs,
}

/// The adapter.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The adapter")]
pub(crate) struct LoraArgs {
    /// Rank of the update
    #[arg(long, value_name = "N", value_parser = options::at_least_one, default_value_t = LoraConfig::default().rank)]
    rank: usize,
    /// Numerator of the update's scale, alpha / rank (default: twice the rank)
    #[arg(long, value_name = "X", value_parser = options::positive)]
    alpha: Option<f64>,
    /// Scale by alpha / sqrt(rank) instead
    #[arg(long)]
    rslora: bool,
    /// Layers to adapt: all-linear, names with commas between them (q_proj,v_proj), or regex:EXPRESSION over
    /// whole module names
    #[arg(long, value_name = "LIST", value_parser = options::targets, default_value = "all-linear")]
    targets: TargetModules,
    /// Probability with which an input of the adapter is dropped (default: 0)
    #[arg(long, value_name = "X", value_parser = options::below_one)]
    dropout: Option<f64>,
    /// Go on with this adapter instead of a fresh one; its rank, alpha and targets stay
    #[arg(long, value_name = "DIR", conflicts_with_all = ["rank", "alpha", "rslora", "targets"])]
    adapter: Option<PathBuf>,
}

/// The training.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The training")]
pub(crate) struct TrainingArgs {
    /// Learning rate at its peak
    #[arg(long, value_name = "X", value_parser = options::positive, default_value_t = TrainOptions::default().learning_rate)]
    lr: f64,
    /// How the learning rate goes after the warm-up
    #[arg(long, value_enum, default_value_t = ScheduleName::Linear)]
    schedule: ScheduleName,
    /// Steps over which the learning rate rises from 0
    #[arg(long, value_name = "STEPS", default_value_t = TrainOptions::default().warmup_steps)]
    warmup: usize,
    /// Times over all rows (default: 10)
    #[arg(long, value_name = "N", value_parser = options::at_least_one)]
    epochs: Option<usize>,
    /// Optimiser steps, instead of --epochs
    #[arg(long, value_name = "N", value_parser = options::at_least_one, conflicts_with = "epochs")]
    steps: Option<usize>,
    /// Tokens of one optimiser step, at most (but at least one row)
    #[arg(long, value_name = "N", value_parser = options::at_least_one, default_value_t = TrainOptions::default().batch.tokens)]
    pub(crate) batch_tokens: usize,
    /// Rows of one optimiser step, at most (default: no limit)
    #[arg(long, value_name = "N", value_parser = options::at_least_one)]
    batch_rows: Option<usize>,
    /// AdamW's weight decay
    #[arg(long, value_name = "X", value_parser = options::not_negative, default_value_t = AdamOptions::default().weight_decay)]
    weight_decay: f64,
    /// Larger gradients are scaled down to this norm; 0 leaves them alone
    #[arg(long, value_name = "X", value_parser = options::not_negative, default_value_t = AdamOptions::default().max_grad_norm.unwrap_or(0.0))]
    max_grad_norm: f64,
    /// Which tokens are learned (default: all of a text, the completions and the assistant's turns of the others)
    #[arg(long, value_enum)]
    pub(crate) loss: Option<Loss>,
    /// The same seed, data, options and threads give the same adapter
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Long trainings and small machines.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Long trainings and small machines")]
pub(crate) struct SafetyArgs {
    /// Keep the state of the run here, so that it can be resumed
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Steps between checkpoints; a run that is stopped writes one too
    #[arg(long, value_name = "STEPS", value_parser = options::at_least_one, default_value_t = 100, requires = "checkpoint")]
    pub(crate) checkpoint_every: usize,
    /// Go on where --checkpoint stands, or begin if there is none; give the same data and options
    #[arg(long, requires = "checkpoint")]
    pub(crate) resume: bool,
    /// Memory that training may take on top of the model, for instance 8GiB (default: what is free)
    #[arg(long, value_name = "SIZE", value_parser = options::size)]
    pub(crate) max_memory: Option<u64>,
}

impl LoraArgs {
    pub(crate) fn config(&self) -> LoraConfig {
        LoraConfig {
            rank: self.rank,
            alpha: self.alpha.unwrap_or(2.0 * self.rank as f64),
            use_rslora: self.rslora,
            dropout: self.dropout.unwrap_or(0.0) as f32,
            target_modules: self.targets.clone(),
            ..LoraConfig::default()
        }
    }

    /// A fresh adapter, or the one to go on with.
    pub(crate) fn adapter(&self, model: &Model, seed: u64) -> Result<Adapter> {
        match open_adapter(model, self.adapter.as_deref())? {
            None => {
                self.check_targets(model)?;
                let decoder = &model.decoder;
                Adapter::init(&self.config(), decoder.config(), seed, &decoder.compute().device)
            }
            Some(loaded) => {
                let mut adapter = loaded.adapter;
                adapter.config.dropout = self.dropout.map_or(adapter.config.dropout, |d| d as f32);
                Ok(adapter)
            }
        }
    }

    /// That every name in `--targets` is one of this model's: a misspelt one would not be trained, and nothing
    /// would say so.
    fn check_targets(&self, model: &Model) -> Result<()> {
        let TargetModules::List(names) = &self.targets else { return Ok(()) };
        for name in names {
            let alone = LoraConfig {
                target_modules: TargetModules::List(vec![name.clone()]),
                ..LoraConfig::default()
            };
            alone.targets(model.decoder.config()).map_err(|e| e.context(format!("--targets {name}")))?;
        }
        Ok(())
    }

    /// That a resumed adapter is the one the options describe.
    pub(crate) fn check_resumed(&self, model: &Model, found: &LoraConfig, dir: &Path) -> Result<()> {
        let shape = model.decoder.config();
        let wanted = self.config();
        let same = self.adapter.is_some()
            || (found.targets(shape)? == wanted.targets(shape)? && found.dropout == wanted.dropout);
        if same {
            return Ok(());
        }
        let text = format!(
            "the checkpoint {} was made with another --rank, --alpha, --rslora, --targets or --dropout: use \
             those, or start without it",
            dir.display()
        );
        Err(Error::new(Kind::Conflict, text))
    }
}

impl TrainingArgs {
    pub(crate) fn options(&self) -> TrainOptions {
        let default = TrainOptions::default();
        let epochs = self.epochs.map(Length::Epochs);
        TrainOptions {
            learning_rate: self.lr,
            schedule: self.schedule.into(),
            warmup_steps: self.warmup,
            length: self.steps.map(Length::Steps).or(epochs).unwrap_or(default.length),
            batch: BatchSize { tokens: self.batch_tokens, rows: self.batch_rows },
            adam: AdamOptions {
                weight_decay: self.weight_decay,
                max_grad_norm: Some(self.max_grad_norm).filter(|&norm| norm > 0.0),
                ..default.adam
            },
            seed: self.seed,
            anchor_target: None,
        }
    }
}

impl SafetyArgs {
    /// That writing checkpoints will not destroy anything.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(dir) = self.checkpoint.as_deref().filter(|dir| dir.exists()) else { return Ok(()) };
        if !checkpoint_in(dir) {
            let text = format!(
                "--checkpoint {}: exists and is no checkpoint; name another directory",
                dir.display()
            );
            return Err(Error::new(Kind::Conflict, text));
        }
        if !self.resume {
            let text = format!(
                "--checkpoint {}: holds an earlier run; go on with it (--resume), or remove it",
                dir.display()
            );
            return Err(Error::new(Kind::Conflict, text));
        }
        Ok(())
    }
}

/// Whether `dir` is a checkpoint.
pub(crate) fn checkpoint_in(dir: &Path) -> bool {
    dir.join("training.json").is_file()
}
