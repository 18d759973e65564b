//! Writers: what they are trained on, what they learn to choose, and what their self-edits earn.

use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_learn::directive;
use seald_learn::prompt::{self, Fill};
use seald_learn::session::Question;
use seald_learn::writer::{self, Lesson, Winner, WriterOptions};

use crate::{TITLE, model, passages, reading, session};

const TEXT: &str = "Question: Who founded the Brastonel Works?\nAnswer: Elmar Trondvik";

fn winner(passages: &[String]) -> Winner {
    Winner {
        key: "a document".into(),
        title: TITLE.into(),
        passages: passages.iter().map(|p| (p.clone(), TEXT.to_string())).collect(),
        directive: Directive { format: Format::SelfQa, learning_rate: 3e-3, epochs: 20 },
    }
}

#[test]
fn only_what_the_writer_should_write_carries_loss() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let winner = winner(&passages);
    let rows = writer::examples(&session, std::slice::from_ref(&winner)).unwrap();
    let learned = |i: usize| {
        let ids: Vec<u32> = rows[i].target_positions().map(|at| rows[i].tokens[at]).collect();
        let (end, said) = ids.split_last().unwrap();
        assert!(model.tokenizer.eos_ids().contains(end), "the turn ends");
        model.tokenizer.decode(said, false).unwrap()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!((learned(0), learned(1)), (directive::line(&winner.directive), TEXT.to_string()));
    let given = |i: usize| {
        let first = rows[i].target_positions().next().unwrap();
        model.tokenizer.decode(&rows[i].tokens[..first], false).unwrap()
    };
    let fill = Fill { title: TITLE, passage: &passages[0], ..Fill::default() };
    assert!(given(0).contains(&prompt::DIRECTIVE.fill(fill)));
    assert!(given(1).contains(&prompt::self_edit(Format::SelfQa).fill(fill)));
}

#[test]
fn a_writer_chooses_what_won() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let winner = winner(&passages);
    let options =
        WriterOptions { rank: 8, alpha: 16.0, learning_rate: 5e-3, epochs: 20, ..WriterOptions::default() };
    let train =
        || writer::train(&session, std::slice::from_ref(&winner), &options, 1, &mut |_| {}).unwrap().adapter;
    let adapter = train();
    let menu = directive::menu(&[3e-4, 3e-3], &[5, 20]);
    let share = |writer| {
        let shares =
            directive::probabilities(&session, &menu, "The Glimmer", "The Glimmer is a ship.", writer)
                .unwrap();
        let own = menu.iter().zip(shares).filter(|(d, _)| d.format == Format::SelfQa);
        own.map(|(_, share)| share).sum::<f64>()
    };
    let (before, after) = (share(None), share(Some(&adapter)));
    assert!(after > 2.0 * before && after > 0.5, "{before} before, {after} after");
    assert_eq!(after.to_bits(), share(Some(&train())).to_bits(), "the same again is the same");
    let nothing = writer::train(&session, &[], &options, 1, &mut |_| {});
    assert!(nothing.is_err(), "no winners, no writer");
}

#[test]
fn what_teaches_earns_and_what_is_discarded_earns_nothing() {
    let (model, passages) = (model(), passages());
    let session = session(&model);
    let answers = vec!["Elmar Trondvik".to_string()];
    let select = [Question {
        text: "Who is the founder of the Brastonel Works?",
        answers: &answers,
        passage: None,
        decoys: &[],
    }];
    let lesson = Lesson { reading: reading(&passages), select: &select, probes: &[] };
    // Enough steps for any weights of nano to say the name: below the floor nothing is earned.
    let options = WriterOptions { trial_steps: 48, ..WriterOptions::default() };
    let directive = Directive { format: Format::SelfQa, learning_rate: 3e-3, epochs: 48 };
    let mut helpful = writer::take_apart(&session, lesson, directive.clone(), vec![TEXT.into()]).unwrap();
    assert!(matches!(&helpful.rows[..], [(0, RowText::Turn { .. })]), "{helpful:?}");
    assert_eq!(helpful.reward, None);
    let adapter = writer::earn(&session, lesson, 0, &mut helpful, &options, &mut |_| {}).unwrap();
    assert!(adapter.is_some() && helpful.reward.unwrap() > 1.0, "{helpful:?}");
    let mut empty = writer::take_apart(&session, lesson, directive, vec![String::new()]).unwrap();
    assert!(empty.discarded.is_some());
    let adapter = writer::earn(&session, lesson, 1, &mut empty, &options, &mut |_| {}).unwrap();
    assert!(adapter.is_none() && empty.reward == Some(0.0));
    let sampled = || writer::sample(&session, lesson, None, 3, &options, 7, &mut |_| {}).unwrap();
    let samples = sampled();
    assert!(samples.len() == 3 && samples.iter().all(|s| s.reward.is_some()), "{samples:?}");
    assert_eq!(samples, sampled(), "the same seed is the same try");
}
