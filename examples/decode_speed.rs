//! Tokens a second of greedy decoding: `decode_speed MODEL_DIR [THREADS [ROWS...]]`, MODEL_DIR from
//! `tools/bench/make_models.py`. 64 tokens after different prompts of 32, for each number of rows (1 and 16).
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a measuring program: a panic ends it")]
#![allow(clippy::print_stdout, reason = "a measuring program")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use seald_engine::decoder::{ActiveAdapter, Decoder};
use seald_engine::generate::{GenerateOptions, GenerateRow, Generator};
use seald_engine::kernels::Compute;
use seald_engine::lora::{Adapter, LoraConfig};
use seald_engine::model_config::ModelConfig;
use seald_engine::sampler::Sampling;
use seald_engine::weights::Weights;

// The daemon's allocator: it keeps the pages of large buffers, which every step needs again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PROMPT: u32 = 32;
const NEW: usize = 64;

fn main() -> seald_core::Result<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().unwrap_or_else(|| "target/bench-models/qwen05b".into());
    let threads = args.next().and_then(|a| a.parse().ok()).unwrap_or(0);
    let rows: Vec<usize> = args.filter_map(|a| a.parse().ok()).collect();
    let compute = Compute::best_cpu(threads)?;
    let config = ModelConfig::from_dir(Path::new(&dir))?;
    let decoder = Decoder::load(&config, &Weights::open(Path::new(&dir))?, &compute)?;
    let adapter = Adapter::init(&LoraConfig::default(), &config, 1, &compute.device)?;
    let adapters = [ActiveAdapter::inference(&adapter)];
    println!("{:?} {} threads, {}", compute.precision, compute.threads(), compute.isa());
    for &rows in if rows.is_empty() { &[1, 16][..] } else { &rows } {
        for (name, adapter, temperature) in
            [("greedy", None, 0.0), ("adapter", Some(0), 0.0), ("sampled", None, 0.8)]
        {
            let (mut best_step, mut best_prefill) = (f64::MAX, f64::MAX);
            for _ in 0..3 {
                let (prefill, step) =
                    measure(&Generator::new(&decoder, None, &adapters), rows, adapter, temperature)?;
                (best_step, best_prefill) = (best_step.min(step), best_prefill.min(prefill));
            }
            println!(
                "{rows:3} rows {name:8} {:7.1} tok/s, step {:6.2} ms; prompts {:7.1} tok/s",
                rows as f64 / best_step,
                best_step * 1e3,
                (rows * PROMPT as usize) as f64 / best_prefill,
            );
        }
    }
    Ok(())
}

/// Seconds of the prompts and of the median step.
fn measure(
    generator: &Generator<'_>,
    rows: usize,
    adapter: Option<usize>,
    temperature: f64,
) -> seald_core::Result<(f64, f64)> {
    let prompt = |i: u32| (0..PROMPT).map(|j| 1 + (i * 37 + j * 11) % 250).collect();
    let rows: Vec<GenerateRow> =
        (0..rows as u32).map(|i| GenerateRow { prompt: prompt(i), adapter, options: None }).collect();
    let sampling = Sampling { temperature, top_k: None, top_p: (temperature > 0.0).then_some(0.95) };
    let options = GenerateOptions { max_tokens: NEW, sampling, ..GenerateOptions::default() };
    let mut times = Vec::new();
    let start = Instant::now();
    let last = rows.len() - 1;
    let mut on_token = |event: seald_engine::generate::TokenEvent<'_>| {
        if event.row == last {
            times.push(start.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    };
    generator.generate(&rows, &options, &mut on_token, &AtomicBool::new(false))?;
    let mut steps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
    steps.sort_by(f64::total_cmp);
    Ok((times[0], steps[steps.len() / 2]))
}
