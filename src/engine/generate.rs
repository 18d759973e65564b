//! Generation: prompts of any length and any adapters in one batch, read once, continued token by token.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Device;
use rayon::prelude::*;

use super::batch::Batch;
use super::cache::KvCache;
use super::decoder::{ActiveAdapter, Decoder};
use super::kernels::Slice;
use super::live_rows::{Live, Prompt, prompts};
use super::loss;
use super::sampler::{Chosen, Sampler, Sampling};
use super::stop::RowText;
use super::tokenizer::Tokenizer;
use crate::error::{Error, Kind, Result};

/// Rows of logits made at a time: 39 MB of them for a vocabulary of 151,936.
const HEAD_ROWS: usize = 64;

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
}

impl Default for GenerateOptions {
    fn default() -> Self {
        let (stop_tokens, stop_strings) = (Vec::new(), Vec::new());
        Self { max_tokens: 256, sampling: Sampling::default(), seed: 0, stop_tokens, stop_strings }
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
    /// See [`Chosen::log_prob`].
    pub log_prob: f32,
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
    /// See [`Chosen::log_prob`]; one for each token.
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
    /// A generator that reads 2,048 tokens of prompts at a time and continues 128 rows.
    pub fn new(
        decoder: &'a Decoder,
        tokenizer: Option<&'a Tokenizer>,
        adapters: &'a [ActiveAdapter<'a>],
    ) -> Self {
        Self { decoder, tokenizer, adapters, prefill_tokens: 2048, batch_rows: 128 }
    }

    /// Continues every row; results are in the order of `rows`. Rows with the same prompt and adapter share its
    /// reading. Once `cancel` is set, at the next step, all rows end as [`FinishReason::Cancelled`].
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
        self.check_options(options)?;
        for (i, row) in rows.iter().enumerate() {
            self.check_row(row).map_err(|e| e.context(format!("row {i}")))?;
        }
        let mut waiting = prompts(rows, self.batch_rows.max(1));
        let mut run = Run {
            generator: *self,
            rows,
            options,
            cache: self.decoder.new_cache(),
            live: Vec::new(),
            done: vec![None; rows.len()],
        };
        while !(waiting.is_empty() && run.live.is_empty()) {
            if cancel.load(Ordering::Relaxed) {
                break;
            }
            let mut next = Vec::new();
            let mut room = self.batch_rows.max(1) - run.live.len();
            while let Some(prompt) = waiting.pop_front_if(|p| p.members.len() <= room) {
                room -= prompt.members.len();
                next.push(prompt);
            }
            if next.is_empty() {
                run.step(on_token)?;
            } else {
                run.read_prompts(next, on_token, cancel)?;
            }
        }
        Ok(run.finish())
    }

    fn check_options(&self, options: &GenerateOptions) -> Result<()> {
        let invalid = |text: &str| Err(Error::new(Kind::Invalid, text));
        options.sampling.validate()?;
        if options.max_tokens == 0 {
            return invalid("max_tokens is 0: give 1 or more");
        }
        if options.stop_strings.iter().any(String::is_empty) {
            return invalid("a stop string is empty: give text, or leave it out");
        }
        if self.tokenizer.is_none() && !options.stop_strings.is_empty() {
            return invalid("stop strings need a tokenizer: give one, or use stop_tokens");
        }
        Ok(())
    }

    fn check_row(&self, row: &GenerateRow) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        let config = self.decoder.config();
        let (n, limit) = (row.prompt.len(), config.max_position_embeddings);
        if n == 0 {
            return invalid("the prompt has no tokens".into());
        }
        if n >= limit {
            return invalid(format!(
                "the prompt has {n} tokens, which leaves no room for an answer: the model's limit is {limit}"
            ));
        }
        if let Some(token) = row.prompt.iter().find(|&&t| t as usize >= config.vocab_size) {
            let size = config.vocab_size;
            return invalid(format!("token id {token} is outside the model's vocabulary of {size}"));
        }
        if row.adapter.is_some_and(|a| a >= self.adapters.len()) {
            let (name, count) = (row.adapter.unwrap_or_default(), self.adapters.len());
            return invalid(format!("names adapter {name}, but {count} were given"));
        }
        row.options.as_ref().map_or(Ok(()), |options| self.check_options(options))
    }

    /// One pass of the decoder: the tokens chosen after the batch's tokens `after`. Each of `picks` is an index
    /// into `after`, in ascending order, with the sampler that chooses.
    fn pass(
        &self,
        batch: &Batch,
        cache: (&mut KvCache, &[usize]),
        after: &[u32],
        mut picks: Vec<(usize, &mut Sampler)>,
    ) -> Result<Vec<Chosen>> {
        let (decoder, adapters) = (self.decoder, self.adapters);
        let compute = decoder.compute();
        compute.run(|| {
            let states = decoder.forward(batch, adapters, Some(cache))?;
            let mut all = Vec::with_capacity(picks.len());
            for (chunk, wanted) in after.chunks(HEAD_ROWS).enumerate() {
                let hidden = decoder.head_input(&states, wanted)?;
                let logits = loss::logits(compute, decoder.head(), &hidden)?.to_device(&Device::Cpu)?;
                let (data, v, first) = (Slice::of(&logits)?, decoder.config().vocab_size, chunk * HEAD_ROWS);
                let end = picks.partition_point(|p| p.0 < first + wanted.len());
                let from = all.len();
                let choose = |(at, sampler): &mut (usize, &mut Sampler)| {
                    sampler.choose(compute.isa(), &data[(*at - first) * v..][..v])
                };
                let chosen = picks[from..end].par_iter_mut().map(choose);
                all.extend(chosen.collect::<Vec<Result<Chosen>>>());
            }
            all.into_iter().collect()
        })
    }
}

/// One call of [`Generator::generate`].
struct Run<'r, 'a> {
    generator: Generator<'a>,
    rows: &'r [GenerateRow],
    options: &'r GenerateOptions,
    cache: KvCache,
    /// Those of one adapter together.
    live: Vec<Live<'r>>,
    done: Vec<Option<Generated>>,
}

impl<'r, 'a: 'r> Run<'r, 'a> {
    /// Reads prompts in passes of at most `prefill_tokens`, and chooses the first token of their rows.
    fn read_prompts(
        &mut self,
        mut prompts: Vec<Prompt<'r>>,
        on_token: &mut OnToken<'_>,
        cancel: &AtomicBool,
    ) -> Result<()> {
        for prompt in &mut prompts {
            prompt.slot = self.cache.add_slot();
        }
        while !prompts.is_empty() && !cancel.load(Ordering::Relaxed) {
            let (mut batch, mut slots, mut after, mut starting) =
                (Batch::new(), Vec::new(), Vec::new(), Vec::new());
            for prompt in &mut prompts {
                let room = self.generator.prefill_tokens.max(1) - batch.len();
                let count = room.min(prompt.tokens.len() - prompt.read);
                if count == 0 {
                    break;
                }
                batch.push(&prompt.tokens[prompt.read..][..count], prompt.read, prompt.adapter)?;
                slots.push(prompt.slot);
                prompt.read += count;
                if prompt.read == prompt.tokens.len() {
                    starting.extend(prompt.members.iter().map(|&row| (after.len(), self.start(prompt, row))));
                    after.push(batch.len() as u32 - 1);
                }
            }
            prompts.drain(..after.len()); // passes go in order: the first ones are complete
            let picks = starting.iter_mut().map(|(at, live)| (*at, &mut live.sampler)).collect();
            let chosen = self.generator.pass(&batch, (&mut self.cache, &slots), &after, picks)?;
            self.begin(starting, chosen, on_token)?;
        }
        self.live.sort_by_key(|live| (live.adapter, live.row));
        Ok(())
    }

    fn start(&self, prompt: &Prompt<'r>, row: usize) -> Live<'r> {
        let own = self.rows[row].options.as_ref();
        let options = own.unwrap_or(self.options);
        let n = prompt.tokens.len();
        let limit = self.generator.decoder.config().max_position_embeddings;
        Live {
            row,
            adapter: prompt.adapter,
            slot: prompt.slot,
            cached: n,
            options,
            most: options.max_tokens.min(limit - n),
            sampler: Sampler::new(options.sampling, options.seed, if own.is_some() { 0 } else { row }),
            text: RowText::new(self.generator.tokenizer, &options.stop_strings),
            out: Generated::default(),
        }
    }

    /// Takes the first tokens. The first row of a prompt that goes on keeps the prompt's slot, others get copies.
    fn begin(
        &mut self,
        starting: Vec<(usize, Live<'r>)>,
        chosen: Vec<Chosen>,
        on_token: &mut OnToken<'_>,
    ) -> Result<()> {
        let (mut kept, mut ended) = (None, Vec::new());
        for ((at, mut live), chosen) in starting.into_iter().zip(chosen) {
            if live.accept(chosen, on_token)? {
                ended.push(live.slot);
                self.done[live.row] = Some(live.out);
                continue;
            }
            if kept == Some(at) {
                live.slot = self.cache.fork(live.slot);
            }
            kept = Some(at);
            self.live.push(live);
        }
        for slot in ended {
            if !self.live.iter().any(|live| live.slot == slot) {
                self.cache.clear(slot);
            }
        }
        Ok(())
    }

    /// One more token for every row.
    fn step(&mut self, on_token: &mut OnToken<'_>) -> Result<()> {
        let mut batch = Batch::new();
        let mut slots = Vec::with_capacity(self.live.len());
        for live in &self.live {
            batch.push(&live.out.token_ids[live.out.token_ids.len() - 1..], live.cached, live.adapter)?;
            slots.push(live.slot);
        }
        let after: Vec<u32> = (0..slots.len() as u32).collect();
        let picks = self.live.iter_mut().enumerate().map(|(i, live)| (i, &mut live.sampler)).collect();
        let chosen = self.generator.pass(&batch, (&mut self.cache, &slots), &after, picks)?;
        for (mut live, chosen) in std::mem::take(&mut self.live).into_iter().zip(chosen) {
            live.cached += 1;
            if live.accept(chosen, on_token)? {
                self.cache.clear(live.slot);
                self.done[live.row] = Some(live.out);
            } else {
                self.live.push(live);
            }
        }
        Ok(())
    }

    /// The results; rows that did not end are cancelled, those that never began too.
    fn finish(mut self) -> Vec<Generated> {
        for live in self.live {
            self.done[live.row] = Some(live.out);
        }
        self.done.into_iter().map(Option::unwrap_or_default).collect()
    }
}
