//! The measurements as Markdown, and as JSON with every number behind them.

use seald::domain::decision::Decision;
use seald::learn::stats;
use serde_json::{Value, json};

use crate::forgetting::Sequence;
use crate::lab::Table;
use crate::reward::{Twice, within};
use crate::sleep::Point;

/// Mean and Student's 95 % interval, times `unit`.
fn interval(values: &[f64], unit: f64) -> String {
    let found = stats::mean_interval(values, 0.95);
    let (low, high) = (found.interval.low * unit, found.interval.high * unit);
    format!("{:.1} ({low:.1} to {high:.1})", found.mean * unit)
}

/// The interval of the accuracy is Student's over documents.
pub(crate) fn learning(table: &Table) -> Value {
    println!(
        "| way | documents | right without the document, % (95 %) | known before, lost, % | tokens a document | padded to 2048 | seconds a document |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, row) in table.rows() {
        let lost = 100.0 * row.lost as f64 / row.known.max(1) as f64;
        let n = row.documents.max(1) as f64;
        println!(
            "| {name} | {} | {} | {lost:.1} | {:.0} | {:.0} | {:.1} |",
            row.documents,
            interval(&row.by_document, 100.0),
            row.tokens as f64 / n,
            row.padded_tokens as f64 / n,
            row.seconds / n,
        );
    }
    table.rows().map(|(name, row)| json!({"way": name, "row": row})).collect()
}

/// Intervals are Student's over sequences.
pub(crate) fn forgetting(ways: &[(&str, Vec<Sequence>)]) -> Value {
    println!(
        "| way | sequences | base, % | just learned, % | at the end, % | backward transfer, points | documents below the base | accepted | known before, lost, % | seconds a document | tokens a document |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for (name, found) in ways {
        let of = |figure: &dyn Fn(&Sequence) -> f64| {
            interval(&found.iter().map(figure).collect::<Vec<_>>(), 100.0)
        };
        let documents: usize = found.iter().map(|s| s.accepted.len()).sum();
        let accepted: usize = found.iter().flat_map(|s| &s.accepted).filter(|a| **a).count();
        let below: usize = found.iter().map(Sequence::below_base).sum();
        let (lost, known): (usize, usize) =
            found.iter().fold((0, 0), |sum, s| (sum.0 + s.lost, sum.1 + s.known));
        let seconds: f64 = found.iter().map(|s| s.seconds).sum();
        let tokens: u64 = found.iter().map(|s| s.tokens).sum();
        let n = documents.max(1) as f64;
        println!(
            "| {name} | {} | {} | {} | {} | {} | {below} of {documents} | {accepted} of {documents} | {:.1} | {:.1} | {:.0} |",
            found.len(),
            of(&Sequence::base),
            of(&Sequence::just_learned),
            of(&Sequence::last),
            of(&Sequence::backward_transfer),
            100.0 * lost as f64 / known.max(1) as f64,
            seconds / n,
            tokens as f64 / n,
        );
    }
    if let Some((_, found)) = ways.first() {
        let sum = |part: &dyn Fn(&Sequence) -> f64| found.iter().map(part).sum::<f64>();
        let all = sum(&|s| s.seconds).max(f64::MIN_POSITIVE);
        println!(
            "\nOurs spends {:.0} % of its time writing, {:.0} % training, {:.0} % scoring.",
            100.0 * sum(&|s| s.cost.generation_seconds) / all,
            100.0 * sum(&|s| s.cost.training_seconds) / all,
            100.0 * sum(&|s| s.cost.scoring_seconds) / all,
        );
    }
    ways.iter().map(|(name, found)| json!({"way": name, "sequences": found})).collect()
}

/// What is known after so many documents. Intervals are Student's over documents.
pub(crate) fn sleep(ways: &[(String, Vec<Point>)]) -> Value {
    println!(
        "| way | documents | accepted | right of all documents so far, % (95 %) | drift, nats a token | known before, lost, % | consolidations (swapped) | seconds so far | tokens trained so far |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, points) in ways {
        for point in points {
            let lost = 100.0 * point.lost as f64 / point.known.max(1) as f64;
            println!(
                "| {name} | {} | {} | {} | {:.3} | {lost:.1} | {} ({}) | {:.0} | {} |",
                point.documents,
                point.accepted,
                interval(&point.right, 100.0),
                point.drift,
                point.slept,
                point.swapped,
                point.seconds,
                point.tokens
            );
        }
    }
    ways.iter().map(|(name, points)| json!({"way": name, "points": points})).collect()
}

/// Correlations of two trainings of the same self-edit.
pub(crate) fn reward(twice: &[Twice]) -> Value {
    println!("| score | pairs | reliability within documents (95 %) | over all documents (95 %) |");
    println!("|---|---|---|---|");
    type Score = fn(&Twice) -> (f64, f64);
    let scores: [(&str, Score); 2] = [
        ("mean gain of log p(answer), select probes", |t| t.gain),
        ("share right of 5 questions", |t| t.accuracy),
    ];
    let shown = |pairs: &[(f64, f64)]| match stats::correlation(pairs, 0.95) {
        Some(r) => format!("{:.2} ({:.2} to {:.2})", r.mean, r.interval.low, r.interval.high),
        None => "-".into(),
    };
    for (name, score) in scores {
        let all: Vec<(f64, f64)> = twice.iter().map(score).collect();
        println!("| {name} | {} | {} | {} |", all.len(), shown(&within(twice, score)), shown(&all));
    }
    twice.iter().map(|t| json!({"document": t.document, "gain": t.gain, "accuracy": t.accuracy})).collect()
}

/// How many null edits pass.
pub(crate) fn null(decisions: &[Option<Decision>]) -> Value {
    let judged: Vec<&Decision> = decisions.iter().flatten().collect();
    let accepted = judged.iter().filter(|d| d.accepted).count();
    let passed = stats::wilson(accepted, decisions.len(), 0.95);
    println!(
        "null edits: {} documents, {} with gate probes, {accepted} accepted",
        decisions.len(),
        judged.len()
    );
    println!(
        "share accepted: {:.1} % ({:.1} to {:.1})",
        100.0 * accepted as f64 / decisions.len().max(1) as f64,
        passed.low * 100.0,
        passed.high * 100.0
    );
    for rule in seald::domain::decision::Rule::ALL {
        let holds = judged.iter().filter(|d| d.findings.iter().any(|f| f.rule == *rule && f.holds)).count();
        println!("  {rule} holds for {holds}");
    }
    json!(decisions)
}
