//! The rows of a generation between its passes: prompts that are yet to be read, and rows that are being continued.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use super::generate::{FinishReason, GenerateOptions, GenerateRow, Generated, OnToken, TokenEvent};
use super::model_config::ModelConfig;
use super::running::Member;
use super::sampler::{Chosen, Sampler};
use super::stop::RowText;
use seald_core::error::{Error, Kind, Result};

/// A prompt that is yet to be read, and the rows that continue it.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) tokens: Arc<[u32]>,
    pub(super) adapter: Option<usize>,
    pub(super) members: Vec<Member>,
    /// What follows it and is only to be weighed, if that is what it is read for.
    pub(super) given: Option<Given>,
    /// The slot of a beginning that it shares with others, and the tokens that are in it.
    pub(super) after: Option<(usize, usize)>,
    /// Its place in the cache and how much of it is there, once begun.
    pub(super) slot: usize,
    pub(super) read: usize,
}

/// Tokens whose probabilities are asked for. They are read with the prompt, whose tokens hold all of them but the last.
#[derive(Debug)]
pub(super) struct Given {
    /// The caller's number for them.
    pub(super) row: usize,
    /// Index of the first in the row.
    pub(super) first: usize,
    pub(super) tokens: Vec<u32>,
    /// Natural log-probabilities of those that were come to.
    pub(super) log_probs: Vec<f32>,
}

impl Given {
    /// The tokens that come after those at `places` of the row, each with its place.
    fn after(&self, places: Range<usize>) -> impl Iterator<Item = (usize, u32)> {
        let from = places.start.max(self.first - 1);
        (from..places.end).map(|place| (place, self.tokens[place + 1 - self.first]))
    }
}

impl Prompt {
    /// The request that it is a part of; what is only weighed is one by itself.
    pub(super) fn request(&self) -> usize {
        let weighed = || self.given.as_ref().map_or(0, |given| given.row);
        self.members.first().map_or_else(weighed, |member| member.request)
    }

    /// Rows that it is read for.
    pub(super) fn rows(&self) -> usize {
        self.members.len() + usize::from(self.given.is_some())
    }

    /// Whether that is one of them.
    pub(super) fn drop_row(&mut self, row: usize) {
        self.members.retain(|member| member.row != row);
        self.given.take_if(|given| given.row == row);
    }

    /// The places of its next `count` tokens after which a given token comes, counted from the first of them, and that token.
    pub(super) fn given_after(&self, count: usize) -> Vec<(usize, u32)> {
        let Some(given) = &self.given else { return Vec::new() };
        given.after(self.read..self.read + count).map(|(place, token)| (place - self.read, token)).collect()
    }
}

/// The distinct prompts of `rows` with the numbers of the rows that continue them, those of one adapter together.
pub(super) fn distinct(rows: &[GenerateRow]) -> Vec<(&GenerateRow, Vec<usize>)> {
    let mut found: HashMap<(Option<usize>, &[u32]), usize> = HashMap::new();
    let mut prompts: Vec<(&GenerateRow, Vec<usize>)> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        match found.get(&(row.adapter, &row.prompt[..])) {
            Some(&at) => prompts[at].1.push(i),
            None => {
                found.insert((row.adapter, &row.prompt), prompts.len());
                prompts.push((row, vec![i]));
            }
        }
    }
    prompts.sort_by_key(|(row, _)| row.adapter);
    prompts
}

/// What is computed for one prompt or row in a pass.
#[expect(
    clippy::large_enum_variant,
    reason = "a row is moved once a pass, which costs less than a place for each on the heap"
)]
pub(super) enum Part<'m> {
    Next(Live<'m>),
    Read(Prompt, usize),
}

/// A row of logits that is needed after a pass: to choose from, or to look a given token up.
#[expect(clippy::large_enum_variant, reason = "as Part")]
pub(super) enum Row<'m> {
    Live(Live<'m>),
    Given { prompt: usize, token: u32 },
}

/// A row that has ended: its number and its result, or why there is none.
pub(super) type Ended = (usize, Result<Generated>);

/// Takes the probability of a given token; an error ends its row.
pub(super) fn note_given(prompt: &mut Prompt, chosen: Result<Chosen>, ended: &mut Vec<Ended>) {
    match (&mut prompt.given, chosen) {
        (Some(given), Ok(chosen)) => given.log_probs.push(chosen.log_prob),
        (Some(given), Err(error)) => {
            ended.push((given.row, Err(error)));
            prompt.given = None;
        }
        (None, _) => {}
    }
}

impl Part<'_> {
    pub(super) fn adapter(&self) -> Option<usize> {
        match self {
            Part::Next(live) => live.adapter,
            Part::Read(prompt, _) => prompt.adapter,
        }
    }
}

/// A row that is being continued.
pub(super) struct Live<'m> {
    pub(super) row: usize,
    pub(super) request: usize,
    pub(super) adapter: Option<usize>,
    pub(super) slot: usize,
    /// Tokens in its slot.
    pub(super) cached: usize,
    pub(super) options: Arc<GenerateOptions>,
    pub(super) most: usize,
    pub(super) sampler: Sampler,
    pub(super) text: RowText<'m>,
    pub(super) out: Generated,
}

/// The rows that each request has under way.
pub(super) fn rows_of_requests(live: &[Live<'_>], reading: &VecDeque<Prompt>) -> HashMap<usize, usize> {
    let read = reading.iter().map(|prompt| (prompt.request(), prompt.rows()));
    let mut rows = HashMap::new();
    for (request, more) in live.iter().map(|live| (live.request, 1)).chain(read) {
        *rows.entry(request).or_default() += more;
    }
    rows
}

impl Live<'_> {
    /// Takes a token; returns whether the row ends with it.
    pub(super) fn accept(&mut self, chosen: Chosen, on_token: &mut OnToken<'_>) -> Result<bool> {
        let Chosen { token, log_prob, top } = chosen;
        self.out.token_ids.push(token);
        self.out.log_probs.push(log_prob);
        let stops = &self.options.stop_strings;
        let is_stop = self.options.stop_tokens.contains(&token);
        let mut piece = if is_stop { self.text.finish(stops)? } else { self.text.push(token, stops)? };
        let is_full = self.out.token_ids.len() >= self.most;
        if is_full && !is_stop && piece.stop.is_none() {
            let rest = self.text.finish(stops)?;
            piece.text.push_str(&rest.text);
            piece.stop = rest.stop;
        }
        let finish = match piece.stop {
            Some(stop) => Some(FinishReason::StopString(stop.to_string())),
            None if is_stop => Some(FinishReason::Stop),
            None if is_full => Some(FinishReason::Length),
            None => None,
        };
        self.out.text.push_str(&piece.text);
        let event = TokenEvent {
            row: self.row,
            token,
            log_prob,
            top: &top,
            text: &piece.text,
            finish: finish.as_ref(),
        };
        let goes_on = on_token(event).is_continue();
        let ends = finish.is_some() || !goes_on;
        // Until it ends of its own a row's reason is `Cancelled`.
        if let Some(reason) = finish {
            self.out.finish_reason = reason;
        }
        Ok(ends)
    }
}

/// Checks how rows go on.
pub(super) fn check_options(options: &GenerateOptions, has_tokenizer: bool) -> Result<()> {
    options.validate()?;
    if !has_tokenizer && !options.stop_strings.is_empty() {
        let text = "stop strings need a tokenizer: give one, or use stop_tokens";
        return Err(Error::new(Kind::Invalid, text));
    }
    Ok(())
}

/// Checks a prompt's length and tokens.
pub(super) fn check_prompt(config: &ModelConfig, tokens: &[u32]) -> Result<()> {
    let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
    let (n, limit) = (tokens.len(), config.max_position_embeddings);
    if n == 0 {
        return invalid("the prompt has no tokens".into());
    }
    if n >= limit {
        return invalid(format!(
            "the prompt has {n} tokens, which leaves no room for an answer: the model's limit is {limit}"
        ));
    }
    if let Some(token) = tokens.iter().find(|&&t| t as usize >= config.vocab_size) {
        let size = config.vocab_size;
        return invalid(format!("token id {token} is outside the model's vocabulary of {size}"));
    }
    Ok(())
}
