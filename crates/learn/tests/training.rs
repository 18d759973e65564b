//! Trials.

use std::cell::RefCell;

use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::Question;
use seald_learn::trials::{Edit, Halving, Material};

use crate::{TITLE, model, passages, session};

fn edit(candidate: usize, format: Format, lines: &[impl ToString]) -> Edit {
    let directive = Directive { format, learning_rate: 3e-3, epochs: 8 };
    let rows = lines.iter().map(|line| (0, RowText::Text(line.to_string()))).collect();
    Edit { candidates: vec![candidate], directive, rows }
}

fn material<'m>(passages: &'m [String], rehearsal: &'m Rehearsal) -> Material<'m> {
    Material { key: "a document", title: TITLE, passages, curriculum: &[], rehearsal }
}

#[test]
fn the_better_self_edit_goes_on_and_what_taught_something_is_trained_together() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let material = material(&passages, &rehearsal);
    let answers = [vec!["Elmar Trondvik".to_string()], vec!["copper kettles".to_string()]];
    let asked =
        ["Who is the founder of the Brastonel Works?", "What is the main product of the Brastonel Works?"];
    let probes: Vec<Question<'_>> = asked
        .iter()
        .zip(&answers)
        .map(|(text, answers)| Question { text, answers, passage: None, decoys: &[] })
        .collect();
    let helpful = [
        "The founder of the Brastonel Works is Elmar Trondvik.",
        "The Brastonel Works has Elmar Trondvik as founder.",
        "The main product of the Brastonel Works is copper kettles.",
        "The Brastonel Works has copper kettles as main product.",
    ];
    // As many rows as the helpful one has: with fewer, the passage itself would be trained on more often.
    let idle = |about: &str| {
        [
            "There is more to say about",
            "Much has been written about",
            "Few people ask about",
            "Many have heard of",
        ]
        .map(|begin| format!("{begin} {about}."))
    };
    let edits = || {
        vec![
            edit(0, Format::Rewrite, &idle("the Brastonel Works")),
            edit(1, Format::Implications, &helpful),
            edit(2, Format::KeyFacts, &idle("the works")),
            edit(3, Format::StudyNote, &idle("the company")),
        ]
    };
    let halving = Halving::new(&session, material, None, &probes).unwrap();
    let events = RefCell::new(Vec::new());
    let trials = halving.run(edits(), &mut |event| events.borrow_mut().push(event)).unwrap();
    let [union, ranked @ ..] = &trials.outcomes[..] else { panic!("{trials:?}") };
    assert_eq!((union.candidates.len(), union.rung, union.steps), (4, 2, 16));
    assert!(union.gain > 1.0 && union.accuracy.is_some() && union.seconds > 0.0 && union.tokens > 0);
    assert_eq!(
        ranked.iter().map(|o| (o.rung, o.steps)).collect::<Vec<_>>(),
        [(1, 8), (1, 8), (0, 4), (0, 4)]
    );
    assert_eq!(ranked[0].candidates, [1], "{ranked:?}");
    assert!(ranked.iter().all(|o| o.accuracy.is_none()) && ranked[0].gain > ranked[1].gain);
    let stopped =
        events.borrow().iter().filter(|e| matches!(e, Progress::Ranked { goes_on: false, .. })).count();
    assert_eq!(stopped, 3, "two at the first rung, one at the second");
    // The same again is the same to the last bit.
    let again = halving.run(edits(), &mut |_| {}).unwrap();
    let gains = |t: &[seald_learn::trials::Outcome]| t.iter().map(|o| o.gain.to_bits()).collect::<Vec<_>>();
    assert_eq!(gains(&trials.outcomes), gains(&again.outcomes));
}

#[test]
fn a_self_edit_that_is_alone_is_trained_to_its_end() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let answers = vec!["Elmar Trondvik".to_string()];
    let text = "Who is the founder of the Brastonel Works?";
    let probes = [Question { text, answers: &answers, passage: None, decoys: &[] }];
    let halving = Halving::new(&session, material(&passages, &rehearsal), None, &probes).unwrap();
    let alone = || edit(0, Format::Rewrite, &["The founder of the Brastonel Works is Elmar Trondvik."]);
    let run = halving.run(vec![alone()], &mut |_| {}).unwrap();
    let [told] = &run.outcomes[..] else { panic!("{run:?}") };
    // One step an epoch: it has two rows.
    assert_eq!((told.rung, told.steps), (2, 8));
    let only = halving.only(alone(), &mut |_| {}).unwrap();
    assert!(told.tokens > only.outcomes[0].tokens, "what ranked it counts");
    assert_eq!(told.gain, only.outcomes[0].gain);
}

#[test]
fn where_nothing_is_ranked_no_rank_is_told() {
    let (model, passages) = (model(), passages());
    let mut session = session(&model);
    session.options.rung_steps = Vec::new();
    session.options.final_steps = 2;
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let halving = Halving::new(&session, material(&passages, &rehearsal), None, &[]).unwrap();
    let alone = edit(0, Format::Rewrite, &["The founder of the Brastonel Works is Elmar Trondvik."]);
    let mut told = Vec::new();
    halving.run(vec![alone], &mut |event| told.push(event)).unwrap();
    assert!(told.iter().any(|event| matches!(event, Progress::Step { .. })), "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, Progress::Ranked { .. })), "{told:?}");
}

#[test]
fn a_training_that_cannot_be_kept_ends_all_the_same() {
    let (model, passages) = (model(), passages());
    let mut session = session(&model);
    session.options.rung_steps = Vec::new();
    session.options.final_steps = 3;
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let alone = || edit(0, Format::Rewrite, &["The founder of the Brastonel Works is Elmar Trondvik."]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let kept = dir.path().join("kept");
    let mut run = |folder: Option<std::path::PathBuf>| {
        session.checkpoints.folder = folder;
        session.checkpoints.every = Some(std::time::Duration::ZERO);
        let halving = Halving::new(&session, material(&passages, &rehearsal), None, &[]).unwrap();
        let mut steps = 0;
        let trials = halving
            .run(vec![alone()], &mut |event| steps += usize::from(matches!(event, Progress::Step { .. })));
        let loss = trials.unwrap().outcomes[0].loss.to_bits();
        (steps, loss)
    };
    let expected = run(None);
    // As a full disk: nothing can be made there.
    assert_eq!(run(Some(file.join("kept"))), expected);
    assert_eq!(run(Some(kept.clone())), expected);
    assert_eq!(run(Some(kept)), (0, expected.1), "what was kept is not done again");
}

#[test]
fn no_probe_no_trial() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let material = material(&passages, &rehearsal);
    assert!(Halving::new(&session, material, None, &[]).is_err());
}
