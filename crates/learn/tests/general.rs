//! The way of models that were not taught our prompts, walked by nano for want of another: what it writes is of no use, what is added by rule and how it is
//! trained on is the same.

use seald_core::domain::self_edit::RowText;
use seald_learn::author::Author;
use seald_learn::prompt::{PromptSet, brief};
use seald_learn::session::Session;
use seald_learn::{exam, rows, self_edits};

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
    for range in exam::sentence_ranges(&passages[0]) {
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
