//! Answering a person: the prompt that learning trained for, the text as it comes, and how sure the model was.

use std::ops::ControlFlow;

use super::prompt::{self, Fill};
use super::session::Session;
use crate::engine::decoder::ActiveAdapter;
use crate::engine::generate::{GenerateOptions, GenerateRow, Generator};
use crate::engine::lora::Adapter;
use crate::engine::sampler::Sampling;
use crate::error::{Error, Kind, Result};

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// Its tokens, the end of the turn counted.
    pub tokens: usize,
    /// Mean ln p of its tokens, at most 0; 0 for none.
    pub mean_log_prob: f64,
}

impl Session<'_> {
    /// Answers a question from memory, the most probable text; `on_text` gets what became certain, and `Break` ends it.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a question longer than the model can read; from the engine; [`Kind::Cancelled`].
    pub fn answer(
        &self,
        question: &str,
        max_tokens: usize,
        adapter: Option<&Adapter>,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Answer> {
        let prompt = self.user(&prompt::CLOSED_BOOK.fill(Fill { question, ..Fill::default() }))?;
        if prompt.len() >= self.context() {
            let (tokens, most) = (prompt.len(), self.context());
            let text = format!(
                "the question comes to {tokens} tokens, and this model reads {most}: ask a shorter one"
            );
            return Err(Error::new(Kind::Invalid, text));
        }
        let active: Vec<_> = adapter.into_iter().map(ActiveAdapter::inference).collect();
        let options = GenerateOptions {
            max_tokens,
            sampling: Sampling { temperature: 0.0, ..Sampling::default() },
            stop_tokens: self.model.tokenizer.eos_ids().to_vec(),
            ..GenerateOptions::default()
        };
        let rows = [GenerateRow { prompt, adapter: adapter.map(|_| 0), options: None }];
        let generator = Generator::new(&self.model.decoder, Some(&self.model.tokenizer), &active);
        let found = generator.generate(&rows, &options, &mut |event| on_text(event.text), self.cancel)?;
        self.stop_if_cancelled()?;
        let Some(one) = found.into_iter().next() else { return Ok(Answer::default()) };
        let sum: f64 = one.log_probs.iter().map(|p| f64::from(*p)).sum();
        let tokens = one.token_ids.len();
        Ok(Answer { text: one.text.trim().to_string(), tokens, mean_log_prob: sum / tokens.max(1) as f64 })
    }
}
