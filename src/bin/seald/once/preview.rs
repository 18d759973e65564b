//! Examples of what is shown: for the tests beside, and for the eye.
//!
//! `script -qc "cargo test --bin seald preview -- --ignored --nocapture" /dev/null` shows it at a real terminal.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use seald::domain::document::DocumentState;
use seald::domain::job::Stage;
use seald::domain::progress::Progress;
use seald::domain::self_edit::Format;
use seald::protocol::{
    Accuracies, Cell, Column, DocumentReport, ForgettingView, Measures, OnceReport, ProbeCounts,
    SelfEditCounts, Share, Tally, TimeShares,
};

use super::live::Live;
use super::look::Look;
use super::{heatmap, table};

/// Compares with `tests/golden/once/NAME.txt`; SEALD_WRITE_GOLDEN=1 writes it instead, to be looked at.
pub(super) fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/once").join(format!("{name}.txt"));
    if std::env::var_os("SEALD_WRITE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{} differs; now:\n{text}", path.display());
}

/// A place without colours.
pub(super) fn plain(width: usize) -> Look {
    Look { width, height: 24, colour: false, unicode: true }
}

/// A document: its title and, out of 16, how many answers were right before and after.
pub(super) fn document(title: &str, verdict: DocumentState, before: usize, after: usize) -> DocumentReport {
    DocumentReport {
        known: false,
        path: "bulletins.jsonl#7".into(),
        title: title.into(),
        hash: "c0ffee".into(),
        verdict,
        reasons: vec![],
        probes: 48,
        probe_counts: ProbeCounts::default(),
        accuracies: Accuracies {
            baseline: Share::of(0, 16),
            in_context: Share::of(16, 16),
            before: Share::of(before, 16),
            adapter: Share::of(after, 16),
        },
        self_edits: SelfEditCounts::default(),
        trials: vec![],
        findings: vec![],
        scale: None,
        generation: None,
        tokens_trained: 0,
        time: TimeShares::default(),
        seconds: 12.4,
    }
}

/// Five documents that are hard on a table.
pub(super) fn report() -> OnceReport {
    use DocumentState::{Accepted, Failed, Rejected};
    let long =
        "Proceedings of the Committee for the Uniform Marking of Lighthouses and Buoys, Volume the Second";
    let mut turned_away = document("漁業組合の規則集 👩‍👩‍👧‍👦\nsecond line", Rejected, 3, 4);
    turned_away.reasons = vec![
        "the gain in log p(answer) could be chance: its lower bound is -0.12 nats a question, and it must be above 0"
            .into(),
        "5 of 40 earlier answers would be lost, and 2 are the most that are allowed".into(),
    ];
    let mut failed = document("", Failed, 0, 0);
    (failed.path, failed.probes, failed.accuracies) =
        ("scan \u{1b}[31m1987.pdf".into(), 0, Accuracies::default());
    failed.reasons = vec!["there is no text in it, only pictures: run it through OCR first".into()];
    failed.seconds = 185.0;
    let documents = vec![
        document("Yiltonrk Trading", Accepted, 1, 15),
        document(long, Accepted, 0, 16),
        turned_away,
        failed,
    ];
    OnceReport { documents, forgetting: matrix(4), live: Some("gen-000004".into()) }
}

/// A matrix of `n` generations, each of which learned one document and cost the earlier ones a little.
pub(super) fn matrix(n: usize) -> ForgettingView {
    let cell = |right| Some(Cell { right, asked: 16 });
    let row = |i: usize| {
        (0..n).map(|j| (j <= i).then(|| cell(15_usize.saturating_sub((i - j) * 3))).flatten()).collect()
    };
    let generation = |i: usize| format!("gen-{:06}", i + 1);
    let column = |j: usize| Column {
        document: [
            "Yiltonrk Trading",
            "漁業組合の規則集",
            "Opening hours of the harbour office and of its annexe",
            "Hokra",
        ][j % 4]
            .into(),
        learned_in: Some(generation(j)),
    };
    ForgettingView {
        rows: (0..n).map(generation).collect(),
        columns: (0..n).map(column).collect(),
        cells: (0..n).map(row).collect(),
        base: (0..n).map(|j| cell(j % 3)).collect(),
        measures: Measures {
            accuracy: Some(0.656),
            backward_transfer: Some(-0.375),
            forward_transfer: Some(0.004),
            forgetting: Some(0.375),
            lost: Tally { count: 0, of: 40 },
            won: Tally { count: 1, of: 8 },
        },
    }
}

/// One document that is learned and one that is not.
pub(super) fn events() -> Vec<Progress> {
    let mut events = learning("Yiltonrk Trading");
    events.extend([
        Progress::Decided { accepted: true, reasons: vec![] },
        Progress::Stage { stage: Stage::Publish },
        Progress::Live { generation: "gen-000001".into() },
        Progress::Stage { stage: Stage::Replay },
        Progress::Replayed { asked: 40, right: 37, lost: 0 },
        Progress::Finished {
            verdict: "accepted".into(),
            reasons: vec![],
            before: Some(0.625),
            after: Some(0.96),
            seconds: 12.4,
        },
    ]);
    events.extend(learning("漁業組合の規則集\n(second edition)"));
    let reasons =
        vec!["the gain in log p(answer) could be chance: its lower bound is -0.12 nats".to_string()];
    events.extend([
        Progress::Decided { accepted: false, reasons: reasons.clone() },
        Progress::Finished {
            verdict: "rejected".into(),
            reasons,
            before: Some(0.25),
            after: Some(0.3),
            seconds: 75.0,
        },
    ]);
    events
}

fn learning(name: &str) -> Vec<Progress> {
    let trials = ["key_facts 1e-3 x10", "rewrite 5e-4 x5", "union"].map(String::from);
    let mut events = vec![
        Progress::Started { document: name.into(), tokens: 1812, passages: 4 },
        Progress::Stage { stage: Stage::Probes },
        Progress::Probes { supplied: 4, written: 30, kept: 20, facts: 8 },
        Progress::Stage { stage: Stage::SelfEdits },
    ];
    for (candidate, discarded) in [None, Some("it repeats itself".to_string()), None].into_iter().enumerate()
    {
        events.push(Progress::SelfEdit { candidate, format: Format::KeyFacts, rows: 12, discarded });
    }
    events.push(Progress::Stage { stage: Stage::Trials });
    for (rung, going) in [(0, 3), (1, 1)] {
        for trial in &trials[..going] {
            let step = |step: usize| {
                let loss = 4.0 / (rung + 1) as f64 / step as f64;
                Progress::Step { trial: trial.clone(), step: rung * 20 + step, steps: rung * 20 + 20, loss }
            };
            events.extend((1..=20).map(step));
        }
        for (i, trial) in trials[..going].iter().enumerate() {
            let gain = 0.84 + rung as f64 - i as f64 / 2.0;
            events.push(Progress::Ranked { trial: trial.clone(), rung, gain, goes_on: i == 0 });
        }
    }
    events.push(Progress::Stage { stage: Stage::Gate });
    events
}

#[test]
#[ignore = "for the eye: it takes its time, and compares nothing"]
fn preview() {
    let mut live = Live::new(2);
    for event in events() {
        live.show(&event);
        let shown = if matches!(event, Progress::Step { .. }) { 30 } else { 300 };
        sleep(Duration::from_millis(shown));
    }
    live.end();
    let (look, report) = (Look::of_stdout(), report());
    let matrix = heatmap::render(&report.forgetting, &look);
    crate::output::text(&format!(
        "{}\n{matrix}\n{}",
        table::render(&report, &look),
        heatmap::render(&self::matrix(40), &look)
    ))
    .unwrap();
}
