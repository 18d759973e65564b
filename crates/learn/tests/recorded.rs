//! The way of real models without one: what they wrote about texts of our own, through parsing, choosing, grading and gate. `method passages --data
//! examples/method/documents.json --record DIR` makes the files.

use std::fs;

use seald_core::domain::self_edit::Format;
use seald_learn::exam::{self, Asked, Completion, Table};
use seald_learn::gate::{self, GateInput, GateOptions};
use seald_learn::probes::Reading;
use seald_learn::{filter, grade, parse};
use serde::Deserialize;

use crate::repository::repository;

#[derive(Deserialize)]
struct Record {
    title: String,
    passage: String,
    seed: u64,
    completions: Vec<Completion>,
    in_form: Vec<String>,
    tables: Vec<Table>,
    chosen: Vec<Chosen>,
    answers: Vec<Answer>,
    texts: Vec<(Format, String)>,
    gate: Option<GateInput>,
}

#[derive(Deserialize)]
struct Chosen {
    question: String,
    answer: String,
    margin: f64,
}

#[derive(Deserialize)]
struct Answer {
    question: String,
    answers: Vec<String>,
    given: String,
    right: bool,
}

/// The records of a model, with their names.
fn records() -> Vec<(String, Record)> {
    let folder = repository().join("tests/golden/real");
    let mut found: Vec<(String, Record)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(!found.is_empty(), "no record in {}", folder.display());
    found
}

#[test]
fn completions_become_questions_and_the_likeliest_are_chosen() {
    for (name, record) in records() {
        let passages = [record.passage.clone()];
        let reading = Reading { key: "a record", title: &record.title, passages: &passages };
        let asked: Vec<Asked> = exam::sort_out(reading, record.seed, &record.completions);
        let questions: Vec<&str> = asked.iter().map(|one| one.question.as_str()).collect();
        assert_eq!(questions, record.in_form, "{name}");
        assert!(asked.len() < record.completions.len(), "{name}: a weak model writes some that are none");
        let chosen = exam::choose(&asked, &record.tables, 2);
        assert_eq!(chosen.len(), record.chosen.len(), "{name}");
        for ((one, margin), expected) in chosen.iter().zip(&record.chosen) {
            assert_eq!((&one.question, &one.span.text), (&expected.question, &expected.answer), "{name}");
            assert!((margin - expected.margin).abs() < 1e-9 && *margin > 0.0, "{name}: {margin}");
            assert!(record.passage.contains(&one.span.text), "{name}: {}", one.span.text);
        }
    }
}

#[test]
fn answers_are_graded_as_they_were() {
    for (name, record) in records() {
        for Answer { question, answers, given, right } in &record.answers {
            let rivals = exam::decoys(question, answers, &record.passage);
            let graded = grade::grade_with_rivals(question, given, answers, &rivals);
            assert_eq!(graded.right, *right, "{name}: {question:?} {given:?}");
        }
        assert!(
            record.answers.iter().any(|answer| answer.right),
            "{name}: none is right, even with the text in sight"
        );
        assert!(record.answers.iter().any(|answer| !answer.right), "{name}");
    }
}

#[test]
fn study_texts_leave_rows_that_the_passage_grounds() {
    for (name, record) in records() {
        let mut rows = 0;
        for (format, text) in &record.texts {
            let parsed = parse::rows(*format, &record.title, false, text);
            let options = filter::FilterOptions::default();
            let kept = filter::filter(parsed, &record.title, &record.passage, &[], &options, &mut |_| 10);
            assert!(kept.rows.is_empty() == kept.discarded.is_some(), "{name}: {text:?}");
            rows += kept.rows.len();
        }
        assert!(rows > 5, "{name}: {rows} rows of {} texts", record.texts.len());
    }
}

#[test]
fn the_gate_decides_the_same_and_turns_away_what_learned_nothing() {
    for (name, record) in records() {
        let input = record.gate.unwrap();
        let options = GateOptions::default();
        let decision = gate::decide(&input, &options);
        let facts: std::collections::BTreeSet<usize> = input.probes.iter().map(|probe| probe.fact).collect();
        assert!(facts.len() >= 3, "{name}: {} facts", facts.len());
        assert_eq!(input.controls.len(), 36, "{name}");
        // The same answers before and after: whatever the gate said, it says no now.
        let mut unchanged = input.clone();
        for probe in unchanged.probes.iter_mut().chain(&mut unchanged.controls) {
            (probe.right_after, probe.score_after) = (probe.right_before, probe.score_before);
        }
        assert!(!gate::decide(&unchanged, &options).accepted, "{name}");
        // The gain of the controls alone: style, which is no knowledge.
        let mut style = input.clone();
        let gain = style.controls.iter().map(|c| c.score_after - c.score_before).sum::<f64>() / 36.0;
        for probe in &mut style.probes {
            (probe.right_after, probe.score_after) = (probe.right_before, probe.score_before + gain);
        }
        assert!(!gate::decide(&style, &options).accepted, "{name}");
        assert_eq!(decision, gate::decide(&input, &options), "{name}");
    }
}
