//! Samples of progress and of a forgetting matrix, hard on a terminal; and comparing with golden files.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses a part")]

use std::fs;

use seald_core::domain::document::DocumentState;
use seald_core::domain::job::Stage;
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::Format;
use seald_core::protocol::{Cell, Column, ForgettingView, Measures, Tally};
use seald_terminal::Look;

/// Compares with `tests/golden/NAME.txt`; SEALD_WRITE_GOLDEN=1 writes it instead, to be looked at.
pub fn golden(name: &str, text: &str) {
    // This file is a part of tests at two depths, of which one has no `repository`.
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).unwrap();
    let path = root.join("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("SEALD_WRITE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap();
    assert!(text == expected, "{} differs; now:\n{text}", path.display());
}

/// A place without colours.
pub fn plain(width: usize) -> Look {
    Look { width, height: 24, colour: false, unicode: true, bars: true, terminal: true, way: "" }
}

/// A matrix of `n` generations, each of which learned one document and cost the earlier ones a little.
pub fn matrix(n: usize) -> ForgettingView {
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
        consolidated: vec![],
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
pub fn events() -> Vec<Progress> {
    let mut events = learning("Yiltonrk Trading");
    events.extend([
        Progress::Decided { accepted: true, reasons: vec![] },
        Progress::Stage { stage: Stage::Publish },
        Progress::Live { generation: "gen-000001".into() },
        Progress::Stage { stage: Stage::Replay },
        Progress::Replayed { asked: 40, right: 37, lost: 0 },
        Progress::Finished {
            verdict: DocumentState::Learned,
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
            verdict: DocumentState::Rejected,
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
        Progress::Started { document: name.into(), tokens: 1812, passages: 4, seconds: None },
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
