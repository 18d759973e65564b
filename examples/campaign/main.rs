//! The fault campaign: a daemon at work is killed, starved, cut off and damaged, in an order that a number fixes. Afterwards nothing may be lost, nothing be there
//! twice, nothing have happened unseen, and it must be idle.
//!
//!     cargo build --bins && cargo run --example campaign -- --seeds 20 [--from 1 --jobs 1 --out FILE --dir DIR --program target/debug/seald --show --again]
//!
//! `SEED=123 cargo run --example campaign` plays one seed again. A line of `--out` for each seed that was played; those that stand there are not played again.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a measuring program: a panic ends it")]
#![expect(clippy::print_stdout, reason = "a measuring program prints its figures")]

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use serde_json::{Value, json};

mod actions;
mod check;
mod daemon;
mod damage;
mod faults;
mod ledger;
mod plan;
mod play;
mod settle;
mod texts;

#[derive(Parser)]
struct Options {
    /// The first seed; left out: `SEED`, or 1
    #[arg(long)]
    from: Option<u64>,
    /// How many
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many at a time, 1 to 16; most of a seed is waiting
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    jobs: u8,
    /// Where results are kept, a JSON object a line
    #[arg(long, default_value = "target/campaign.jsonl")]
    out: PathBuf,
    /// Where roots are made; those of seeds that failed stay there
    #[arg(long, default_value_os_t = std::env::temp_dir().join("seald-campaign"))]
    dir: PathBuf,
    /// The program under test; left out: the one beside this
    #[arg(long)]
    program: Option<PathBuf>,
    /// Tells what the seeds would do, and does nothing
    #[arg(long)]
    show: bool,
    /// Plays seeds again that were played
    #[arg(long)]
    again: bool,
}

fn main() {
    let options = Options::parse();
    let named = std::env::var("SEED").ok().map(|seed| seed.parse().expect("SEED is a number"));
    let from: u64 = options.from.or(named).unwrap_or(1);
    let seeds = from..from + options.seeds;
    if options.show {
        for seed in seeds {
            println!("{}", serde_json::to_string_pretty(&plan::Plan::of(seed)).unwrap());
        }
        return;
    }
    let program = options.program.clone().unwrap_or_else(beside);
    let program =
        program.canonicalize().unwrap_or_else(|e| panic!("{}: {e}: cargo build --bins", program.display()));
    std::fs::create_dir_all(&options.dir).unwrap();
    let tools = faults::Tools::make(&options.dir, program);
    let again = options.again || (options.from.is_none() && named.is_some());
    let played = if again { HashSet::new() } else { played(&options.out) };
    let (next, out) = (AtomicU64::new(seeds.start), Mutex::new(()));
    std::thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    if !played.contains(&seed) {
                        let line = one(seed, &options.dir, &tools);
                        let _held = out.lock().unwrap();
                        tell(&options.out, &line);
                    }
                }
            });
        }
    });
    let failed = sum_up(&options.out, seeds);
    if failed > 0 {
        panic!("{failed} seeds failed: SEED=N plays one again; its root is in {}", options.dir.display());
    }
}

/// `seald` of the same build.
fn beside() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(Path::parent).unwrap().join("seald")
}

/// Plays a seed and says what came of it.
fn one(seed: u64, dir: &Path, tools: &faults::Tools) -> Value {
    let place = dir.join(format!("seed-{seed}"));
    let _ = std::fs::remove_dir_all(&place);
    let started = Instant::now();
    let plan = plan::Plan::of(seed);
    let told = std::panic::catch_unwind(|| play::play(&plan, &place, tools));
    let mut told = told.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        let words = words.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
        play::Told {
            wrong: vec![format!("campaign: {}", words.unwrap_or_default())],
            ..play::Told::default()
        }
    });
    told.wrong.sort();
    told.wrong.dedup();
    if told.wrong.is_empty() {
        let _ = std::fs::remove_dir_all(&place);
    }
    json!({
        "seed": seed, "lives": plan.lives.len(), "actions": plan.actions(), "faults": told.faults, "documents": told.documents,
        "seconds": started.elapsed().as_secs(), "ok": told.wrong.is_empty(), "wrong": told.wrong, "notes": told.notes,
    })
}

fn tell(out: &Path, line: &Value) {
    if let Some(parent) = out.parent() {
        std::fs::create_dir_all(parent).unwrap();
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(out).unwrap();
    writeln!(file, "{line}").unwrap();
    let faults: Vec<&str> =
        line["faults"].as_array().unwrap().iter().filter_map(|f| f["kind"].as_str()).collect();
    println!(
        "seed {:>4}  {:>2} lives  {:>2} actions  {:>3} s  {}  {}",
        line["seed"].as_u64().unwrap(),
        line["lives"].as_u64().unwrap(),
        line["actions"].as_u64().unwrap(),
        line["seconds"].as_u64().unwrap(),
        if line["ok"] == true { "ok    " } else { "FAILED" },
        faults.join(", ")
    );
    for words in line["wrong"].as_array().unwrap() {
        println!("           {}", words.as_str().unwrap());
    }
}

fn lines(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn played(out: &Path) -> HashSet<u64> {
    lines(out).iter().filter_map(|line| line["seed"].as_u64()).collect()
}

/// What the newest play of each of these seeds came to; how many failed.
fn sum_up(out: &Path, seeds: std::ops::Range<u64>) -> usize {
    let all = lines(out).into_iter().filter_map(|line| Some((line["seed"].as_u64()?, line)));
    let newest: BTreeMap<u64, Value> = all.filter(|(seed, _)| seeds.contains(seed)).collect();
    let mut kinds: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for fault in newest.values().flat_map(|line| line["faults"].as_array().unwrap()) {
        let kind = kinds.entry(fault["kind"].as_str().unwrap().to_string()).or_default();
        kind.0 += 1;
        kind.1 += usize::from(fault["struck"] == true);
    }
    println!("\n{:<28} {:>6} {:>6}", "fault", "drawn", "struck");
    for (kind, (drawn, struck)) in &kinds {
        println!("{kind:<28} {drawn:>6} {struck:>6}");
    }
    let failed = newest.values().filter(|line| line["ok"] != true).count();
    let seconds: u64 = newest.values().filter_map(|line| line["seconds"].as_u64()).sum();
    println!("\n{} seeds, {failed} failed, {seconds} s", newest.len());
    failed
}
