//! Our contestant in `tools/bench/compare.py`: does one unit of work for each line it reads (protocol in
//! `tools/bench/README.md`).
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a measuring program: a panic ends it")]
#![expect(clippy::print_stdout, reason = "answers go to the orchestrator")]

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use seald_core::error::{Error, Kind, Result};
use seald_engine::batch::Batch;
use seald_engine::decoder::Decoder;
use seald_engine::examples::{BatchSize, Length, TrainRow};
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::lora::{Adapter, LoraConfig, TargetModules};
use seald_engine::model_config::ModelConfig;
use seald_engine::optimizer::AdamOptions;
use seald_engine::schedule::Schedule;
use seald_engine::train::{Run, TrainOptions, train};
use seald_engine::weights::Weights;
use serde_json::{Value, json};

#[path = "../src/bin/seald/allocator.rs"]
#[expect(dead_code, reason = "the daemon alone gives memory back")]
mod allocator;

#[derive(Clone, Copy, ValueEnum)]
enum Workload {
    LoraStep,
    SealRecipe,
    Decode,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    Bf16,
}

#[derive(Parser)]
struct Args {
    #[arg(value_enum)]
    workload: Workload,
    #[arg(long)]
    model: PathBuf,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, value_enum, default_value = "bf16")]
    precision: Dtype,
    /// ROWSxTOKENS, or a JSON file with a list of lists of row lengths.
    #[arg(long, default_value = "8x64")]
    rows: String,
    #[arg(long, default_value_t = 8)]
    rows_per_step: usize,
    #[arg(long, default_value_t = 1)]
    steps_per_unit: usize,
    #[arg(long, default_value_t = 1)]
    batch: usize,
    #[arg(long, default_value_t = 32)]
    prompt: usize,
    #[arg(long, default_value_t = 64)]
    new: usize,
    /// `cargo bench` passes this.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The id at a place of the benchmark's rows, the same for every contestant.
fn token_id(edit: usize, row: usize, position: usize, vocabulary: usize) -> u32 {
    let place = ((edit as u64) << 40).wrapping_add((row as u64) << 20).wrapping_add(position as u64);
    let z = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) % vocabulary as u64) as u32
}

/// A list of self-edits, each a list of row lengths.
fn row_lengths(rows: &str) -> Result<Vec<Vec<usize>>> {
    let invalid = |text: String| Error::new(Kind::Invalid, text);
    if let Some((count, tokens)) = rows.split_once('x')
        && let (Ok(count), Ok(tokens)) = (count.parse(), tokens.parse())
    {
        return Ok(vec![vec![tokens; count]]);
    }
    let text = std::fs::read_to_string(rows).map_err(|e| invalid(format!("{rows}: {e}")))?;
    serde_json::from_str(&text).map_err(|e| invalid(format!("{rows}: {e}")))
}

fn edit_rows(edits: &[Vec<usize>], index: usize, vocabulary: usize) -> Vec<TrainRow> {
    let edit = index % edits.len();
    let row = |(r, &n): (usize, &usize)| {
        TrainRow::whole((0..n).map(|t| token_id(edit, r, t, vocabulary)).collect())
    };
    edits[edit].iter().enumerate().map(row).collect()
}

/// Trains once over `rows` in the given order, `each` at a time; returns (seconds, first loss).
fn train_rows(
    decoder: &Decoder,
    adapter: &mut Adapter,
    rows: &[TrainRow],
    each: usize,
    rate: f64,
) -> Result<(f64, f64)> {
    let (mut seconds, mut first) = (0.0, None);
    for rows in rows.chunks(each) {
        let options = TrainOptions {
            learning_rate: rate,
            schedule: Schedule::Constant,
            length: Length::Steps(1),
            batch: BatchSize { tokens: usize::MAX, rows: None },
            adam: AdamOptions { weight_decay: 0.01, ..AdamOptions::default() },
            ..TrainOptions::default()
        };
        let mut run = Run::new(decoder, adapter.clone(), Arc::from(rows), options)?;
        let started = Instant::now();
        let mut note = |_: &Run, report: &seald_engine::step::StepReport| {
            first.get_or_insert(report.loss);
            std::ops::ControlFlow::Continue(())
        };
        train(decoder, &mut run, 1 << 16, &mut note, &AtomicBool::new(false))?;
        seconds += started.elapsed().as_secs_f64();
        *adapter = run.into_adapter();
    }
    Ok((seconds, first.unwrap_or(f64::NAN)))
}

struct Contestant {
    args: Args,
    decoder: Decoder,
    adapter: Adapter,
    edits: Vec<Vec<usize>>,
}

impl Contestant {
    fn new(args: Args) -> Result<Self> {
        let isa = Isa::detect();
        let precision = match args.precision {
            Dtype::F32 => Precision::F32,
            Dtype::Bf16 => Precision::Bf16,
        };
        let compute = Compute::cpu(precision, isa, args.threads)?;
        let config = ModelConfig::from_dir(&args.model)?;
        let decoder = Decoder::load(&config, &Weights::open(&args.model)?, &compute)?;
        let lora = match args.workload {
            Workload::SealRecipe => LoraConfig {
                rank: 32,
                alpha: 64.0,
                target_modules: TargetModules::List(vec!["q_proj".into(), "v_proj".into()]),
                ..LoraConfig::default()
            },
            Workload::LoraStep | Workload::Decode => LoraConfig::default(),
        };
        let adapter = Adapter::init(&lora, &config, 0, &compute.device)?;
        let edits = row_lengths(&args.rows)?;
        Ok(Self { args, decoder, adapter, edits })
    }

    fn unit(&mut self, index: usize) -> Result<Value> {
        let vocabulary = self.decoder.config().vocab_size;
        match self.args.workload {
            Workload::LoraStep => {
                let rows = edit_rows(&self.edits, index, vocabulary);
                let tokens: usize = rows.iter().map(|r| r.tokens.len()).sum();
                let (mut seconds, mut loss) = (0.0, f64::NAN);
                for _ in 0..self.args.steps_per_unit {
                    let (s, l) =
                        train_rows(&self.decoder, &mut self.adapter, &rows, self.args.rows_per_step, 1e-4)?;
                    (seconds, loss) = (seconds + s, l);
                }
                let tokens = tokens * self.args.steps_per_unit;
                Ok(json!({"seconds": seconds, "tokens": tokens, "loss": loss, "computed_tokens": tokens}))
            }
            Workload::SealRecipe => {
                // The same rows, epochs and steps as the recipe; nothing is padded, so all of them are measured.
                let rows = edit_rows(&self.edits, index, vocabulary);
                let tokens: usize = rows.iter().map(|r| r.tokens.len()).sum();
                let (seconds, loss) = train_rows(&self.decoder, &mut self.adapter, &rows, 1, 1e-3)?;
                Ok(
                    json!({"seconds": seconds, "scale": 10, "tokens": tokens, "loss": loss, "computed_tokens": tokens}),
                )
            }
            Workload::Decode => self.decode(index, vocabulary),
        }
    }

    fn decode(&self, index: usize, vocabulary: usize) -> Result<Value> {
        let (decoder, args) = (&self.decoder, &self.args);
        let mut cache = decoder.new_cache();
        let mut batch = Batch::new();
        let mut slots = Vec::new();
        for row in 0..args.batch {
            let prompt: Vec<u32> = (0..args.prompt).map(|t| token_id(index, row, t, vocabulary)).collect();
            batch.push(&prompt, 0, None)?;
            slots.push(cache.add_slot());
        }
        let started = Instant::now();
        let mut ids = self.next_tokens(&batch, &mut cache, &slots)?;
        let prefill = started.elapsed().as_secs_f64();
        let mut written = vec![ids[0]];
        let started = Instant::now();
        for step in 0..args.new {
            let mut batch = Batch::new();
            for &id in &ids {
                batch.push(&[id], args.prompt + step, None)?;
            }
            ids = self.next_tokens(&batch, &mut cache, &slots)?;
            written.push(ids[0]);
        }
        let seconds = started.elapsed().as_secs_f64();
        written.truncate(8);
        let tokens = args.batch * args.new;
        Ok(json!({"seconds": seconds, "tokens": tokens, "prefill_seconds": prefill, "first_ids": written}))
    }

    fn next_tokens(
        &self,
        batch: &Batch,
        cache: &mut seald_engine::cache::KvCache,
        slots: &[usize],
    ) -> Result<Vec<u32>> {
        let decoder = &self.decoder;
        let states = decoder.forward(batch, &[], Some((cache, slots)))?;
        let last: Vec<u32> = batch.segments.iter().map(|s| (s.start + s.len - 1) as u32).collect();
        let compute = decoder.compute();
        let logits = compute.run(|| {
            seald_engine::loss::logits(compute, decoder.head(), &decoder.head_input(&states, &last)?)
        })?;
        Ok(logits.argmax(1)?.to_vec1()?)
    }
}

/// A line of `/proc/self/status` in MiB.
fn memory_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':'));
    line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn serve() -> Result<()> {
    let stdout = std::io::stdout();
    let answer = |value: Value| -> Result<()> {
        writeln!(stdout.lock(), "{value}").map_err(|e| Error::new(Kind::Io, "cannot answer").with_source(e))
    };
    let args = Args::parse();
    let threads = args.threads;
    let mut contestant = Contestant::new(args)?;
    let (load_peak, loaded) = (memory_mib("VmHWM"), memory_mib("VmRSS"));
    // 5 resets the high-water mark (man 5 proc, clear_refs); without the right to, the mark includes loading.
    drop(std::fs::write("/proc/self/clear_refs", "5"));
    let versions = json!({"seald": env!("CARGO_PKG_VERSION")});
    answer(json!({"ready": {"versions": versions, "threads": threads, "isa": Isa::detect().to_string()}}))?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|e| Error::new(Kind::Io, "cannot read").with_source(e))?;
        let request: Value = serde_json::from_str(&line)
            .map_err(|e| Error::new(Kind::Invalid, line.clone()).with_source(e))?;
        if request["op"] == "quit" {
            let peak = memory_mib("VmHWM");
            let whole = peak.max(load_peak);
            return answer(
                json!({"peak_rss_mib": whole, "peak_step_rss_mib": peak, "loaded_rss_mib": loaded}),
            );
        }
        let busy = cpu_seconds();
        let mut unit = contestant.unit(request["index"].as_u64().unwrap_or(0) as usize)?;
        unit["cpu_seconds"] = json!(cpu_seconds() - busy);
        answer(unit)?;
    }
    Ok(())
}

fn main() {
    allocator::keep_pages();
    if let Err(error) = serve() {
        println!("{}", json!({"error": error.to_string()}));
        std::process::exit(1);
    }
}
