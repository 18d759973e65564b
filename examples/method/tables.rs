//! The measurements as Markdown, and as JSON with every number behind them.

use seald_core::domain::decision::Decision;
use seald_learn::stats;
use serde_json::{Value, json};

use crate::cost::{Seconds, Timed};
use crate::forgetting::Sequence;
use crate::lab::Table;
use crate::reward::{Choice, Scored, choices, within};
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

/// Correlations of two short trainings of the same self-edit, and of the first with the whole training.
pub(crate) fn reward(scored: &[Scored]) -> Value {
    println!("| score | against | pairs | within documents (95 %) | over all documents (95 %) |");
    println!("|---|---|---|---|---|");
    type Score = fn(&Scored) -> (f64, f64);
    const GAIN: &str = "mean gain of log p(answer), select probes";
    let scores: [(&str, &str, Score); 4] = [
        (GAIN, "another short training", |t| t.gain),
        ("share right of 5 questions", "another short training", |t| t.accuracy),
        (GAIN, "gain after the whole training", |t| (t.gain.0, t.whole_gain)),
        (GAIN, "share right after the whole training", |t| (t.gain.0, t.whole_accuracy)),
    ];
    let shown = |pairs: &[(f64, f64)]| match stats::correlation(pairs, 0.95) {
        Some(r) => format!("{:.2} ({:.2} to {:.2})", r.mean, r.interval.low, r.interval.high),
        None => "-".into(),
    };
    for (name, against, score) in scores {
        let all: Vec<(f64, f64)> = scored.iter().map(score).collect();
        println!(
            "| {name} | {against} | {} | {} | {} |",
            all.len(),
            shown(&within(scored, score)),
            shown(&all)
        );
    }
    let choices = choices(scored);
    let of = |figure: fn(&Choice) -> f64| interval(&choices.iter().map(figure).collect::<Vec<_>>(), 100.0);
    println!(
        "\nRight after the whole training, %: {} of the candidate that the short one ranks first, {} of all, {} of the best one.",
        of(|c| c.chosen),
        of(|c| c.average),
        of(|c| c.best),
    );
    println!("Chosen less average, points: {}.", of(|c| c.chosen - c.average));
    json!(scored)
}

/// Medians over all rounds of all documents; times against one after the other are those of the same round, with quartiles.
pub(crate) fn cost(timed: &[Timed]) -> Value {
    println!(
        "| trials of a document | seconds | processor seconds | against one after the other: seconds | processor seconds |"
    );
    println!("|---|---|---|---|---|");
    let sorted = |figure: &dyn Fn(&Timed) -> f64| {
        let mut values: Vec<f64> = timed.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let middle = |figure: &dyn Fn(&Timed) -> f64| stats::quantile(&sorted(figure), 0.5);
    let quartiles = |figure: &dyn Fn(&Timed) -> f64| {
        let values = sorted(figure);
        let at = |share| stats::quantile(&values, share);
        format!("{:.2} ({:.2} to {:.2})", at(0.5), at(0.25), at(0.75))
    };
    type Way = fn(&Timed) -> Seconds;
    let ways: [(&str, Way); 2] = [("one after the other", |t| t.alone), ("side by side", |t| t.together)];
    for (name, way) in ways {
        println!(
            "| {name} | {:.2} | {:.2} | {} | {} |",
            middle(&|t| way(t).wall),
            middle(&|t| way(t).processor),
            quartiles(&|t| way(t).wall / t.alone.wall),
            quartiles(&|t| way(t).processor / t.alone.processor),
        );
    }
    let most = timed.iter().map(|t| t.difference).fold(0.0, f64::max);
    println!(
        "\n{} rounds; {:.0} trials and {:.0} tokens a document (medians); losses differ by {most:.0e} at most.",
        timed.len(),
        middle(&|t| t.trials as f64),
        middle(&|t| t.tokens as f64),
    );
    json!(timed)
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
    for rule in seald_core::domain::decision::Rule::ALL {
        let holds = judged.iter().filter(|d| d.findings.iter().any(|f| f.rule == *rule && f.holds)).count();
        println!("  {rule} holds for {holds}");
    }
    json!(decisions)
}
