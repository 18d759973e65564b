//! `seald generate`: lets the model write.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use seald_core::error::{Error, Kind, Result};
use seald_engine::chat::{Message, Role};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::{FinishReason, GenerateOptions, GenerateRow, Generated, Generator, TokenEvent};
use seald_engine::model::Model;
use seald_engine::sampler::Sampling;
use serde::Serialize;

use crate::open::{ModelArgs, open_adapter};
use crate::options;
use crate::output::{self, json_line, line, say};
use crate::progress::Reading;
use crate::rows::{self, Prompt, PromptContent};

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    #[command(flatten)]
    base: ModelArgs,
    /// Write with this adapter; without one, the bare model
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Prompts, one JSON object a line: {"prompt"}, continued as it stands, or {"messages"}
    #[arg(long, value_name = "FILE", group = "what")]
    prompts: Option<PathBuf>,
    /// One prompt: as a question through the chat template if the model has one, else as it stands
    #[arg(long, value_name = "TEXT", group = "what", allow_hyphen_values = true)]
    prompt: Option<String>,
    /// Take --prompt as it stands, without the chat template
    #[arg(long, conflicts_with = "prompts")]
    raw: bool,
    /// Tokens of each answer, at most
    #[arg(long, value_name = "N", value_parser = options::at_least_one, default_value_t = GenerateOptions::default().max_tokens)]
    max_tokens: usize,
    /// 0 takes the likeliest token each time; towards 1 and above answers vary
    #[arg(long, value_name = "X", value_parser = options::not_negative, default_value_t = 0.0)]
    temperature: f64,
    /// Sample among the likeliest tokens that together have this probability (default: all)
    #[arg(long, value_name = "X", value_parser = options::share)]
    top_p: Option<f64>,
    /// Sample among this many likeliest tokens (default: all)
    #[arg(long, value_name = "N", value_parser = options::at_least_one)]
    top_k: Option<usize>,
    /// The same seed and prompt number give the same answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// End an answer before this text; may be given several times
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,
    /// Print JSON lines on stdout, one for each prompt
    #[arg(long)]
    json: bool,
}

/// One prompt's result.
#[derive(Serialize)]
struct Line<'a> {
    /// From 0, in the order of the file, empty lines not counted.
    row: usize,
    text: &'a str,
    token_ids: &'a [u32],
    /// Natural log-probability of each token under the model, before temperature and the like.
    log_probs: &'a [f32],
    /// `stop`, `length` or `cancelled`.
    finish_reason: &'static str,
}

/// Answers every prompt.
pub(crate) fn run(args: Args, cancel: &AtomicBool) -> Result<ExitCode> {
    let prompts = prompts(&args)?;
    let model = args.base.open()?;
    let loaded = open_adapter(&model, args.adapter.as_deref())?;
    let adapters: Vec<ActiveAdapter<'_>> =
        loaded.iter().map(|loaded| ActiveAdapter::inference(&loaded.adapter)).collect();
    let adapter = loaded.as_ref().map(|_| 0);
    let rows: Vec<GenerateRow> = prompts
        .iter()
        .map(|prompt| Ok(GenerateRow { prompt: encode(prompt, &model, &args)?, adapter, options: None }))
        .collect::<Result<_>>()?;
    let options = GenerateOptions {
        max_tokens: args.max_tokens,
        sampling: Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p },
        seed: args.seed,
        stop_tokens: model.tokenizer.eos_ids().to_vec(),
        stop_strings: args.stop.clone(),
        ..GenerateOptions::default()
    };
    let generator = Generator::new(&model.decoder, Some(&model.tokenizer), &adapters);
    let live = !args.json && rows.len() == 1;
    let bar = Reading::new(args.json || live);
    let mut watcher = Watcher { live, bar: &bar, ended: 0, of: rows.len(), closed: None };
    let results = generator.generate(&rows, &options, &mut |event| watcher.token(event), cancel);
    bar.end();
    if let Some(e) = watcher.closed {
        return Err(e);
    }
    let results = results?;
    show(&args, &results, live)?;
    let unfinished = results.iter().filter(|r| r.finish_reason == FinishReason::Cancelled).count();
    match unfinished {
        0 => Ok(ExitCode::SUCCESS),
        _ => {
            let text = format!("stopped with {unfinished} of {} answers unfinished", results.len());
            Err(Error::new(Kind::Cancelled, text))
        }
    }
}

fn prompts(args: &Args) -> Result<Vec<Prompt>> {
    match (&args.prompts, &args.prompt) {
        (Some(file), _) => rows::read_prompts(file),
        (None, text) => {
            let content = PromptContent::Raw(text.clone().unwrap_or_default());
            Ok(vec![Prompt { place: "--prompt".to_string(), content }])
        }
    }
}

fn encode(prompt: &Prompt, model: &Model, args: &Args) -> Result<Vec<u32>> {
    let tokenizer = &model.tokenizer;
    let ids = match (&prompt.content, &model.chat) {
        (PromptContent::Raw(text), Some(chat)) if args.prompt.is_some() && !args.raw => {
            chat.encode_prompt(tokenizer, &[Message::new(Role::User, text.clone())])
        }
        (PromptContent::Raw(text), _) => tokenizer.encode_document(text),
        (PromptContent::Messages(messages), _) => {
            model.chat().and_then(|chat| chat.encode_prompt(tokenizer, messages))
        }
    };
    let ids = ids.map_err(|e| e.context(&prompt.place))?;
    let (n, limit) = (ids.len(), model.decoder.config().max_position_embeddings);
    let problem = match n {
        0 => "the prompt is empty".to_string(),
        _ if n >= limit => {
            format!("the prompt has {n} tokens, the model's limit for prompt and answer is {limit}")
        }
        _ => return Ok(ids),
    };
    Err(Error::new(Kind::Invalid, format!("{}: {problem}", prompt.place)))
}

/// Shows tokens as they come.
struct Watcher<'a> {
    /// Print the text of the only row at once.
    live: bool,
    bar: &'a Reading,
    ended: usize,
    of: usize,
    /// Why nothing more can be printed.
    closed: Option<Error>,
}

impl Watcher<'_> {
    fn token(&mut self, event: TokenEvent<'_>) -> ControlFlow<()> {
        self.ended += usize::from(event.finish.is_some());
        self.bar.show(self.ended, self.of);
        if self.live
            && let Err(e) = output::text(event.text)
        {
            self.closed = Some(e);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn show(args: &Args, results: &[Generated], live: bool) -> Result<()> {
    for (row, Generated { token_ids, log_probs, text, finish_reason }) in results.iter().enumerate() {
        let reason = match finish_reason {
            FinishReason::Stop | FinishReason::StopString(_) => "stop",
            FinishReason::Length => "length",
            FinishReason::Cancelled => "cancelled",
        };
        if args.json {
            json_line(&Line { row, text, token_ids, log_probs, finish_reason: reason })?;
            continue;
        }
        if live {
            line("")?;
        } else {
            line(format!("--- {row} ---\n{text}"))?;
        }
        if *finish_reason == FinishReason::Length {
            let which = if live { String::new() } else { format!("{row}: ") };
            say(format!("({which}cut off after {} tokens: --max-tokens sets how many)", token_ids.len()));
        }
    }
    std::io::stdout().flush().map_err(output::closed)
}
