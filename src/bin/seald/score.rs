//! `seald score`: how probable the model finds completions and texts.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use seald_core::error::Result;
use seald_engine::decoder::ActiveAdapter;
use seald_engine::examples::TrainRow;
use seald_engine::score::{Score, ScoreRow, Scorer};
use serde::Serialize;

use crate::open::{ModelArgs, open_adapter};
use crate::output::{count, json_line, line};
use crate::progress::Reading;
use crate::rows::{self, Row};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    base: ModelArgs,
    /// Score with this adapter; without one, the bare model
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Rows to score, one JSON object a line: {"text"}, {"prompt","completion"} or {"messages"}
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Print JSON lines on stdout, one for each row
    #[arg(long)]
    json: bool,
}

/// One row's result.
#[derive(Serialize)]
struct Line {
    /// From 0, in the order of the file, empty lines not counted.
    row: usize,
    /// Tokens that count.
    tokens: usize,
    /// Sum of their natural log-probabilities.
    log_prob: f64,
}

/// Scores every row.
pub(crate) fn run(args: Args, cancel: &AtomicBool) -> Result<ExitCode> {
    let data = rows::read_rows(&args.data)?;
    let model = args.base.open()?;
    let loaded = open_adapter(&model, args.adapter.as_deref())?;
    let rows: Vec<TrainRow> = data.iter().map(|row| row.to_score(&model)).collect::<Result<_>>()?;
    let adapters: Vec<ActiveAdapter<'_>> =
        loaded.iter().map(|loaded| ActiveAdapter::inference(&loaded.adapter)).collect();
    let adapter = loaded.as_ref().map(|_| 0);
    let to_score = |row: &TrainRow| ScoreRow {
        tokens: row.tokens.clone(),
        first: row.target_positions().next().unwrap_or(row.tokens.len()),
        adapter,
    };
    let to_score: Vec<ScoreRow> = rows.iter().map(to_score).collect();
    let bar = Reading::new(args.json);
    let scores = Scorer::new(&model.decoder, &adapters).score(
        &to_score,
        &mut |progress| bar.show(progress.tokens, progress.total),
        cancel,
    );
    bar.end();
    let scores = scores?;
    let lines: Vec<Line> =
        rows.iter().zip(&scores).enumerate().map(|(i, (row, score))| add(i, row, score)).collect();
    if args.json {
        for line in &lines {
            json_line(line)?;
        }
    } else {
        table(&data, &lines)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds up the tokens that count: between two turns of the assistant there are others.
fn add(row: usize, of: &TrainRow, score: &Score) -> Line {
    let first = of.tokens.len() - score.token_log_probs.len();
    let counted = of.target_positions().map(|t| f64::from(score.token_log_probs[t - first]));
    Line { row, tokens: of.target_count(), log_prob: counted.sum() }
}

fn table(data: &[Row], lines: &[Line]) -> Result<()> {
    line(format!("{:>5} {:>7} {:>11} {:>8}  text", "row", "tokens", "log prob", "a token"))?;
    for (row, Line { row: number, tokens, log_prob }) in data.iter().zip(lines) {
        let each = log_prob / *tokens as f64;
        line(format!("{number:>5} {tokens:>7} {log_prob:>11.3} {each:>8.3}  {}", row.content.beginning()))?;
    }
    let tokens: usize = lines.iter().map(|l| l.tokens).sum();
    let sum: f64 = lines.iter().map(|l| l.log_prob).sum();
    let each = sum / tokens as f64;
    let perplexity = (-each).exp();
    line(format!(
        "{}: {sum:.3} in all, {each:.3} a token (perplexity {perplexity:.2})",
        count(tokens, "token")
    ))
}
