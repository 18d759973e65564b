//! Base samples, guard text, distillation.

use seald_core::domain::self_edit::RowText;
use seald_engine::lora::Adapter;
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::rows;

use crate::{TITLE, model, passages, session};

#[test]
fn base_samples_are_the_models_own_and_always_the_same() {
    let model = model();
    let session = session(&model);
    let samples = rehearsal::draw(&session).unwrap();
    assert_eq!(samples, rehearsal::draw(&session).unwrap());
    assert!(
        samples.len() > 16 && samples.len() <= 20,
        "16 to train on and 4 for the guard, the empty ones left out"
    );
    let rehearsal = Rehearsal::new(&session, &samples).unwrap();
    let mut held = Vec::new();
    for row in &rehearsal.rows {
        let soft = row.soft.as_ref().unwrap();
        assert_eq!(soft.len(), row.target_count());
        assert!(!row.targets[0], "the first token was given, not written");
        held.extend((0..soft.len()).map(|i| soft.label(i).log_probs.iter().map(|l| l.exp()).sum::<f32>()));
    }
    assert!(held.iter().all(|share| (0.0..=1.001).contains(share)), "{held:?}");
    // Within a made-up name a single token may be spread wider.
    let mean = held.iter().sum::<f32>() / held.len() as f32;
    assert!(mean > 0.9, "32 tokens should hold most of the probability, not {mean}");
}

#[test]
fn what_people_say_every_day_is_rehearsed_and_of_that_only_the_answers_are_labelled() {
    let model = model();
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let shown = |tokens: &[u32]| model.tokenizer.decode(tokens, false).unwrap();
    let row = rehearsal.rows.iter().find(|row| shown(&row.tokens).contains("Hi there")).expect("a greeting");
    let answer = row.targets.iter().position(|target| *target).unwrap();
    assert!(shown(&row.tokens[..answer]).contains("Hi there"), "the prompt is given");
    assert!(row.targets[answer..].iter().all(|target| *target) && answer < row.tokens.len());
}

#[test]
fn drift_is_nothing_for_the_base_and_grows_with_the_adapter() {
    let model = model();
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    assert_eq!(rehearsal.drift(&session, None).unwrap(), 0.0);
    let config = model.decoder.config();
    let mut adapter =
        Adapter::init(&session.options.lora(), config, 1, &model.decoder.compute().device).unwrap();
    let fresh = rehearsal.drift(&session, Some(&adapter)).unwrap();
    assert!(fresh.abs() < 1e-5, "an adapter whose B is zero changes nothing: {fresh}");
    for matrices in adapter.layers.iter_mut().flatten().flatten() {
        matrices.b = matrices.b.ones_like().unwrap();
    }
    let mut last = 0.01;
    for scale in [1.0, 2.0, 4.0] {
        let scaled = seald_learn::judge::between(None, &adapter, scale).unwrap();
        let drift = rehearsal.drift(&session, Some(&scaled)).unwrap();
        assert!(drift > last, "{drift} at scale {scale}, {last} before");
        last = drift;
    }
}

#[test]
fn a_distilled_turn_learns_what_the_model_says_with_the_passage_in_sight() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let question = "Who founded the Brastonel Works?".to_string();
    let turn = RowText::Turn { question, answer: "Elmar Trondvik".into() };
    let text = RowText::Text("The Brastonel Works makes copper kettles.".into());
    let texts = [(0, turn.clone()), (0, text)];
    let rows = rows::distilled(&session, TITLE, &passages, &texts, None).unwrap();
    assert!(rows[1].soft.is_none(), "a statement has no question to ask the teacher");
    let soft = rows[0].soft.as_ref().unwrap();
    assert_eq!(soft.len(), rows[0].target_count());
    assert_eq!(
        rows[0].tokens,
        rows::row(&session, &turn).unwrap().tokens,
        "the student does not see the passage"
    );
    let first_target = rows[0].target_positions().next().unwrap();
    assert_eq!(
        soft.label(0).ids[0],
        rows[0].tokens[first_target],
        "the teacher reads the answer off the passage"
    );
}
