//! What a measurement over passages is asked for, and the line that each passage gets.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use seald_core::domain::probe::Role;
use seald_learn::probes::PassRates;

use crate::everyday::Everyday;
use crate::people::Score;

/// What of a passage is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Depth {
    /// The exam alone.
    Yield,
    /// The exam, the base, and the passage in sight.
    Ask,
    /// Also the training, the same questions after it, and what became of conversation and reading: to choose options by.
    Train,
    /// Everything: training on the passage alone and ours, the gate, a null edit.
    Learn,
}

/// One passage's results.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Line {
    pub(crate) title: String,
    pub(crate) number: usize,
    pub(crate) rates: Option<PassRates>,
    pub(crate) gate_facts: usize,
    pub(crate) retain: usize,
    pub(crate) cloze: usize,
    /// Role, question and answer of every probe, to be read.
    pub(crate) probes: Vec<(Role, String, String)>,
    /// Question, accepted answer and what was said after learning, of the gate and of people, to be read.
    pub(crate) answers: Vec<(String, String, String)>,
    pub(crate) scores: BTreeMap<String, Score>,
    /// Of base-right answers to human questions and controls: how many, and how many are wrong after.
    pub(crate) known: usize,
    pub(crate) lost: usize,
    pub(crate) accepted: Option<bool>,
    pub(crate) reasons: Vec<String>,
    pub(crate) null_accepted: Option<bool>,
    pub(crate) null_reasons: Vec<String>,
    pub(crate) drift: f64,
    /// KL of the base samples at the end of the training, nats a token, and the factor that their weight had come to.
    pub(crate) anchors: (f64, f64),
    pub(crate) everyday: Option<Everyday>,
    /// Of questions about other texts in sight: right before, right after, asked.
    pub(crate) reading: Option<(usize, usize, usize)>,
    pub(crate) rows: usize,
    pub(crate) trained_tokens: u64,
    pub(crate) generated_tokens: u64,
    pub(crate) scored_tokens: u64,
    pub(crate) seconds: BTreeMap<String, f64>,
}

/// What is measured, and where it goes.
#[derive(Args)]
pub(crate) struct Run {
    /// A file like SQuAD's: [{"title", "context", "questions": [{"question", "answer"}]}]
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Where a line for each passage goes; passages that have one are not measured again
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Passages of the file to take
    #[arg(long, default_value_t = 40)]
    pub(crate) passages: usize,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    pub(crate) from: usize,
    /// How much of each is measured
    #[arg(long, value_enum, default_value = "learn")]
    pub(crate) depth: Depth,
    /// Also train on each passage alone
    #[arg(long)]
    pub(crate) passage_only: bool,
    /// Folder where base samples, exams and study texts are kept, for further trainings of the same passages; by default beside --out
    #[arg(long)]
    pub(crate) cache: Option<PathBuf>,
    /// Folder where what the model wrote and what became of it is recorded, for the tests (`crates/learn/tests/recorded.rs`)
    #[arg(long)]
    pub(crate) record: Option<PathBuf>,
}

impl Run {
    /// Where exams and study texts are kept.
    pub(crate) fn cache(&self) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| self.out.with_extension("cache"))
    }
}

/// The lines that were written already.
pub(crate) fn lines(out: &Path) -> Vec<Line> {
    let text = fs::read_to_string(out).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
