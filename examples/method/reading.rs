//! How well a model answers questions about a text that it has in sight, which training on answers from memory may spoil.

use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_learn::controls::{self, Control};
use seald_learn::session::{Question, Session};

/// Questions about each of the twelve invented texts.
const EACH: usize = 3;

/// How many of so many questions are answered right.
pub(crate) fn right(session: &Session<'_>, adapter: Option<&Adapter>) -> Result<(usize, usize)> {
    let texts = controls::texts();
    let asked: Vec<(&str, &str, Control)> = texts
        .iter()
        .flat_map(|text| {
            text.controls(EACH)
                .into_iter()
                .map(|control| (text.title.as_str(), text.passage.as_str(), control))
        })
        .collect();
    let questions: Vec<Question<'_>> = asked
        .iter()
        .map(|(title, passage, control)| Question { passage: Some((title, passage)), ..control.question() })
        .collect();
    let answered = session.ask(&questions, adapter)?;
    Ok((answered.iter().filter(|answered| answered.grade.right).count(), answered.len()))
}
