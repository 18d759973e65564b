//! What becomes of everyday conversation: fifty prompts that no document is about, answered before and after.

use std::path::Path;

use serde::{Deserialize, Serialize};

use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_learn::options::LearnOptions;
use seald_learn::session::{Question, Session, Writing};
use seald_learn::stats;

use crate::lab::NEVER;

/// Longest answer, tokens.
const ANSWER_TOKENS: usize = 64;

/// In place of the log-probability of an answer that says nothing; JSON has no infinity.
const SILENCE: f64 = -1e9;

/// Greedy answers, each with how probable the base finds it, nats a token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answers {
    texts: Vec<String>,
    likely: Vec<f64>,
}

/// Answers after a training beside the base's.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Everyday {
    /// Mean words of an answer.
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// Answers that are empty, or that the base finds less probable than the oddest of its own.
    pub(crate) damaged: usize,
}

/// Prints what the base and an adapter answer, and what became of them together.
pub(crate) fn measure(model: &Model, learn: LearnOptions, adapter: &Path) -> Result<()> {
    let session = Session::new(model, learn, &NEVER)?;
    let (before, after) =
        (answers(&session, None)?, answers(&session, Some(&session.load_adapter(adapter)?))?);
    for (place, prompt) in prompts().iter().enumerate() {
        println!("{prompt}\n  {}\n  {}", before.texts[place], after.texts[place]);
    }
    let Everyday { before, after, damaged } = compare(&before, &after);
    println!("\n50 everyday prompts: words before, after {before:.1}, {after:.1}; damaged {damaged}");
    Ok(())
}

fn prompts() -> Vec<String> {
    serde_json::from_str(include_str!("everyday.json")).unwrap()
}

/// What the model answers.
pub(crate) fn answers(session: &Session<'_>, adapter: Option<&Adapter>) -> Result<Answers> {
    let prompts = prompts();
    let writing = Writing { max_tokens: ANSWER_TOKENS, temperature: 0.0, top_p: None, seed: 0 };
    let texts = session.write(&prompts, writing, adapter)?;
    let said: Vec<usize> = (0..texts.len()).filter(|place| !texts[*place].is_empty()).collect();
    let question = |&place: &usize| {
        let answers = std::slice::from_ref(&texts[place]);
        Question { text: &prompts[place], answers, passage: None, decoys: &[] }
    };
    let log_probs = session.log_probs(&said.iter().map(question).collect::<Vec<_>>(), None)?;
    let mut likely = vec![SILENCE; texts.len()];
    for (place, log_prob) in said.into_iter().zip(log_probs) {
        likely[place] = log_prob / session.tokens(&texts[place])?.max(1) as f64;
    }
    Ok(Answers { texts, likely })
}

/// Compares.
pub(crate) fn compare(before: &Answers, after: &Answers) -> Everyday {
    let words = |answers: &Answers| {
        let each = answers.texts.iter().map(|text| text.split_whitespace().count() as f64);
        stats::mean(&each.collect::<Vec<_>>())
    };
    let oddest = before.likely.iter().copied().filter(|l| *l > SILENCE).fold(0.0, f64::min);
    let damaged = after.likely.iter().filter(|likely| **likely < oddest).count();
    Everyday { before: words(before), after: words(after), damaged }
}
