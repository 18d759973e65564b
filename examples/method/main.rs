//! Measures the method on `eval/bulletins-200.json`: `cargo run --release --example method -- learning --model nano`.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a measuring program: a panic ends it"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measuring program")]

mod cache;
mod cost;
mod data;
mod everyday;
mod forgetting;
mod lab;
mod learning;
mod null;
mod passages;
mod passages_line;
mod passages_table;
mod people;
mod record;
mod reward;
mod seal;
mod sleep;
mod tables;
mod writer;
mod writer_table;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use seald::endpoint::{Endpoint, EndpointOptions};
use seald_core::domain::self_edit::Format;
use seald_core::error::{Context, Kind, Result};
use seald_engine::kernels::Compute;
use seald_engine::model::Model;
use seald_learn::consolidate::ConsolidateOptions;
use seald_learn::gate::GateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::writer::WriterOptions;

use crate::forgetting::Sequence;
use crate::lab::Lab;
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
    /// Options of the method that differ from the defaults, as JSON: {"final_steps": 200}
    #[arg(long, global = true, default_value = "{}")]
    learn: String,
    /// Options of the gate that differ from the defaults, as JSON: {"loss_budget": 0.01}
    #[arg(long, global = true, default_value = "{}")]
    gate: String,
    /// Options of consolidation that differ from the defaults, as JSON: {"epochs": 10}
    #[arg(long, global = true, default_value = "{}")]
    consolidate: String,
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
        /// Only the ways whose name begins so, or is so where a full stop ends it
        #[arg(long)]
        only: Vec<String>,
        /// Optimiser steps of every way but ours and SEAL's
        #[arg(long, default_value_t = learning::STEPS)]
        steps: usize,
        /// Their learning rate
        #[arg(long, default_value_t = learning::RATE)]
        rate: f64,
        /// Texts of each format that those ways train on
        #[arg(long, default_value_t = 1)]
        samples: u64,
    },
    /// Documents one after another: ours against the SEAL recipe
    Forgetting {
        /// Sequences
        #[arg(long, default_value_t = 8)]
        sequences: usize,
        /// Documents of each
        #[arg(long, default_value_t = 8)]
        documents: usize,
        /// The first document of the first
        #[arg(long, default_value_t = 40)]
        from: usize,
        /// Learning rate of the tuned SEAL recipe
        #[arg(long, default_value_t = 3e-3)]
        seal_rate: f64,
        /// Epochs of the tuned SEAL recipe
        #[arg(long, default_value_t = 20)]
        seal_epochs: usize,
        /// Ours alone
        #[arg(long)]
        ours_only: bool,
    },
    /// Trials side by side in one batch against one after the other
    Cost {
        /// Documents of the set to take
        #[arg(long, default_value_t = 10)]
        documents: usize,
        /// The first of them
        #[arg(long, default_value_t = 150)]
        from: usize,
        /// Times that each is trained both ways
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Every self-edit trained twice a little and once to its end: how well the scores agree
    Reward {
        /// Documents of the set to take
        #[arg(long, default_value_t = 20)]
        documents: usize,
        /// The first of them
        #[arg(long, default_value_t = 110)]
        from: usize,
        /// Optimiser steps of each short training; none: those of a trial
        #[arg(long)]
        steps: Option<usize>,
    },
    /// Many documents one after another with and without consolidation, and joint trainings
    Sleep {
        /// Documents one after another
        #[arg(long, default_value_t = 40)]
        documents: usize,
        /// The first of them
        #[arg(long, default_value_t = 0)]
        from: usize,
        /// Measure after so many documents each
        #[arg(long, default_value_t = 10)]
        every: usize,
        /// Documents that bring a consolidation
        #[arg(long, default_value_t = 10)]
        after: usize,
        /// Sizes of the joint trainings
        #[arg(long, value_delimiter = ',', default_value = "10,20,40,80,160")]
        joint: Vec<usize>,
        /// Learning rate of the joint trainings
        #[arg(long, default_value_t = 2e-3)]
        rate: f64,
        /// Only "without", "with" or "joint"
        #[arg(long)]
        only: Option<String>,
    },
    /// Another document's self-edits before the gate
    Null {
        /// Documents of the set to take
        #[arg(long, default_value_t = 100)]
        documents: usize,
        /// The first of them
        #[arg(long, default_value_t = 100)]
        from: usize,
        /// Optimiser steps of each training
        #[arg(long, default_value_t = 80)]
        steps: usize,
    },
    /// Real passages with questions of people, on any model: yield, learning, null edits, losses, cost
    Passages(passages_line::Run),
    /// Fifty everyday prompts answered by the base and with an adapter
    Everyday {
        /// Folder of the adapter: ROOT/adapters/live
        #[arg(long)]
        adapter: PathBuf,
    },
    /// Writer rounds: what writers earn on unseen documents after each
    Writer(WriterArgs),
}

#[derive(Args)]
struct WriterArgs {
    /// Documents whose winners writers are trained on
    #[arg(long, default_value_t = 50)]
    documents: usize,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: usize,
    /// Documents that no writer sees
    #[arg(long, default_value_t = 60)]
    unseen: usize,
    /// The first of them
    #[arg(long, default_value_t = 140)]
    unseen_from: usize,
    #[arg(long, default_value_t = 2)]
    rounds: usize,
    /// Self-edits for each document of a round, and of the untrained writer for each unseen one with seed 0
    #[arg(long, default_value_t = 5)]
    samples: usize,
    /// Self-edits of every other writer for each unseen document
    #[arg(long, default_value_t = 1)]
    examined: usize,
    /// Optimiser steps that reward the self-edits of a round; none: those of the product's trials
    #[arg(long)]
    reward_steps: Option<usize>,
    /// Everything so many times, with seeds that follow one another
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Seeds that were measured before: what --json wrote then
    #[arg(long)]
    with: Option<PathBuf>,
    /// Options of writers that differ from the defaults, as JSON: {"epochs": 2}
    #[arg(long, default_value = "{}")]
    writer: String,
    /// Texts that another writer wrote: NAME=FILE, [{"title": .., "texts": {"implications": ..}}]
    #[arg(long, default_value = "oracle=eval/ideal-60.json")]
    recorded: Vec<String>,
    /// Another model that writes, behind an OpenAI-compatible endpoint
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// The name that it has there
    #[arg(long, default_value = "recorded")]
    endpoint_model: String,
    /// Formats of those that are taken
    #[arg(long, default_value = "implications")]
    format: Vec<Format>,
}

impl WriterArgs {
    /// `trial_steps`: how long the product's trials are.
    fn plan(&self, documents: usize, trial_steps: usize) -> Result<writer::Plan> {
        let options: WriterOptions = serde_json::from_str(&self.writer)
            .doing(Kind::Invalid, || format!("--writer {}", self.writer))?;
        let range = |from: usize, count: usize| from.min(documents)..(from + count).min(documents);
        Ok(writer::Plan {
            train: range(self.from, self.documents),
            unseen: range(self.unseen_from, self.unseen),
            rounds: self.rounds,
            samples: self.samples,
            examined: self.examined,
            reward_steps: self.reward_steps.unwrap_or(trial_steps),
            options,
            recorded: self.recorded.iter().map(|named| writer::recorded(named)).collect::<Result<_>>()?,
            endpoint: self.endpoint.clone().map(|url| self.remote(url)).transpose()?,
            formats: self.format.clone(),
        })
    }

    fn remote(&self, url: String) -> Result<Endpoint> {
        let model = self.endpoint_model.clone();
        Endpoint::open(&EndpointOptions { url, model, ..EndpointOptions::default() })
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let model = Model::open(&options.model, &Compute::best_cpu(options.threads)?)?;
    let learn: LearnOptions =
        serde_json::from_str(&options.learn).doing(Kind::Invalid, || format!("--learn {}", options.learn))?;
    let gate: GateOptions =
        serde_json::from_str(&options.gate).doing(Kind::Invalid, || format!("--gate {}", options.gate))?;
    let consolidate: ConsolidateOptions = serde_json::from_str(&options.consolidate)
        .doing(Kind::Invalid, || format!("--consolidate {}", options.consolidate))?;
    let learn = LearnOptions { seed: options.seed, ..learn };
    match &options.what {
        What::Passages(run) => return passages::measure(&model, learn, gate, run),
        What::Everyday { adapter } => return everyday::measure(&model, learn, adapter),
        _ => (),
    }
    let lab = Lab::open(&model, &options.eval, learn)?;
    let some = |from: usize, count: usize| {
        let last = (from + count).min(lab.documents.len());
        &lab.documents[from.min(last)..last]
    };
    let tuned = |learning_rate, epochs| Recipe { learning_rate, epochs, ..seal::PUBLISHED };
    let json = match options.what {
        What::Learning { documents, from, seal_rate, seal_epochs, only, steps, rate, samples } => {
            let ways = Ways { tuned: tuned(seal_rate, seal_epochs), names: only, steps, rate, samples };
            let table = learning::measure(&lab, &model, some(from, documents), &ways)?;
            tables::learning(&table)
        }
        What::Forgetting { sequences, documents, from, seal_rate, seal_epochs, ours_only } => {
            let mut ways: Vec<(&str, Vec<Sequence>)> = vec![("ours", Vec::new())];
            if !ours_only {
                ways.push(("SEAL as published", Vec::new()));
                ways.push(("SEAL tuned", Vec::new()));
            }
            for number in 0..sequences {
                let documents = some(from + number * documents, documents);
                for (name, found) in &mut ways {
                    let one = match *name {
                        "ours" => forgetting::ours(&lab, documents, &gate)?,
                        "SEAL tuned" => {
                            let recipe = tuned(seal_rate, seal_epochs);
                            forgetting::seal(&lab, &options.model, documents, recipe, number as u64)?
                        }
                        _ => {
                            forgetting::seal(&lab, &options.model, documents, seal::PUBLISHED, number as u64)?
                        }
                    };
                    found.push(one);
                }
                eprintln!("sequence {} of {sequences}", number + 1);
            }
            tables::forgetting(&ways)
        }
        What::Cost { documents, from, rounds } => {
            tables::cost(&cost::measure(&lab, some(from, documents), rounds)?)
        }
        What::Reward { documents, from, steps } => {
            tables::reward(&reward::measure(&lab, some(from, documents), steps)?)
        }
        What::Sleep { documents, from, every, after, joint, rate, only } => {
            let wants = |way: &str| only.as_deref().is_none_or(|only| only == way);
            let mut ways = Vec::new();
            for (name, after) in [("without", 0), ("with", after)] {
                if wants(name) {
                    let consolidate = ConsolidateOptions { after_documents: after, ..consolidate.clone() };
                    let found = sleep::sequence(&lab, some(from, documents), every, &consolidate, &gate)?;
                    ways.push((format!("one after another, {name} consolidation"), found));
                }
            }
            if wants("joint") {
                let sizes = joint.into_iter();
                let found = sizes
                    .map(|size| sleep::joint(&lab, some(0, size), rate, &consolidate))
                    .collect::<Result<_>>()?;
                ways.push(("jointly".to_string(), found));
            }
            tables::sleep(&ways)
        }
        What::Null { documents, from, steps } => {
            tables::null(&null::measure(&lab, some(from, documents), steps, &gate)?)
        }
        What::Passages(_) | What::Everyday { .. } => return Ok(()),
        What::Writer(own) => {
            let plan =
                own.plan(lab.documents.len(), lab.session.options.rung_steps.last().copied().unwrap_or(1))?;
            let mut runs = own.with.as_deref().map(writer::earlier).transpose()?.unwrap_or_default();
            let mut json = serde_json::Value::Null;
            for seed in options.seed..options.seed + own.seeds {
                runs.push(writer::measure(&lab, &plan, seed)?);
                println!("\nAfter {} seeds:\n", runs.len());
                json = writer_table::print(&runs);
            }
            json
        }
    };
    if let Some(path) = options.json {
        seald_core::files::write_atomic(&path, &serde_json::to_vec_pretty(&json).unwrap_or_default())?;
    }
    Ok(())
}
