//! What a real model wrote about a text and what became of it, for tests that have no such model (`crates/learn/tests/recorded.rs`).

use serde_json::{Value, json};

use seald_core::domain::self_edit::Format;
use seald_core::error::Result;
use seald_learn::author::Author;
use seald_learn::exam::{self, Request};
use seald_learn::gate::GateInput;
use seald_learn::probes::{Kept, Reading};
use seald_learn::session::{Answered, Session};
use seald_learn::study;

/// Where the recorded questions come from; those of the exam have a seed of their own.
const SEED: u64 = 5;

/// A fresh set of questions from request to choice, the answers to the exam, the study texts, and what the gate was told.
pub(crate) fn record(
    session: &Session<'_>,
    reading: Reading<'_>,
    kept: &[Kept],
    texts: Vec<(Format, String)>,
    gate: Option<GateInput>,
) -> Result<Value> {
    let request = Request { facts: study::facts(session, reading)?, samples: 2, seed: SEED };
    let completions = exam::completions(session, reading, request, Author::Model(None))?;
    let asked = exam::sort_out(reading, SEED, &completions);
    let tables = exam::tables(session, reading, &asked)?;
    let chosen: Vec<Value> = exam::choose(&asked, &tables, 2)
        .into_iter()
        .map(|(one, margin)| json!({"question": one.question, "answer": one.span.text, "margin": margin}))
        .collect();
    let answer = |kept: &Kept, given: &Answered| json!({"question": kept.question, "answers": kept.answers, "given": given.text, "right": given.grade.right});
    let answers: Vec<Value> =
        kept.iter().flat_map(|one| [answer(one, &one.before), answer(one, &one.in_context)]).collect();
    Ok(json!({
        "title": reading.title, "passage": reading.passages[0], "seed": SEED, "completions": completions,
        "in_form": asked.iter().map(|one| &one.question).collect::<Vec<_>>(), "tables": tables, "chosen": chosen,
        "answers": answers, "texts": texts, "gate": gate,
    }))
}
