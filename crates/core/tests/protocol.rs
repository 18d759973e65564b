//! The shape of what scripts read: keys and values of `seald once --json`, against a golden file.

use std::fs;

use crate::repository::repository;
use seald_core::domain::decision::{Finding, Rule};
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::{DocumentId, TrialId};
use seald_core::domain::trial::Trial;
use seald_core::protocol::{
    Accuracies, Cell, Column, DocumentReport, ForgettingView, Measures, OnceReport, ProbeCounts,
    SelfEditCounts, Share, Tally, TimeShares, TrialReport,
};
use serde_json::Value;

fn finding(rule: Rule, holds: bool, value: f64, bound: f64, words: &str) -> Finding {
    Finding { rule, holds, value, bound, words: words.into() }
}

fn learned() -> DocumentReport {
    let trial = |name: &str, rung, gain, accuracy, chosen| TrialReport {
        name: name.into(),
        rung,
        gain,
        accuracy,
        loss: 0.75,
        tokens: 9_000,
        seconds: 2.5,
        chosen,
    };
    DocumentReport {
        path: "harbour.md".into(),
        known: true,
        title: "Harbour rules".into(),
        hash: "c0ffee".into(),
        verdict: DocumentState::Learned,
        reasons: vec![],
        probes: 24,
        probe_counts: ProbeCounts { supplied: 4, written: 30, kept: 20, facts: 8 },
        accuracies: Accuracies {
            baseline: Share::of(0, 8),
            in_context: Share::of(8, 8),
            before: Share::of(1, 8),
            adapter: Share::of(6, 8),
        },
        self_edits: SelfEditCounts { written: 8, discarded: 1, rows: 96, dropped_lines: 3 },
        trials: vec![
            trial("key_facts 1e-3 x10", 2, 3.5, Some(0.75), true),
            trial("rewrite 5e-4 x5", 0, 0.5, None, false),
        ],
        findings: vec![finding(Rule::Gain, true, 2.25, 0.0, "the gain is 2.25 nats at least")],
        scale: Some(1.0),
        generation: Some("gen-000001".into()),
        tokens_trained: 18_000,
        time: TimeShares { generation: 0.25, training: 0.5, scoring: 0.125 },
        seconds: 12.5,
    }
}

fn unreadable() -> DocumentReport {
    DocumentReport {
        path: "scan.pdf".into(),
        known: false,
        title: String::new(),
        hash: String::new(),
        verdict: DocumentState::Failed,
        reasons: vec!["scan.pdf has no text layer: run it through OCR first".into()],
        probes: 0,
        probe_counts: ProbeCounts::default(),
        accuracies: Accuracies::default(),
        self_edits: SelfEditCounts::default(),
        trials: vec![],
        findings: vec![],
        scale: None,
        generation: None,
        tokens_trained: 0,
        time: TimeShares::default(),
        seconds: 0.25,
    }
}

fn report() -> OnceReport {
    let cell = |right, asked| Some(Cell { right, asked });
    OnceReport {
        documents: vec![learned(), unreadable()],
        forgetting: ForgettingView {
            rows: vec!["gen-000001".into(), "gen-000002".into()],
            consolidated: vec![],
            columns: vec![
                Column { document: "Harbour rules".into(), learned_in: Some("gen-000001".into()) },
                Column { document: "Opening hours".into(), learned_in: Some("gen-000002".into()) },
            ],
            cells: vec![vec![cell(4, 4), None], vec![cell(3, 4), cell(4, 4)]],
            base: vec![cell(0, 4), cell(1, 4)],
            measures: Measures {
                accuracy: Some(0.875),
                backward_transfer: Some(-0.25),
                forward_transfer: None,
                forgetting: Some(0.25),
                lost: Tally { count: 1, of: 4 },
                won: Tally { count: 0, of: 0 },
            },
        },
        live: Some("gen-000002".into()),
    }
}

#[test]
fn once_writes_the_golden_object_and_reads_it_back() {
    let golden = repository().join("tests/golden/protocol/once.json");
    let text = serde_json::to_string_pretty(&report()).unwrap() + "\n";
    if std::env::var_os("SEALD_WRITE_GOLDEN").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&golden).unwrap());
    assert_eq!(serde_json::from_str::<OnceReport>(&text).unwrap(), report());
}

#[test]
fn a_training_that_no_question_ranked_says_no_gain() {
    let trial = |accuracy, chosen| Trial {
        id: TrialId(1),
        document: DocumentId(1),
        name: "union of 8".into(),
        self_edits: vec![],
        learning_rate: 5e-4,
        rung: 0,
        steps: 160,
        tokens: 9_000,
        seconds: 60.0,
        loss: 0.125,
        gain: 0.0,
        accuracy,
        chosen,
    };
    let gain = |trial: &Trial| serde_json::to_value(TrialReport::from(trial)).unwrap()["gain"].clone();
    assert_eq!(gain(&trial(None, true)), Value::Null);
    assert_eq!(gain(&trial(None, false)), 0.0, "it was ranked by log-probabilities, and lost");
    assert_eq!(gain(&trial(Some(0.5), true)), 0.0);
}

/// The keys that `docs/architecture.md` promises.
#[test]
fn once_has_the_promised_keys() {
    let page = repository().join("docs/architecture.md");
    let page = fs::read_to_string(page).unwrap();
    let start = page.find(r#"`{"documents":[{"path""#).expect("the promise stands on the page");
    let promise = page[start + 1..].split('`').next().unwrap();
    let said = serde_json::to_value(report()).unwrap();
    let (document, forgetting) = (&said["documents"][0], &said["forgetting"]);
    let mut found = 0;
    for key in promise.split(['"']).skip(1).step_by(2) {
        let somewhere: [&Value; 3] = [&said, document, forgetting];
        assert!(somewhere.iter().any(|object| object.get(key).is_some()), "{key} is promised");
        found += 1;
    }
    assert_eq!(found, 15, "{promise}");
}
