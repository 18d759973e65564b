//! The table of real passages.

use seald_learn::probes::PassRates;
use seald_learn::stats;

use crate::everyday::Everyday;
use crate::passages_line::Line;
use crate::people::Score;

/// Prints the table of all passages that were measured; intervals are bootstraps over passages.
pub(crate) fn print(lines: &[Line]) {
    println!("| of {} passages | |\n|---|---|", lines.len());
    let rates: Vec<PassRates> = lines.iter().filter_map(|line| line.rates).collect();
    let each =
        |of: &dyn Fn(&PassRates) -> usize| rates.iter().map(of).sum::<usize>() as f64 / rates.len() as f64;
    println!(
        "| a passage: written, in form, supported, needed, kept | {:.1}, {:.1}, {:.1}, {:.1}, {:.1} |",
        each(&|r| r.written),
        each(&|r| r.grounded),
        each(&|r| r.agreed),
        each(&|r| r.needed),
        each(&|r| r.kept)
    );
    let mean = |of: &dyn Fn(&Line) -> f64| stats::mean(&lines.iter().map(of).collect::<Vec<_>>());
    println!(
        "| gate facts (of them statements), retain | {:.1} ({:.1}), {:.1} |",
        mean(&|l| l.gate_facts as f64),
        mean(&|l| l.cloze as f64),
        mean(&|l| l.retain as f64)
    );
    for way in ["base", "in context", "passage only", "ours"] {
        let scores: Vec<(&Line, &Score)> =
            lines.iter().filter_map(|line| Some((line, line.scores.get(way)?))).collect();
        if scores.is_empty() {
            continue;
        }
        let share: Vec<f64> =
            scores.iter().map(|(_, s)| s.right as f64 / s.asked.max(1) as f64 * 100.0).collect();
        let margin: Vec<f64> = scores.iter().map(|(_, s)| s.margin).collect();
        let (right, margin) =
            (stats::bootstrap_mean(&share, 0.95, 1), stats::bootstrap_mean(&margin, 0.95, 1));
        println!(
            "| {way} | {} %; margin {} ({} passages) |",
            interval(&right, 1),
            interval(&margin, 2),
            scores.len()
        );
    }
    let paired = |a: &str, b: &str| -> Vec<f64> {
        let share = |s: &Score| s.right as f64 / s.asked.max(1) as f64 * 100.0;
        lines.iter().filter_map(|l| Some(share(l.scores.get(a)?) - share(l.scores.get(b)?))).collect()
    };
    for (a, b) in [("ours", "base"), ("ours", "passage only")] {
        let differences = paired(a, b);
        if differences.len() > 1 {
            println!("| {a} - {b} | {} points |", interval(&stats::bootstrap_mean(&differences, 0.95, 1), 1));
        }
    }
    let count = |of: &dyn Fn(&Line) -> Option<bool>| {
        let all: Vec<bool> = lines.iter().filter_map(of).collect();
        format!("{} of {}", all.iter().filter(|yes| **yes).count(), all.len())
    };
    println!("| accepted: own, null | {}, {} |", count(&|l| l.accepted), count(&|l| l.null_accepted));
    let sum = |of: &dyn Fn(&Line) -> usize| lines.iter().map(of).sum::<usize>();
    println!("| base-right answers lost | {} of {} |", sum(&|l| l.lost), sum(&|l| l.known));
    let everyday: Vec<_> = lines.iter().filter_map(|line| line.everyday).collect();
    if !everyday.is_empty() {
        let mean = |of: fn(&Everyday) -> f64| stats::mean(&everyday.iter().map(of).collect::<Vec<_>>());
        let most = everyday.iter().map(|one| one.damaged).max().unwrap_or(0);
        println!(
            "| 50 everyday prompts: words before, after; damaged, most of one passage | {:.1}, {:.1}; {most} |",
            mean(|one| one.before),
            mean(|one| one.after)
        );
    }
    let reading: Vec<_> = lines.iter().filter_map(|line| line.reading).collect();
    if let Some((_, _, asked)) = reading.first() {
        let mean = |of: fn(&(usize, usize, usize)) -> usize| {
            stats::mean(&reading.iter().map(|one| of(one) as f64).collect::<Vec<_>>())
        };
        println!(
            "| {asked} questions with another text in sight: right before, after | {:.1}, {:.1} |",
            mean(|one| one.0),
            mean(|one| one.1)
        );
    }
    println!(
        "| trained, generated, scored tokens | {:.0}, {:.0}, {:.0} |",
        mean(&|l| l.trained_tokens as f64),
        mean(&|l| l.generated_tokens as f64),
        mean(&|l| l.scored_tokens as f64)
    );
    for stage in ["exam", "ask", "passage only", "study texts", "training", "gate", "null", "everyday"] {
        println!("| {stage}, s | {:.0} |", mean(&|l| l.seconds.get(stage).copied().unwrap_or(0.0)));
    }
}

fn interval(estimate: &stats::Estimate, digits: usize) -> String {
    format!(
        "{:.*} ({:.*} to {:.*})",
        digits, estimate.mean, digits, estimate.interval.low, digits, estimate.interval.high
    )
}
