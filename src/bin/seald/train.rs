//! `seald train`: rows in, adapter out.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use seald_core::error::{Error, Kind, Result};
use seald_core::files::{StagedDir, clean_litter_of, io_error};
use seald_engine::adapter_files::LoadOptions;
use seald_engine::batch::Batch;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::examples::{Length, TrainRow};
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_engine::step::StepReport;
use seald_engine::train::{self, Run};
use seald_engine::{checkpoint, memory, selftest};
use serde_json::json;

use crate::options;
use crate::output::{bytes, count, duration, grouped, json_line, line, rough, say};
use crate::progress::Progress;
use crate::rows::{self, Loss, Row};
use crate::train_options::{Args, checkpoint_in};

/// Trains, saves, and makes sure that what was saved does something.
pub(crate) fn run(args: Args, cancel: &AtomicBool) -> Result<ExitCode> {
    let started = Instant::now();
    check_out(&args.out)?;
    // A run that was killed while it wrote leaves a half directory, or the old one moved aside.
    for written in [Some(&args.out), args.safety.checkpoint.as_ref()].into_iter().flatten() {
        clean_litter_of(written)?;
    }
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
    let mut on_step = |run: &Run, report: &StepReport| {
        let due = report.step.is_multiple_of(args.safety.checkpoint_every);
        let mut done = progress.step(report);
        if let Some(dir) = args.safety.checkpoint.as_deref().filter(|_| due && done.is_ok()) {
            done = checkpoint::save(run, dir, &meta, serde_json::Value::Null);
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
            checkpoint::save(run, dir, &model.adapter_meta(), serde_json::Value::Null)?;
            format!("the same command with --resume goes on from {}", dir.display())
        }
        None => "nothing was saved (with --checkpoint DIR a stopped run can go on later)".to_string(),
    };
    Ok(Error::new(Kind::Cancelled, format!("{at}; {rest}")))
}

/// Saves the adapter, reads it back and sees whether it changes what the model says. An adapter that does
/// nothing is taken away again. Returns its content hash.
fn save(out: &Path, model: &Model, run: &Run) -> Result<String> {
    let hash = model.save_adapter(run.adapter(), out)?;
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
    let (model, out) = (args.base.name().display(), args.out.display());
    line(format!("Try it    seald generate --model {model} --adapter {out} {raw}--prompt 'YOUR QUESTION'"))
}
