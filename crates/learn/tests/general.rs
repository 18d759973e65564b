//! The way of models that were not taught our prompts, walked by nano for want of another: what it writes is of no use, what is added by rule and how it is
//! trained on is the same.

use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_core::sentences;
use seald_engine::chat::{Message, Role};
use seald_learn::author::Author;
use seald_learn::prompt::{PromptSet, brief};
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::Session;
use seald_learn::trials::{Edit, Halving, Material};
use seald_learn::{TrainRow, rows, self_edits};

use crate::{TITLE, model, passages, reading, session};

/// A session of a model that gets the general prompts.
fn general(model: &seald_learn::Model) -> Session<'_> {
    let mut session = session(model);
    session.prompts = PromptSet::General;
    session.options = session.options.clone().for_model(PromptSet::General, model.decoder.config());
    session
}

#[test]
fn every_sentence_and_every_answer_is_taught_whatever_the_model_writes() {
    let (model, passages) = (model(), passages());
    let session = general(&model);
    let drafts =
        self_edits::write(&session, reading(&passages), &[], Author::Model(None), &mut |_| {}).unwrap();
    let rows: Vec<&RowText> =
        drafts.iter().filter(|draft| draft.discarded.is_none()).flat_map(|draft| &draft.rows).collect();
    for range in sentences::ranges(&passages[0]) {
        let sentence = RowText::Text(format!("{TITLE}\n{}", passages[0][range].trim()));
        assert!(rows.contains(&&sentence), "{sentence:?} is not among {rows:?}");
    }
    let answered =
        |text: &str| rows.iter().any(|row| matches!(row, RowText::Turn { answer, .. } if answer == text));
    for answer in ["Elmar Trondvik", "Quellmarn", "740 people"] {
        assert!(answered(answer), "nothing asks for {answer}: {rows:?}");
    }
}

#[test]
fn an_answer_is_labelled_by_who_has_the_passage_in_sight_and_a_statement_by_its_word() {
    let (model, passages) = (model(), passages());
    let session = general(&model);
    let turn = |question: String, answer: &str| (0, RowText::Turn { question, answer: answer.to_string() });
    let texts = [
        turn("Who founded the Brastonel Works?".into(), "Elmar Trondvik"),
        turn(brief("How does this sentence about \"it\" go on? It was founded by ____"), "Elmar Trondvik"),
        (0, RowText::Text("The Brastonel Works was founded by Elmar Trondvik.".into())),
    ];
    let with = |passages: &[String]| rows::distilled(&session, TITLE, passages, &texts, None).unwrap();
    let seen = with(&passages);
    let soft: Vec<bool> = seen.iter().map(|row| row.soft.is_some()).collect();
    assert_eq!(soft, [true, false, false]);
    let elsewhere = with(&["The river runs through two towns. Its water is cold.".to_string()]);
    assert_eq!(seen[0].tokens, elsewhere[0].tokens, "the passage is in the labels, not in what is read");
    assert_ne!(seen[0].soft, elsewhere[0].soft);
}

#[test]
fn how_it_reads_a_text_is_kept_and_of_that_only_the_answers_are_labelled() {
    let model = model();
    let session = general(&model);
    let samples = rehearsal::draw(&session).unwrap();
    assert_eq!(samples, rehearsal::draw(&session).unwrap(), "the same each time");
    let rehearsal = Rehearsal::new(&session, &samples).unwrap();
    let shown = |row: &TrainRow| model.tokenizer.decode(&row.tokens, false).unwrap();
    let readings: Vec<&TrainRow> = rehearsal
        .rows
        .iter()
        .filter(|row| ["Lindow Lighthouse", "Tarn 400"].iter().any(|title| shown(row).contains(title)))
        .collect();
    assert!(!readings.is_empty() && readings.len() < rehearsal.rows.len(), "{} of them", readings.len());
    for row in readings {
        let answer = row.targets.iter().filter(|target| **target).count();
        assert!(answer > 0 && answer < row.tokens.len() / 2, "{answer} of {}", row.tokens.len());
        assert!(row.targets[row.targets.len() - answer..].iter().all(|target| *target), "the end");
    }
}

#[test]
fn a_training_of_two_steps_rehearses_every_base_sample_in_each() {
    let (model, passages) = (model(), passages());
    let mut session = general(&model);
    (session.options.final_steps, session.options.rung_steps) = (2, Vec::new());
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let material =
        Material { key: TITLE, title: TITLE, passages: &passages, curriculum: &[], rehearsal: &rehearsal };
    let directive = Directive { format: Format::KeyFacts, learning_rate: 1e-4, epochs: usize::MAX };
    let edit = Edit { candidates: Vec::new(), directive, rows: Vec::new() };
    let trained = Halving::new(&session, material, None, &[]).unwrap().only(edit, &mut |_| {}).unwrap();
    let (samples, tokens) = (&rehearsal.rows, trained.outcomes[0].tokens);
    let each: usize = samples.iter().map(|row| row.tokens.len() - 1).sum();
    assert!(samples.len() > 2 && tokens as usize > 2 * each, "{tokens} tokens, {each} in the samples");
}

#[test]
fn a_training_that_moves_further_than_it_may_is_held_back_by_what_it_rehearses() {
    let (model, passages) = (model(), passages());
    let rehearsal = {
        let session = general(&model);
        Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap()
    };
    let train = |budget: f64| {
        let mut session = general(&model);
        (session.options.final_steps, session.options.rung_steps) = (60, Vec::new());
        session.gate.drift_budget = budget;
        let material = Material {
            key: TITLE,
            title: TITLE,
            passages: &passages,
            curriculum: &[],
            rehearsal: &rehearsal,
        };
        let directive = Directive { format: Format::KeyFacts, learning_rate: 5e-3, epochs: usize::MAX };
        let edit = Edit { candidates: Vec::new(), directive, rows: Vec::new() };
        let trained = Halving::new(&session, material, None, &[]).unwrap().only(edit, &mut |_| {}).unwrap();
        (trained.outcomes[0].anchors, rehearsal.drift(&session, Some(&trained.adapter)).unwrap())
    };
    let ((kl, free_factor), free) = train(100.0);
    assert!(kl > 0.0 && free_factor == 1.0, "{kl} {free_factor}");
    let ((_, factor), held) = train(free / 10.0);
    assert!(factor > 1.5 && held < free, "{factor} {held} {free}");
}

#[test]
fn drift_is_measured_on_answers_and_only_answers_are_held_to_its_budget() {
    let model = model();
    let session = general(&model);
    let samples = rehearsal::draw(&session).unwrap();
    let rehearsal = Rehearsal::new(&session, &samples).unwrap();
    let chat = model.chat.as_ref().unwrap();
    let asked = |said| chat.encode_prompt(&model.tokenizer, &[Message::new(Role::User, said)]).unwrap();
    let (one, other) = (asked("A"), asked("7"));
    let head = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let is_chat = |tokens: &[u32]| tokens.starts_with(&one[..head]);
    let guard = &samples[rehearsal.rows.len()..];
    assert!(!guard.is_empty() && guard.iter().all(|sample| is_chat(sample)), "a text is in the guard text");
    let (chats, texts): (Vec<_>, Vec<_>) = rehearsal.rows.iter().partition(|row| is_chat(&row.tokens));
    assert!(
        !texts.is_empty() && texts.iter().all(|row| !row.anchor),
        "texts are rehearsed, but are no anchors"
    );
    assert!(!chats.is_empty() && chats.iter().all(|row| row.anchor));
}
