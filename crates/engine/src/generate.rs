//! Generation: prompts of any length and any adapters in one batch, read once, continued token by token.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::decoder::{ActiveAdapter, Decoder};
use super::grammar::Grammar;
use super::live_rows::distinct;
use super::running::{Bounds, Member, Running};
use super::sampler::Sampling;
use super::tokenizer::Tokenizer;
use seald_core::error::{Error, Kind, Result};

/// Most alternatives of a token that are told.
pub const MAX_TOP: usize = 20;

/// When and how a generation goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// Most tokens of each row, 1 or more. The model's limit on prompt and answer together may come before.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Where the random numbers come from. A row's depend on this and its number, not on the other rows; the
    /// logits only in rounding (f32 products of other sizes sum in another order).
    pub seed: u64,
    /// Tokens that end a row. Such a token is the last of the row's ids; its text is not part of the text.
    pub stop_tokens: Vec<u32>,
    /// Texts that end a row; its text ends before them, its ids with the token that completed one.
    pub stop_strings: Vec<String>,
    /// The form that the text must take: only tokens that can lead to it are chosen.
    pub grammar: Option<Grammar>,
    /// How many of the most probable tokens are told with each, 0 to 20.
    pub top: usize,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        let (stop_tokens, stop_strings) = (Vec::new(), Vec::new());
        let sampling = Sampling::default();
        Self { max_tokens: 256, sampling, seed: 0, stop_tokens, stop_strings, grammar: None, top: 0 }
    }
}

impl GenerateOptions {
    /// Checks every value's range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        self.sampling.validate()?;
        if self.max_tokens == 0 {
            return invalid("max_tokens is 0: give 1 or more".into());
        }
        if self.stop_strings.iter().any(String::is_empty) {
            return invalid("a stop string is empty: give text, or leave it out".into());
        }
        if self.top > MAX_TOP {
            return invalid(format!("top is {}: give at most {MAX_TOP}", self.top));
        }
        Ok(())
    }
}

/// One prompt to continue.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerateRow {
    /// Token ids, at least one.
    pub prompt: Vec<u32>,
    /// Which of the generator's adapters; `None` for the bare model.
    pub adapter: Option<usize>,
    /// In place of the call's options. The row then draws like row 0 of a call with these options, so that a
    /// request gets the same answer whatever it is batched with.
    pub options: Option<GenerateOptions>,
}

/// A token as it comes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenEvent<'a> {
    /// Which row it belongs to.
    pub row: usize,
    /// The token.
    pub token: u32,
    /// See [`super::sampler::Chosen::log_prob`].
    pub log_prob: f32,
    /// The most probable tokens in its place with their log-probabilities, as many as [`GenerateOptions::top`] says.
    pub top: &'a [(u32, f32)],
    /// The text that became certain with it, often more or less than its own. A row's texts together are
    /// [`Generated::text`].
    pub text: &'a str,
    /// Why it is the row's last, if it is.
    pub finish: Option<&'a FinishReason>,
}

/// Why a row ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop token.
    Stop,
    /// This stop string.
    StopString(String),
    /// As many tokens as were asked for, or as the model can take.
    Length,
    /// The caller wanted no more.
    #[default]
    Cancelled,
}

/// A row's result.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generated {
    /// The new tokens, with the stop token if one came.
    pub token_ids: Vec<u32>,
    /// See [`super::sampler::Chosen::log_prob`]; one for each token.
    pub log_probs: Vec<f32>,
    /// Their text, special tokens left out; empty without a tokenizer.
    pub text: String,
    /// Why it ends there.
    pub finish_reason: FinishReason,
}

/// What is called with each token; `Break` ends that token's row.
pub type OnToken<'f> = dyn FnMut(TokenEvent<'_>) -> ControlFlow<()> + 'f;

/// Continues prompts with one decoder.
#[derive(Debug, Clone, Copy)]
pub struct Generator<'a> {
    /// The base model.
    pub decoder: &'a Decoder,
    /// For texts and stop strings.
    pub tokenizer: Option<&'a Tokenizer>,
    /// What rows refer to by number.
    pub adapters: &'a [ActiveAdapter<'a>],
    /// Most tokens of prompts read in one pass, 1 or more.
    pub prefill_tokens: usize,
    /// Most rows that are continued at the same time, 1 or more; others wait until one ends.
    pub batch_rows: usize,
}

impl<'a> Generator<'a> {
    /// A generator that reads [`Decoder::tokens_a_pass`] of prompts at a time and continues 128 rows.
    pub fn new(
        decoder: &'a Decoder,
        tokenizer: Option<&'a Tokenizer>,
        adapters: &'a [ActiveAdapter<'a>],
    ) -> Self {
        let prefill_tokens = decoder.tokens_a_pass();
        Self { decoder, tokenizer, adapters, prefill_tokens, batch_rows: 128 }
    }

    /// Continues every row; results are in the order of `rows`. Rows with the same adapter
    /// share the reading of what their prompts have in common at the beginning. Once `cancel` is set, at the next step, all rows end as [`FinishReason::Cancelled`].
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range, and for a row, by its number, that is empty, too long for the
    /// model, or names a token or adapter that does not exist; [`Kind::Diverged`] for logits that are not finite.
    pub fn generate(
        &self,
        rows: &[GenerateRow],
        options: &GenerateOptions,
        on_token: &mut OnToken<'_>,
        cancel: &AtomicBool,
    ) -> Result<Vec<Generated>> {
        options.validate()?;
        for (i, row) in rows.iter().enumerate() {
            row.options
                .as_ref()
                .map_or(Ok(()), GenerateOptions::validate)
                .map_err(|e| e.context(format!("row {i}")))?;
        }
        let Self { decoder, tokenizer, adapters, prefill_tokens, batch_rows } = *self;
        let mut running =
            Running::new(decoder, tokenizer, Bounds { prefill_tokens, pass_time: None, batch_rows });
        let shared = Arc::new(options.clone());
        let member = |row: usize| match &rows[row].options {
            Some(own) => Member { row, request: 0, options: Arc::new(own.clone()), draw: 0 },
            None => Member { row, request: 0, options: shared.clone(), draw: row },
        };
        for (row, members) in distinct(rows) {
            let first = members.first().copied().unwrap_or_default();
            self.check_adapter(row.adapter)
                .and_then(|()| {
                    running.add(row.prompt.clone(), row.adapter, members.into_iter().map(member).collect())
                })
                .map_err(|e| e.context(format!("row {first}")))?;
        }
        running.read_beginnings(adapters, cancel)?;
        let mut done: Vec<Option<Generated>> = vec![None; rows.len()];
        while !running.is_empty() && !cancel.load(Ordering::Relaxed) {
            for (row, result) in running.step(adapters, on_token)? {
                done[row] = Some(result?);
            }
        }
        // Those that did not end are cancelled; those that never began too.
        for (row, so_far) in running.finish() {
            done[row] = Some(so_far);
        }
        Ok(done.into_iter().map(Option::unwrap_or_default).collect())
    }

    fn check_adapter(&self, adapter: Option<usize>) -> Result<()> {
        match adapter {
            Some(name) if name >= self.adapters.len() => {
                let count = self.adapters.len();
                Err(Error::new(Kind::Invalid, format!("names adapter {name}, but {count} were given")))
            }
            _ => Ok(()),
        }
    }
}
