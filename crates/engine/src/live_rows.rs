//! The rows of a generation between its passes: prompts that are yet to be read, and rows that are being continued.

use std::collections::HashMap;
use std::sync::Arc;

use super::generate::{FinishReason, GenerateOptions, GenerateRow, Generated, OnToken, TokenEvent};
use super::running::Member;
use super::sampler::{Chosen, Sampler};
use super::stop::RowText;
use seald_core::error::Result;

/// A prompt that is yet to be read, and the rows that continue it.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) tokens: Arc<[u32]>,
    pub(super) adapter: Option<usize>,
    pub(super) members: Vec<Member>,
    /// The slot of a beginning that it shares with others, and the tokens that are in it.
    pub(super) after: Option<(usize, usize)>,
    /// Its place in the cache and how much of it is there, once begun.
    pub(super) slot: usize,
    pub(super) read: usize,
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

/// A row that is being continued.
pub(super) struct Live<'m> {
    pub(super) row: usize,
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
