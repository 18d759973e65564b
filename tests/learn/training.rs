//! Trials.

use std::cell::RefCell;

use seald::domain::progress::Progress;
use seald::domain::self_edit::{Directive, Format, RowText};
use seald::learn::rehearsal::{self, Rehearsal};
use seald::learn::session::Question;
use seald::learn::trials::{Edit, Halving, Material};

use crate::{TITLE, model, passages, session};

fn edit(candidate: usize, format: Format, lines: &[&str]) -> Edit {
    let directive = Directive { format, learning_rate: 3e-3, epochs: 8 };
    let rows = lines.iter().map(|line| (0, RowText::Text(line.to_string()))).collect();
    Edit { candidates: vec![candidate], directive, rows }
}

fn material<'m>(passages: &'m [String], rehearsal: &'m Rehearsal) -> Material<'m> {
    Material { key: "a document", title: TITLE, passages, curriculum: &[], rehearsal }
}

#[test]
fn the_better_self_edit_goes_on_and_the_union_is_tried_beside_it() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let material = material(&passages, &rehearsal);
    let answers = [vec!["Elmar Trondvik".to_string()], vec!["copper kettles".to_string()]];
    let asked =
        ["Who is the founder of the Brastonel Works?", "What is the main product of the Brastonel Works?"];
    let probes: Vec<Question<'_>> =
        asked.iter().zip(&answers).map(|(text, answers)| Question { text, answers, passage: None }).collect();
    let helpful = [
        "The founder of the Brastonel Works is Elmar Trondvik.",
        "The Brastonel Works has Elmar Trondvik as founder.",
        "The main product of the Brastonel Works is copper kettles.",
        "The Brastonel Works has copper kettles as main product.",
    ];
    let idle = [
        "There is more to say about the Brastonel Works.",
        "Much has been written about the Brastonel Works.",
    ];
    let edits = || {
        vec![
            edit(0, Format::Rewrite, &idle),
            edit(1, Format::Implications, &helpful),
            edit(2, Format::KeyFacts, &idle[..1]),
            edit(3, Format::StudyNote, &idle[1..]),
        ]
    };
    let halving = Halving::new(&session, material, None, &probes).unwrap();
    let events = RefCell::new(Vec::new());
    let trials = halving.run(edits(), &mut |event| events.borrow_mut().push(event)).unwrap();
    let best = &trials.outcomes[0];
    assert!(best.candidates.contains(&1), "{:?}", trials.outcomes);
    assert!(best.gain > 1.0 && best.accuracy.is_some() && best.seconds > 0.0 && best.tokens > 0);
    assert!(trials.outcomes.iter().all(|o| o.gain <= best.gain));
    assert!(trials.outcomes.iter().any(|o| o.candidates.len() == 4), "the union of the four that were left");
    let stopped =
        events.borrow().iter().filter(|e| matches!(e, Progress::Ranked { goes_on: false, .. })).count();
    assert!(stopped >= 3, "{stopped}");
    // The same again is the same to the last bit.
    let again = halving.run(edits(), &mut |_| {}).unwrap();
    let gains = |t: &[seald::learn::trials::Outcome]| t.iter().map(|o| o.gain.to_bits()).collect::<Vec<_>>();
    assert_eq!(gains(&trials.outcomes), gains(&again.outcomes));
}

#[test]
fn no_probe_no_trial() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let material = material(&passages, &rehearsal);
    assert!(Halving::new(&session, material, None, &[]).is_err());
}
