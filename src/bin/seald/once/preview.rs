//! Examples of what is shown: for the tests beside, and for the eye.
//!
//! `script -qc "cargo test --bin seald preview -- --ignored --nocapture" /dev/null` shows it at a real terminal.

use std::thread::sleep;
use std::time::Duration;

use seald_core::domain::document::DocumentState;
use seald_core::domain::progress::Progress;
use seald_core::protocol::{
    Accuracies, DocumentReport, OnceReport, ProbeCounts, SelfEditCounts, Share, TimeShares,
};
use seald_terminal::{Look, heatmap};

use super::live::Live;
use super::table;
use samples::{events, matrix};

#[path = "../../../../tests/support/terminal.rs"]
pub(super) mod samples;

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
    use DocumentState::{Failed, Learned, Rejected};
    let long =
        "Proceedings of the Committee for the Uniform Marking of Lighthouses and Buoys, Volume the Second";
    let mut rejected = document("漁業組合の規則集 👩‍👩‍👧‍👦\nsecond line", Rejected, 3, 4);
    rejected.reasons = vec![
        "the gain in log p(answer) could be chance: its lower bound is -0.12 nats a question, and it must be above 0"
            .into(),
        "5 of 40 earlier answers would be lost, and 2 are the most that are allowed".into(),
    ];
    let mut failed = document("", Failed, 0, 0);
    (failed.path, failed.probes, failed.accuracies) =
        ("scan \u{1b}[31m1987.pdf".into(), 0, Accuracies::default());
    failed.reasons = vec!["there is no text in it, only pictures: run it through OCR first".into()];
    failed.seconds = 185.0;
    let documents =
        vec![document("Yiltonrk Trading", Learned, 1, 15), document(long, Learned, 0, 16), rejected, failed];
    OnceReport { documents, forgetting: matrix(4), live: Some("gen-000004".into()) }
}

#[test]
#[ignore = "for the eye: it takes its time, and compares nothing"]
fn preview() {
    let mut live = Live::new();
    live.expect(2);
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
        heatmap::render(&samples::matrix(40), &look)
    ))
    .unwrap();
}
