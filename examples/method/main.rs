//! Measures the method on `eval/bulletins-200.json`: `cargo run --release --example method -- learning --model nano`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program")]

mod data;
mod lab;
mod learning;
mod seal;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use seald::engine::kernels::Compute;
use seald::engine::model::Model;
use seald::error::Result;
use seald::learn::options::LearnOptions;
use seald::learn::stats;

use crate::lab::{Lab, Table};
use crate::learning::Ways;
use crate::seal::Recipe;

// The daemon's allocator: it keeps the pages of large buffers, which every step needs again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    /// Directory of the model
    #[arg(long, global = true, default_value = "models/nano/weights")]
    model: PathBuf,
    /// Folder of the evaluation sets
    #[arg(long, global = true, default_value = "eval")]
    eval: PathBuf,
    /// Threads, 0 for one on each core
    #[arg(long, global = true, default_value_t = 0)]
    threads: usize,
    /// Seed of everything random
    #[arg(long, global = true, default_value_t = 0)]
    seed: u64,
    /// Also write the rows here, as JSON
    #[arg(long, global = true)]
    json: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Documents alone, from the base, for each way to train
    Learning {
        /// Documents of the set to take
        #[arg(long, default_value_t = 40)]
        documents: usize,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        from: usize,
        /// Learning rate of the tuned SEAL recipe
        #[arg(long, default_value_t = 3e-3)]
        seal_rate: f64,
        /// Epochs of the tuned SEAL recipe
        #[arg(long, default_value_t = 20)]
        seal_epochs: usize,
        /// Only the ways whose name begins so
        #[arg(long)]
        only: Vec<String>,
    },
}

fn main() -> Result<()> {
    let options = Options::parse();
    let model = Model::open(&options.model, &Compute::best_cpu(options.threads)?)?;
    let lab =
        Lab::open(&model, &options.eval, LearnOptions { seed: options.seed, ..LearnOptions::default() })?;
    let table = match options.what {
        What::Learning { documents, from, seal_rate, seal_epochs, only } => {
            let tuned = Recipe { learning_rate: seal_rate, epochs: seal_epochs, ..seal::PUBLISHED };
            let last = (from + documents).min(lab.documents.len());
            learning::measure(
                &lab,
                &model,
                &lab.documents[from.min(last)..last],
                &Ways { tuned, names: only },
            )?
        }
    };
    print(&table);
    if let Some(path) = options.json {
        let rows: Vec<_> =
            table.rows().map(|(name, row)| serde_json::json!({"way": name, "row": row})).collect();
        seald::files::write_atomic(&path, &serde_json::to_vec_pretty(&rows).unwrap_or_default())?;
    }
    Ok(())
}

/// As Markdown; the interval of the accuracy is Student's over documents.
fn print(table: &Table) {
    println!(
        "| way | documents | right without the document (95 %) | known before, lost | tokens a document | padded | seconds a document |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, row) in table.rows() {
        let share = stats::mean_interval(&row.by_document, 0.95);
        let (low, high) = (share.interval.low * 100.0, share.interval.high * 100.0);
        let lost = 100.0 * row.lost as f64 / row.known.max(1) as f64;
        let n = row.documents.max(1) as f64;
        println!(
            "| {name} | {} | {:.1} % ({low:.1}-{high:.1}) | {lost:.1} % | {:.0} | {:.0} | {:.1} |",
            row.documents,
            share.mean * 100.0,
            row.tokens as f64 / n,
            row.padded_tokens as f64 / n,
            row.seconds / n,
        );
    }
}
