//! `seald doctor`: what this machine offers, whether a model works on it, and what to do where not.

mod machine;
mod root;

use std::path::PathBuf;
use std::process::ExitCode;

use seald_core::error::{Error, Result};
use seald_engine::embedded::{self, NANO};
use seald_engine::kernels::cpu::{ISA_VARIABLE, Isa};
use seald_engine::model::Model;
use seald_engine::selftest;
use seald_learn::prompt::PromptSet;
use seald_terminal::calibration;
use serde::Serialize;

use machine::{Machine, machine};
use root::RootReport;

use crate::open::{ComputeArgs, open_model};
use crate::output::{bytes, count, json_line, line, rough};
use crate::{describe, made_up, rows, speed};

/// Below this much free memory only the smallest models train.
const LITTLE_MEMORY: u64 = 1 << 30;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model to open, test the engine on and measure: a directory, or nano, the one inside this program
    #[arg(long, value_name = "MODEL", default_value = NANO.name)]
    model: PathBuf,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Look at the database and the backups in this folder too
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    version: &'static str,
    machine: Machine,
    /// Of the engine on this machine, with made-up weights.
    self_test: bool,
    embedded: Option<EmbeddedReport>,
    model: Option<ModelReport>,
    root: Option<RootReport>,
    /// What does not work.
    problems: Vec<Problem>,
    /// What works, but could be better.
    notes: Vec<Problem>,
    ok: bool,
}

#[derive(Serialize)]
struct Problem {
    what: String,
    remedy: Option<String>,
}

/// The model inside the program.
#[derive(Serialize)]
struct EmbeddedReport {
    name: &'static str,
    /// Of all its files.
    bytes: u64,
    /// Of its weights, compared with what they should be.
    sha256: String,
    /// That it was trained on.
    tokens: u64,
}

#[derive(Serialize)]
struct ModelReport {
    path: PathBuf,
    architecture: &'static str,
    layers: usize,
    hidden_size: usize,
    vocab_size: usize,
    max_tokens: usize,
    parameters: u64,
    dtype: &'static str,
    memory_bytes: u64,
    chat_template: bool,
    /// What ends a generation.
    end_tokens: Vec<String>,
    fingerprint: String,
    self_test: bool,
    decoding_tokens_per_second: Option<f64>,
    training_tokens_per_second: Option<f64>,
    /// Whether it needs no calibration, for its settings are part of the program: nano.
    own_settings: bool,
    #[serde(skip)]
    summary: String,
}

/// Looks, tests, and gives a verdict; exit code 1 if anything is broken.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let mut report = Report {
        version: env!("CARGO_PKG_VERSION"),
        machine: machine(&args.compute),
        self_test: false,
        embedded: None,
        model: None,
        root: None,
        problems: Vec::new(),
        notes: Vec::new(),
        ok: true,
    };
    judge_machine(&mut report);
    test_engine(&args.compute, &mut report);
    test_embedded(&mut report);
    match args.compute.compute().and_then(|compute| open_model(&args.model, &compute)) {
        Ok(model) => test_model(&model, &mut report),
        Err(e) => report.failed("the model cannot be opened", &e),
    }
    let base = report.model.as_ref().map(|model| model.fingerprint.as_str());
    match args.root.as_deref().map(|path| root::look(path, base)) {
        Some(Ok(root)) => report.root = Some(root),
        Some(Err(e)) => report.failed("the root cannot be used", &e),
        None => {}
    }
    report.ok = report.problems.is_empty();
    if args.json {
        json_line(&report)?
    } else {
        report.show()?
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Report {
    fn problem(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { what: what.into(), remedy: Some(remedy.into()) });
    }

    /// An error's own text says what to do.
    fn failed(&mut self, doing: &str, error: &Error) {
        self.problems.push(Problem { what: format!("{doing}: {error}"), remedy: None });
    }

    fn note(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.notes.push(Problem { what: what.into(), remedy: Some(remedy.into()) });
    }

    fn show(&self) -> Result<()> {
        let m = &self.machine;
        let row = |name: &str, text: String| line(format!("{name:<13}{text}"));
        let size = |n: Option<u64>| n.map_or("unknown".to_string(), bytes);
        row("seald", self.version.to_string())?;
        row("Processor", m.processor.clone().unwrap_or("unknown".to_string()))?;
        row("Instructions", format!("{} ({})", m.instruction_set, m.meaning))?;
        row("Threads", format!("{}, each up to {:.0} GF/s", m.threads, m.peak_gflops))?;
        let limit = m.control_group_limit_bytes.map(|n| format!(", limited to {}", bytes(n)));
        row(
            "Memory",
            format!(
                "{} free of {}{}",
                size(m.memory_available_bytes),
                size(m.memory_total_bytes),
                limit.unwrap_or_default()
            ),
        )?;
        let gpu = match (m.cuda_build, m.cuda_device) {
            (true, true) => "CUDA, in use",
            (true, false) => "CUDA is built in, but no device was found",
            (false, _) => "not in this build (tools/cuda makes the one with it)",
        };
        row("GPU", gpu.to_string())?;
        row("Allocator", m.allocator.to_string())?;
        row("Engine", format!("self-test {}", verdict(self.self_test)))?;
        if let Some(EmbeddedReport { name, bytes: size, sha256, tokens }) = &self.embedded {
            row(
                "Embedded",
                format!("{name}, {}, learned from {} tokens, sha256 {sha256}", bytes(*size), rough(*tokens)),
            )?;
        }
        if let Some(root) = &self.root {
            row("Root", root.words())?;
        }
        if let Some(model) = &self.model {
            line("")?;
            model.show()?;
            match &self.root {
                _ if model.own_settings => row("Calibrated", calibration::NANO.to_string())?,
                Some(root) => row("Calibrated", root.calibration_words())?,
                None => row("Calibrated", "name the daemon's --root to see".to_string())?,
            }
        }
        line("")?;
        for (word, list) in [("Note:", &self.notes), ("Broken:", &self.problems)] {
            for Problem { what, remedy } in list {
                line(format!("{word} {what}"))?;
                if let Some(remedy) = remedy {
                    line(format!("  -> {remedy}"))?;
                }
            }
        }
        if !self.ok {
            return line(format!("{} found.", count(self.problems.len(), "problem")));
        }
        line("Ready: this model learns and writes on this machine.")?;
        match self.model.as_ref().is_some_and(|model| embedded::find(&model.path).is_some()) {
            true => line("To test another: seald doctor --model DIR"),
            false => Ok(()),
        }
    }
}

impl ModelReport {
    fn show(&self) -> Result<()> {
        let row = |name: &str, text: String| line(format!("{name:<13}{text}"));
        row("Model", self.summary.clone())?;
        row(
            "Size",
            format!(
                "{} wide, {} tokens known, up to {} tokens at once",
                self.hidden_size,
                rough(self.vocab_size as u64),
                self.max_tokens
            ),
        )?;
        let template = if self.chat_template { "yes" } else { "none: a base model, for plain prompts" };
        row("Chat", template.to_string())?;
        row(
            "Ends with",
            if self.end_tokens.is_empty() { "nothing".to_string() } else { self.end_tokens.join(" ") },
        )?;
        row("Fingerprint", self.fingerprint.clone())?;
        row("Self-test", verdict(self.self_test).to_string())?;
        let speed = |s: Option<f64>| s.map_or("not measured".to_string(), |s| format!("{s:.0} tokens/s"));
        let (rows, tokens) = speed::TRAINING;
        row("Writes", speed(self.decoding_tokens_per_second))?;
        row(
            "Learns",
            format!("{} ({rows} rows of {tokens} tokens, rank 16)", speed(self.training_tokens_per_second)),
        )
    }
}

fn verdict(passed: bool) -> &'static str {
    if passed { "passed" } else { "FAILED" }
}

fn judge_machine(report: &mut Report) {
    if let Ok(name) = std::env::var(ISA_VARIABLE) {
        match Isa::parse(&name) {
            None => {
                let names = Isa::ALL.map(Isa::name).join(", ");
                report.note(
                    format!("{ISA_VARIABLE}={name} is no instruction set, and is ignored"),
                    format!("one of {names}"),
                );
            }
            Some(isa) if isa > Isa::supported() => report.note(
                format!("{ISA_VARIABLE}={name} is more than this processor has"),
                format!("it has {}", Isa::supported()),
            ),
            Some(isa) if isa < Isa::supported() => report.note(
                format!("{ISA_VARIABLE}={name} holds the engine back"),
                format!("unset it to use {}", Isa::supported()),
            ),
            Some(_) => {}
        }
    }
    if Isa::detect() == Isa::Portable {
        report.note(
            "no vector instructions are used: training will be slow",
            "a processor with AVX2 or better",
        );
    }
    if report.machine.cuda_build && !report.machine.cuda_device {
        report.problem(
            "this build is for CUDA, but no device can be used",
            "check `nvidia-smi` and CUDA_VISIBLE_DEVICES, or use the ordinary build",
        );
    }
    if let Some(free) = report.machine.memory_available_bytes
        && free < LITTLE_MEMORY
    {
        report.note(
            format!("only {} of memory are free", bytes(free)),
            "close other programs, or raise the limit of the control group",
        );
    }
}

fn test_engine(compute: &ComputeArgs, report: &mut Report) {
    let tested = compute
        .compute()
        .and_then(|compute| made_up::decoder(&compute))
        .and_then(|decoder| selftest::run(&decoder, &std::env::temp_dir()));
    match tested {
        Ok(_) => report.self_test = true,
        Err(e) => report.problem(e.to_string(), self_test_remedy()),
    }
}

/// The bytes inside the program, compared with what was published.
fn test_embedded(report: &mut Report) {
    match NANO.verify().and_then(|sha256| Ok((sha256, NANO.provenance()?.tokens))) {
        Ok((sha256, tokens)) => {
            let bytes = NANO.files().map(|(_, bytes)| bytes.len() as u64).sum();
            report.embedded = Some(EmbeddedReport { name: NANO.name, bytes, sha256, tokens });
        }
        Err(e) => report.failed("the embedded model is not whole", &e),
    }
}

fn self_test_remedy() -> String {
    format!("try --dtype f32, or {ISA_VARIABLE}=portable, and report it with this output")
}

fn test_model(model: &Model, report: &mut Report) {
    let config = model.decoder.config();
    let precision = model.decoder.compute().precision;
    let parameters = config.parameter_count();
    let tokenizer = &model.tokenizer;
    let name = |&id: &u32| tokenizer.decode(&[id], false).unwrap_or_else(|_| id.to_string());
    let tested = selftest::run(&model.decoder, &std::env::temp_dir());
    let mut found = ModelReport {
        path: model.path.clone(),
        architecture: describe::family(config.architecture),
        layers: config.num_hidden_layers,
        hidden_size: config.hidden_size,
        vocab_size: config.vocab_size,
        max_tokens: config.max_position_embeddings,
        parameters,
        dtype: precision.name(),
        memory_bytes: parameters * describe::bytes_of_one(precision),
        chat_template: model.chat.is_some(),
        end_tokens: tokenizer.eos_ids().iter().map(name).collect(),
        fingerprint: model.fingerprint.clone(),
        self_test: tested.is_ok(),
        decoding_tokens_per_second: None,
        training_tokens_per_second: None,
        own_settings: PromptSet::of(model) == PromptSet::Nano,
        summary: describe::model(model),
    };
    match tested {
        Err(e) => report.problem(e.to_string(), self_test_remedy()),
        Ok(_) => {
            for (what, speed, slot) in [
                ("decoding", speed::decoding(&model.decoder), &mut found.decoding_tokens_per_second),
                ("training", speed::training(&model.decoder), &mut found.training_tokens_per_second),
            ] {
                match speed {
                    Ok(speed) => *slot = Some(speed),
                    Err(e) => report.failed(&format!("{what} failed"), &e),
                }
            }
        }
    }
    if rows::end_token(tokenizer).is_none() {
        report.note(
            "the tokenizer names no end-of-text token: generations end only at --max-tokens or --stop",
            "set eos_token in tokenizer_config.json",
        );
    }
    report.model = Some(found);
}
