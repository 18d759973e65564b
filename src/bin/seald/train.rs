//! `seald train`: rows in, adapter out.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use seald::engine::adapter_files::{self, LoadOptions};
use seald::engine::batch::Batch;
use seald::engine::decoder::ActiveAdapter;
use seald::engine::examples::{BatchSize, Length, TrainRow};
use seald::engine::lora::{Adapter, LoraConfig, TargetModules};
use seald::engine::model::Model;
use seald::engine::optimizer::AdamOptions;
use seald::engine::train::{self, Run, TrainOptions};
use seald::engine::{checkpoint, memory, selftest};
use seald::error::{Error, Kind, Result};
use seald::files::{StagedDir, io_error};
use serde_json::json;

use crate::open::{ModelArgs, open_adapter};
use crate::options::{self, ScheduleName};
use crate::output::{bytes, count, duration, grouped, json_line, line, rough, say};
use crate::progress::Progress;
use crate::rows::{self, Loss, Row};

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Args {
    #[command(flatten)]
    base: ModelArgs,
    /// Rows to learn, one JSON object a line: {"text"}, {"prompt","completion"} or {"messages"}, each with
    /// "weight" (factor of its loss) if wanted
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where the adapter goes: a directory that does not exist yet
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print JSON lines on stdout: one for each step, and a last one for the run
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    lora: LoraArgs,
    #[command(flatten)]
    training: TrainingArgs,
    #[command(flatten)]
    safety: SafetyArgs,
}

/// The adapter.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The adapter")]
struct LoraArgs {
    /// Rank of the update
    #[arg(long, value_name = "N", value_parser = options::at_least_one, default_value_t = LoraConfig::default().rank)]
    rank: usize,
    /// Numerator of the update's scale, alpha / rank [default: twice the rank]
    #[arg(long, value_name = "X", value_parser = options::positive)]
    alpha: Option<f64>,
    /// Scale by alpha / sqrt(rank) instead
    #[arg(long)]
    rslora: bool,
    /// Layers to adapt: all-linear, names with commas between them (q_proj,v_proj), or regex:EXPRESSION over
    /// whole module names
    #[arg(long, value_name = "LIST", value_parser = options::targets, default_value = "all-linear")]
    targets: TargetModules,
    /// Probability with which an input of the adapter is dropped [default: 0]
    #[arg(long, value_name = "X", value_parser = options::below_one)]
    dropout: Option<f64>,
    /// Go on with this adapter instead of a fresh one; its rank, alpha and targets stay
    #[arg(long, value_name = "DIR", conflicts_with_all = ["rank", "alpha", "rslora", "targets"])]
    adapter: Option<PathBuf>,
}

/// The training.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The training")]
struct TrainingArgs {
    /// Learning rate at its peak
    #[arg(long, value_name = "X", value_parser = options::positive, default_value_t = TrainOptions::default().learning_rate)]
    lr: f64,
    /// How the learning rate goes after the warm-up
    #[arg(long, value_enum, default_value_t = ScheduleName::Linear)]
    schedule: ScheduleName,
    /// Steps over which the learning rate rises from 0
    #[arg(long, value_name = "STEPS", default_value_t = TrainOptions::default().warmup_steps)]
    warmup: usize,
    /// Times over all rows [default: 10]
    #[arg(long, value_name = "N", value_parser = options::at_least_one)]
    epochs: Option<usize>,
    /// Optimiser steps, instead of --epochs
    #[arg(long, value_name = "N", value_parser = options::at_least_one, conflicts_with = "epochs")]
    steps: Option<usize>,
    /// Tokens of one optimiser step, at most (but at least one row)
    #[arg(long, value_name = "N", value_parser = options::at_least_one, default_value_t = TrainOptions::default().batch.tokens)]
    batch_tokens: usize,
    /// Rows of one optimiser step, at most [default: no limit]
    #[arg(long, value_name = "N", value_parser = options::at_least_one)]
    batch_rows: Option<usize>,
    /// AdamW's weight decay
    #[arg(long, value_name = "X", value_parser = options::not_negative, default_value_t = AdamOptions::default().weight_decay)]
    weight_decay: f64,
    /// Larger gradients are scaled down to this norm; 0 leaves them alone
    #[arg(long, value_name = "X", value_parser = options::not_negative, default_value_t = AdamOptions::default().max_grad_norm.unwrap_or(0.0))]
    max_grad_norm: f64,
    /// Which tokens are learned [default: all of a text, the completions and the assistant's turns of the others]
    #[arg(long, value_enum)]
    loss: Option<Loss>,
    /// The same seed, data, options and threads give the same adapter
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Long trainings and small machines.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Long trainings and small machines")]
struct SafetyArgs {
    /// Keep the state of the run here, so that it can be resumed
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,
    /// Steps between checkpoints; a run that is stopped writes one too
    #[arg(long, value_name = "STEPS", value_parser = options::at_least_one, default_value_t = 100, requires = "checkpoint")]
    checkpoint_every: usize,
    /// Go on where --checkpoint stands, or begin if there is none; give the same data and options
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Memory that training may take on top of the model, for instance 8GiB [default: what is free]
    #[arg(long, value_name = "SIZE", value_parser = options::size)]
    max_memory: Option<u64>,
}

impl LoraArgs {
    fn config(&self) -> LoraConfig {
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
    fn adapter(&self, model: &Model, seed: u64) -> Result<Adapter> {
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
    fn check_resumed(&self, model: &Model, found: &LoraConfig, dir: &Path) -> Result<()> {
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
    fn options(&self) -> TrainOptions {
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
        }
    }
}

impl SafetyArgs {
    /// That writing checkpoints will not destroy anything.
    fn check(&self) -> Result<()> {
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

fn checkpoint_in(dir: &Path) -> bool {
    dir.join("training.json").is_file()
}

/// Trains, saves, and makes sure that what was saved does something.
pub(crate) fn run(args: Args, cancel: &Arc<AtomicBool>) -> Result<ExitCode> {
    let started = Instant::now();
    check_out(&args.out)?;
    args.safety.check()?;
    args.lora.config().validate()?;
    let data = rows::read_rows(&args.data)?;
    let model = args.base.open()?;
    let rows = encode(&data, &model, args.training.loss)?;
    let mut run = start(&args, &model, rows)?;
    let pass_tokens =
        memory::fit(&model.decoder, &[&run], args.training.batch_tokens, args.safety.max_memory)?;
    if !args.json {
        header(&args, &model, &run, pass_tokens);
    }
    test_engine(&model)?;
    let progress = train_loop(&args, &model, &mut run, pass_tokens, cancel)?;
    let hash = save(&args.out, &model, &run)?;
    let seconds = started.elapsed().as_secs_f64();
    if args.json {
        json_line(&json!({
            "adapter": args.out, "steps": run.steps(), "tokens": run.tokens(), "seconds": seconds,
            "final_loss": progress.final_loss(), "content_hash": hash,
        }))?;
    } else {
        // A base model's kind of prompt needs no template, and was not trained with it.
        let plain = data.iter().all(|row| !matches!(row.content, rows::Content::Messages(_)));
        let raw = if plain && model.chat.is_some() { "--raw " } else { "" };
        summary(&args, &run, &progress, seconds, raw)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds out before the training whether its result can be saved.
fn check_out(out: &Path) -> Result<()> {
    if out.symlink_metadata().is_ok() {
        let text = format!("--out {}: exists already; name another directory, or remove it", out.display());
        return Err(Error::new(Kind::Conflict, text));
    }
    let name = out.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Error::new(Kind::Invalid, format!("--out {}: does not end in a directory name", out.display()))
    })?;
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    StagedDir::new(parent, name).map_err(|e| e.context("--out")).map(drop)
}

fn encode(data: &[Row], model: &Model, loss: Option<Loss>) -> Result<Arc<[TrainRow]>> {
    let ended = |row: &Row| !matches!(row.content, rows::Content::Messages(_));
    if rows::end_token(&model.tokenizer).is_none() && data.iter().any(ended) {
        say("warning: this tokenizer names no end-of-text token, so the model will not learn where to stop");
    }
    data.iter().map(|row| row.to_training(model, loss)).collect()
}

/// The run at its beginning, or where its checkpoint stands.
fn start(args: &Args, model: &Model, rows: Arc<[TrainRow]>) -> Result<Run> {
    let options = args.training.options();
    match &args.safety.checkpoint {
        Some(dir) if args.safety.resume && checkpoint_in(dir) => {
            let base = LoadOptions { base_fingerprint: Some(&model.fingerprint), allow_other_base: false };
            let run = checkpoint::resume(&model.decoder, dir, rows, options, base)?;
            args.lora.check_resumed(model, &run.adapter().config, dir)?;
            say(format!("Going on after step {} of {}, from {}", run.step(), run.steps(), dir.display()));
            Ok(run)
        }
        _ => Run::new(&model.decoder, args.lora.adapter(model, options.seed)?, rows, options),
    }
}

/// Refuses to train with an engine that computes nonsense on this machine.
fn test_engine(model: &Model) -> Result<()> {
    let scratch = std::env::temp_dir();
    selftest::run(&model.decoder, &scratch).map(|report| tracing::debug!(?report, "self-test passed"))
}

fn train_loop(
    args: &Args,
    model: &Model,
    run: &mut Run,
    pass_tokens: usize,
    cancel: &AtomicBool,
) -> Result<Progress> {
    let mut progress = Progress::new(run.step(), run.steps(), args.json);
    let meta = model.adapter_meta();
    let mut failure = None;
    let mut on_step = |run: &Run, report: &train::StepReport| {
        let due = report.step.is_multiple_of(args.safety.checkpoint_every);
        let mut done = progress.step(report);
        if let Some(dir) = args.safety.checkpoint.as_deref().filter(|_| due && done.is_ok()) {
            done = checkpoint::save(run, dir, &meta);
        }
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                failure = Some(e);
                ControlFlow::Break(())
            }
        }
    };
    let trained = train::train(&model.decoder, run, pass_tokens, &mut on_step, cancel);
    progress.end();
    match (trained, failure) {
        (Err(_), Some(failure)) => Err(failure),
        (Err(e), None) if e.kind() == Kind::Cancelled => Err(stopped(args, model, run)?),
        (Err(e), None) => Err(e),
        (Ok(()), _) => Ok(progress),
    }
}

/// What to tell whoever stopped the run, after keeping what can be kept.
fn stopped(args: &Args, model: &Model, run: &Run) -> Result<Error> {
    let at = format!("stopped after step {} of {}", run.step(), run.steps());
    let rest = match &args.safety.checkpoint {
        Some(dir) => {
            checkpoint::save(run, dir, &model.adapter_meta())?;
            format!("the same command with --resume goes on from {}", dir.display())
        }
        None => "nothing was saved (with --checkpoint DIR a stopped run can go on later)".to_string(),
    };
    Ok(Error::new(Kind::Cancelled, format!("{at}; {rest}")))
}

/// Saves the adapter, reads it back and sees whether it changes what the model says. An adapter that does
/// nothing is taken away again. Returns its content hash.
fn save(out: &Path, model: &Model, run: &Run) -> Result<String> {
    let hash = adapter_files::save(run.adapter(), out, &model.adapter_meta())?;
    let loaded = model.load_adapter(out).map_err(|e| e.context("reading the saved adapter back"))?;
    if changes_logits(model, &loaded.adapter, &run.rows()[0].tokens)? {
        return Ok(hash);
    }
    std::fs::remove_dir_all(out).map_err(|e| io_error("remove", out, e))?;
    let text = "the trained adapter does not change what the model says, so it was not kept: train for more \
                steps or with a higher --lr, and with a --warmup shorter than the run";
    Err(Error::new(Kind::Invalid, text))
}

/// Tokens of the first row that are enough to see a change.
const PROBE_TOKENS: usize = 64;

fn changes_logits(model: &Model, adapter: &Adapter, tokens: &[u32]) -> Result<bool> {
    let tokens = &tokens[..tokens.len().min(PROBE_TOKENS)];
    let logits = |adapters: &[ActiveAdapter<'_>]| {
        let batch = Batch::of(&[tokens], (!adapters.is_empty()).then_some(0))?;
        model.decoder.all_logits(&batch, adapters)
    };
    let difference = (logits(&[ActiveAdapter::inference(adapter)])? - logits(&[])?)?;
    Ok(difference.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()? > 0.0)
}

/// What is about to happen, for a person.
fn header(args: &Args, model: &Model, run: &Run, pass_tokens: usize) {
    let (decoder, options) = (&model.decoder, run.options());
    let compute = decoder.compute();
    let adapter = run.adapter();
    let tokens: usize = run.rows().iter().map(|row| row.tokens.len()).sum();
    let learned: usize = run.rows().iter().map(TrainRow::target_count).sum();
    let needed = memory::estimate(decoder, &[run], pass_tokens).total();
    let length = match options.length {
        Length::Epochs(n) => format!(" ({})", count(n, "epoch")),
        Length::Steps(_) => String::new(),
    };
    say(format!("Model     {}", crate::describe::model(model)));
    say(format!(
        "Adapter   rank {}, alpha {}, {}: {} parameters to train",
        adapter.max_rank(),
        adapter.config.alpha,
        options::targets_text(&adapter.config.target_modules),
        rough(adapter.parameters() as u64)
    ));
    say(format!(
        "Rows      {} from {}: {}, {} of them learned",
        grouped(run.rows().len() as u64),
        args.data.display(),
        count(tokens, "token"),
        grouped(learned as u64)
    ));
    say(format!(
        "Steps     {}{length}, learning rate {:e}",
        grouped(run.steps() as u64),
        options.learning_rate
    ));
    say(format!("Machine   {}", crate::describe::compute(compute)));
    say(format!("Memory    about {} on top of the model", bytes(needed)));
    if pass_tokens < args.training.batch_tokens.max(run.longest_row()) {
        say(format!(
            "          too little for {} tokens at once: each step goes in passes of {pass_tokens}, with the same \
             result but slower",
            args.training.batch_tokens
        ));
    }
}

/// What happened, and what to do with it.
fn summary(args: &Args, run: &Run, progress: &Progress, seconds: f64, raw: &str) -> Result<()> {
    line(format!(
        "Done in {}: {}, {}, {:.0} tokens/s.",
        duration(seconds),
        count(run.steps(), "step"),
        count(run.tokens() as usize, "token"),
        progress.tokens_per_second()
    ))?;
    line(format!("Loss      {}", progress.loss_text()))?;
    line(format!("Adapter   {}", args.out.display()))?;
    if let Some(dir) = &args.safety.checkpoint
        && checkpoint_in(dir)
    {
        line(format!("          {} is not needed any more", dir.display()))?;
    }
    let (model, out) = (args.base.model.display(), args.out.display());
    line(format!("Try it    seald generate --model {model} --adapter {out} {raw}--prompt 'YOUR QUESTION'"))
}
