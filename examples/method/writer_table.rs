//! The table of writer rounds: one line for each writer, its numbers means over the seeds.

use std::collections::BTreeMap;

use seald_core::domain::self_edit::Format;
use seald_learn::stats;
use serde_json::{Value, json};

use crate::writer::{Rounds, Tried};

/// A writer's self-edits of all seeds.
struct Line<'r> {
    name: &'r str,
    tried: Vec<&'r Tried>,
    diversity: Vec<f64>,
}

impl Line<'_> {
    /// Mean of a figure for each document, over its self-edits of all seeds.
    fn by_document(&self, figure: impl Fn(&Tried) -> f64) -> BTreeMap<usize, f64> {
        let mut own: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        self.tried.iter().for_each(|t| own.entry(t.document).or_default().push(figure(t)));
        own.into_iter().map(|(document, values)| (document, stats::mean(&values))).collect()
    }

    fn share(&self, of: impl Fn(&Tried) -> bool) -> f64 {
        100.0 * self.tried.iter().filter(|t| of(t)).count() as f64 / self.tried.len().max(1) as f64
    }
}

/// Intervals are Student's over documents, each with the mean of its self-edits of all seeds; differences are paired by document.
pub(crate) fn print(runs: &[Rounds]) -> Value {
    let lines = lines(runs);
    println!(
        "| writer | self-edits | right without the document, % (95 %) | against the untrained, points | gain in log p, nats | discarded, % | diversity | formats, % | rates, % | epochs | tokens |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let accuracy = |line: &Line<'_>| line.by_document(|t| 100.0 * t.accuracy);
    let first = lines.first().map(accuracy).unwrap_or_default();
    for line in &lines {
        let own = accuracy(line);
        let differences: Vec<f64> = own.iter().filter_map(|(d, value)| Some(value - first.get(d)?)).collect();
        let values = |of: BTreeMap<usize, f64>| of.into_values().collect::<Vec<f64>>();
        let mean =
            |of: &dyn Fn(&Tried) -> f64| stats::mean(&line.tried.iter().map(|t| of(t)).collect::<Vec<_>>());
        println!(
            "| {} | {} | {} | {} | {} | {:.1} | {} | {} | {} | {:.1} | {:.0} |",
            line.name,
            line.tried.len(),
            interval(&values(own), 1),
            interval(&differences, 1),
            interval(&values(line.by_document(|t| t.reward)), 2),
            line.share(|t| t.discarded.is_some()),
            diversity(line),
            formats(line),
            rates(line),
            mean(&|t| t.directive.epochs as f64),
            mean(&|t| t.tokens as f64),
        );
    }
    for run in runs {
        for (name, verdict) in &run.verdicts {
            let word = if verdict.promoted { "promoted" } else { "not promoted" };
            println!("\nseed {}, {name}: {word}: {}.", run.seed, verdict.reasons.join("; "));
        }
    }
    json!(runs)
}

fn lines(runs: &[Rounds]) -> Vec<Line<'_>> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for row in runs.iter().flat_map(|run| &run.rows) {
        let at = lines.iter().position(|line| line.name == row.name).unwrap_or_else(|| {
            lines.push(Line { name: &row.name, tried: Vec::new(), diversity: Vec::new() });
            lines.len() - 1
        });
        lines[at].tried.extend(&row.tried);
        lines[at].diversity.extend(row.diversity);
    }
    lines
}

fn interval(values: &[f64], digits: usize) -> String {
    let found = stats::mean_interval(values, 0.95);
    let (mean, low, high) = (found.mean, found.interval.low, found.interval.high);
    format!("{mean:.digits$} ({low:.digits$} to {high:.digits$})")
}

/// Mean over the seeds; nothing where texts were picked by reward.
fn diversity(line: &Line<'_>) -> String {
    let mean = stats::mean(&line.diversity);
    if mean.is_finite() { format!("{mean:.3}") } else { "-".into() }
}

/// The formats that were chosen, in the order of the menu.
fn formats(line: &Line<'_>) -> String {
    let share = |format: &Format| line.share(|t| t.directive.format == *format);
    let some = Format::ALL.iter().filter(|format| share(format) >= 0.5);
    some.map(|format| format!("{format} {:.0}", share(format))).collect::<Vec<_>>().join(", ")
}

/// The learning rates that were chosen, rising.
fn rates(line: &Line<'_>) -> String {
    let mut all: Vec<f64> = line.tried.iter().map(|t| t.directive.learning_rate).collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    let share = |rate: &f64| line.share(|t| t.directive.learning_rate == *rate);
    all.iter().map(|rate| format!("{rate:e} {:.0}", share(rate))).collect::<Vec<_>>().join(", ")
}
