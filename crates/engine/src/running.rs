//! Rows under way, continued one token a pass together; others may join and leave between two passes.
//!
//! A pass holds one token of every row that is being continued and, up to a bound, tokens of prompts that are still being
//! read (Agrawal et al. 2023, arXiv 2308.16369: chunked prefill; how many: `prefill`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use candle_core::Device;
use rayon::prelude::*;

use super::admission::next_to_begin;
use super::batch::Batch;
use super::cache::KvCache;
use super::decoder::{ActiveAdapter, Decoder};
use super::generate::{GenerateOptions, Generated, OnToken};
use super::kernels::Slice;
use super::live_rows::{
    Ended, Given, Live, Part, Prompt, Row, check_options, check_prompt, note_given, rows_of_requests,
};
use super::loss;
use super::prefill::Prefill;
use super::sampler::{self, Chosen, Sampler};
use super::shared_beginnings::{Key, read_beginnings};
use super::stop::RowText;
use super::tokenizer::Tokenizer;
use seald_core::error::{Error, Kind, Result};

/// Rows of logits made at a time: 39 MB of them for a vocabulary of 151,936.
const HEAD_ROWS: usize = 64;

/// How much of the machine a generation takes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Most tokens of prompts read in one pass, 1 or more.
    pub prefill_tokens: usize,
    /// Time that a pass is to take; fewer tokens are read in it then, and prompts share them alike. None: prompts are read one after the other, for throughput.
    pub pass_time: Option<Duration>,
    /// Most rows that are continued at the same time, 1 or more; others wait until one ends, but for the first of a request (`admission`).
    pub batch_rows: usize,
}

/// A row that continues a prompt.
#[derive(Debug, Clone)]
pub struct Member {
    /// The caller's number for it, which events and results carry.
    pub row: usize,
    /// The caller's number for the request that it is a part of: requests share the places.
    pub request: usize,
    /// When and how it goes on.
    pub options: Arc<GenerateOptions>,
    /// Which of the seed's streams of random numbers it draws from.
    pub draw: usize,
}

/// The rows that one decoder continues.
pub struct Running<'m> {
    decoder: &'m Decoder,
    tokenizer: Option<&'m Tokenizer>,
    prefill: Prefill,
    batch_rows: usize,
    cache: KvCache,
    /// Prompts that have no place yet, then those that are being read; the first came first.
    waiting: VecDeque<Prompt>,
    /// Slots of beginnings that prompts which wait go on from.
    beginnings: Vec<usize>,
    reading: VecDeque<Prompt>,
    live: Vec<Live<'m>>,
}

impl<'m> Running<'m> {
    /// Nothing under way yet. Without a tokenizer all text is empty.
    pub fn new(decoder: &'m Decoder, tokenizer: Option<&'m Tokenizer>, bounds: Bounds) -> Self {
        Self {
            decoder,
            tokenizer,
            prefill: Prefill::new(bounds.prefill_tokens, bounds.pass_time),
            batch_rows: bounds.batch_rows.max(1),
            cache: decoder.new_cache(),
            waiting: VecDeque::new(),
            beginnings: Vec::new(),
            reading: VecDeque::new(),
            live: Vec::new(),
        }
    }

    /// Adds a prompt and the rows that continue it: it is read once for all of them, or as often as they do not fit into
    /// one pass together.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range, and for a prompt that is empty, too long for the model, or names a token
    /// that does not exist.
    pub fn add(&mut self, tokens: Vec<u32>, adapter: Option<usize>, members: Vec<Member>) -> Result<()> {
        check_prompt(self.decoder.config(), &tokens)?;
        members.iter().try_for_each(|m| check_options(&m.options, self.tokenizer.is_some()))?;
        let tokens: Arc<[u32]> = tokens.into();
        for members in members.chunks(self.batch_rows) {
            let (members, tokens) = (members.to_vec(), tokens.clone());
            self.wait(tokens, adapter, members, None);
        }
        Ok(())
    }

    /// Adds a row that is only weighed: the log-probabilities of its tokens from `first` on come with its end.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a row that is too long for the model or names a token that does not exist, and where no token comes before `first` or none at it.
    pub fn weigh(
        &mut self,
        row: usize,
        mut tokens: Vec<u32>,
        first: usize,
        adapter: Option<usize>,
    ) -> Result<()> {
        check_prompt(self.decoder.config(), &tokens)?;
        if !(1..tokens.len()).contains(&first) {
            let text = format!("tokens from {first} on cannot be weighed: the row has {}", tokens.len());
            return Err(Error::new(Kind::Invalid, text));
        }
        let given = Given { row, first, tokens: tokens[first..].to_vec(), log_probs: Vec::new() };
        tokens.pop();
        self.wait(tokens.into(), adapter, Vec::new(), Some(given));
        Ok(())
    }

    fn wait(
        &mut self,
        tokens: Arc<[u32]>,
        adapter: Option<usize>,
        members: Vec<Member>,
        given: Option<Given>,
    ) {
        self.waiting.push_back(Prompt { tokens, adapter, members, given, after: None, slot: 0, read: 0 });
    }

    /// Reads what the prompts that wait have in common at their beginnings, once for all of them.
    ///
    /// # Errors
    /// From the decoder.
    pub(super) fn read_beginnings(
        &mut self,
        adapters: &[ActiveAdapter<'_>],
        cancel: &AtomicBool,
    ) -> Result<()> {
        // The last token is read with the others' last ones: what comes after it is chosen from that pass.
        let keys =
            self.waiting.iter().map(|p| Key { adapter: p.adapter, tokens: &p.tokens[..p.tokens.len() - 1] });
        let keys: Vec<Key<'_>> = keys.collect();
        let most = self.prefill.most();
        let found = read_beginnings(self.decoder, adapters, &mut self.cache, &keys, most, cancel)?;
        self.beginnings.extend(found.slots);
        for (prompt, after) in self.waiting.iter_mut().zip(found.after) {
            prompt.after = after;
        }
        Ok(())
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.reading.is_empty() && self.live.is_empty()
    }

    /// Rows under way, those that wait included.
    pub fn rows(&self) -> usize {
        let unread = self.waiting.iter().chain(&self.reading).map(Prompt::rows);
        self.live.len() + unread.sum::<usize>()
    }

    /// Whether a row under way uses this adapter.
    pub fn uses(&self, adapter: usize) -> bool {
        let unread = self.waiting.iter().chain(&self.reading).map(|p| p.adapter);
        unread.chain(self.live.iter().map(|l| l.adapter)).any(|a| a == Some(adapter))
    }

    /// Ends a row where it is; nothing more is heard of it.
    pub fn remove(&mut self, row: usize) {
        if let Some(at) = self.live.iter().position(|l| l.row == row) {
            let live = self.live.remove(at);
            self.cache.release(live.slot);
        }
        for prompt in self.waiting.iter_mut().chain(&mut self.reading) {
            prompt.drop_row(row);
        }
        self.waiting.retain(|p| p.rows() > 0);
        let cache = &mut self.cache;
        self.reading.retain(|p| {
            let goes_on = p.rows() > 0;
            if !goes_on {
                cache.release(p.slot);
            }
            goes_on
        });
    }

    /// What became of the rows that have begun and not ended, and an end to everything.
    pub fn finish(self) -> impl Iterator<Item = (usize, Generated)> {
        self.live.into_iter().map(|live| (live.row, live.out))
    }

    /// One pass: a token for every row whose prompt has been read, and more of the prompts that have not. The rows that
    /// ended with it, each with its result, or with an error if its logits are not finite ([`Kind::Diverged`]).
    ///
    /// # Errors
    /// From the decoder; nothing is under way then any more.
    pub fn step(&mut self, adapters: &[ActiveAdapter<'_>], on_token: &mut OnToken<'_>) -> Result<Vec<Ended>> {
        self.admit();
        let (next, parts) = (self.live.len(), self.parts());
        let (mut batch, mut slots, mut after) = (Batch::new(), Vec::new(), Vec::new());
        let (mut rows, mut read) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Next(mut live) => {
                    batch.push(
                        &live.out.token_ids[live.out.token_ids.len() - 1..],
                        live.cached,
                        live.adapter,
                    )?;
                    slots.push(live.slot);
                    live.cached += 1;
                    rows.push((after.len(), Row::Live(live)));
                    after.push(batch.len() as u32 - 1);
                }
                Part::Read(mut prompt, count) => {
                    let start = batch.len();
                    batch.push(&prompt.tokens[prompt.read..][..count], prompt.read, prompt.adapter)?;
                    slots.push(prompt.slot);
                    for (place, token) in prompt.given_after(count) {
                        rows.push((after.len(), Row::Given { prompt: read.len(), token }));
                        after.push((start + place) as u32);
                    }
                    prompt.read += count;
                    if prompt.read == prompt.tokens.len() && !prompt.members.is_empty() {
                        let start = |member| (after.len(), Row::Live(self.start(&prompt, member)));
                        rows.extend(prompt.members.iter().map(start));
                        after.push(batch.len() as u32 - 1);
                    } else {
                        read.push(prompt);
                    }
                }
            }
        }
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let chosen = self.pass(&batch, &slots, adapters, &after, &mut rows)?;
        self.prefill.took(batch.len() - next, started.elapsed());
        let mut live = Vec::with_capacity(rows.len());
        let mut ended = Vec::new();
        for ((at, row), chosen) in rows.into_iter().zip(chosen) {
            match row {
                Row::Live(row) => live.push((at, row, chosen)),
                Row::Given { prompt, .. } => note_given(&mut read[prompt], chosen, &mut ended),
            }
        }
        self.go_on_reading(read, &mut ended);
        ended.extend(self.accept(live, on_token)?);
        Ok(ended)
    }

    /// Lets prompts that are not read to their ends wait for the next pass, before others. Of those that are, and were only weighed, tells the result.
    fn go_on_reading(&mut self, read: Vec<Prompt>, ended: &mut Vec<Ended>) {
        for mut prompt in read.into_iter().rev() {
            match prompt.given.take_if(|_| prompt.read == prompt.tokens.len()) {
                Some(Given { row, tokens, log_probs, .. }) => {
                    self.cache.release(prompt.slot);
                    ended.push((row, Ok(Generated { token_ids: tokens, log_probs, ..Generated::default() })));
                }
                // One whose probabilities could not be computed has ended.
                None if prompt.rows() == 0 => self.cache.release(prompt.slot),
                None => self.reading.push_front(prompt),
            }
        }
    }

    /// Gives places to prompts that wait.
    fn admit(&mut self) {
        let mut under_way = rows_of_requests(&self.live, &self.reading);
        while let Some(mut prompt) = {
            let waiting = self.waiting.iter().map(|prompt| (prompt.request(), prompt.rows()));
            next_to_begin(waiting, &under_way, self.batch_rows).and_then(|at| self.waiting.remove(at))
        } {
            *under_way.entry(prompt.request()).or_default() += prompt.rows();
            (prompt.slot, prompt.read) = match prompt.after {
                Some((beginning, read)) => (self.cache.fork(beginning), read),
                None => (self.cache.add_slot(), 0),
            };
            self.reading.push_back(prompt);
        }
        if self.waiting.is_empty() {
            self.beginnings.drain(..).for_each(|slot| self.cache.release(slot));
        }
    }

    /// Takes what the next pass computes, those of one adapter together: an adapter's matrices are applied to runs of rows.
    fn parts(&mut self) -> Vec<Part<'m>> {
        let mut parts: Vec<Part<'m>> = self.live.drain(..).map(Part::Next).collect();
        let unread: Vec<usize> =
            self.reading.iter().map(|prompt| prompt.tokens.len() - prompt.read).collect();
        for (prompt, share) in std::mem::take(&mut self.reading).into_iter().zip(self.prefill.shares(&unread))
        {
            match share {
                0 => self.reading.push_back(prompt),
                _ => parts.push(Part::Read(prompt, share)),
            }
        }
        parts.sort_by_key(Part::adapter);
        parts
    }

    fn start(&self, prompt: &Prompt, member: &Member) -> Live<'m> {
        let options = member.options.clone();
        let n = prompt.tokens.len();
        let limit = self.decoder.config().max_position_embeddings;
        Live {
            row: member.row,
            request: member.request,
            adapter: prompt.adapter,
            slot: prompt.slot,
            cached: n,
            most: options.max_tokens.min(limit - n),
            sampler: Sampler::new(&options, member.draw),
            text: RowText::new(self.tokenizer),
            out: Generated::default(),
            options,
        }
    }

    /// One pass of the decoder: the tokens chosen after the batch's tokens `after`. Each of `rows` has an index
    /// into `after`, in ascending order.
    fn pass(
        &mut self,
        batch: &Batch,
        slots: &[usize],
        adapters: &[ActiveAdapter<'_>],
        after: &[u32],
        rows: &mut [(usize, Row<'m>)],
    ) -> Result<Vec<Result<Chosen>>> {
        let (decoder, cache) = (self.decoder, &mut self.cache);
        let compute = decoder.compute();
        compute.run(|| {
            let states = decoder.forward(batch, adapters, Some((cache, slots)))?;
            let mut all = Vec::with_capacity(rows.len());
            for (chunk, wanted) in after.chunks(HEAD_ROWS).enumerate() {
                let hidden = decoder.head_input(&states, wanted)?;
                let logits = loss::logits(compute, decoder.head(), &hidden)?.to_device(&Device::Cpu)?;
                let (data, v, first) = (Slice::of(&logits)?, decoder.config().vocab_size, chunk * HEAD_ROWS);
                let end = rows.partition_point(|row| row.0 < first + wanted.len());
                let from = all.len();
                let choose = |(at, row): &mut (usize, Row<'m>)| {
                    let (isa, logits) = (compute.isa(), &data[(*at - first) * v..][..v]);
                    match row {
                        Row::Live(live) => live.sampler.choose(isa, logits),
                        Row::Given { token, .. } => sampler::given(isa, logits, *token),
                    }
                };
                let chosen = rows[from..end].par_iter_mut().map(choose);
                all.extend(chosen.collect::<Vec<Result<Chosen>>>());
            }
            Ok(all)
        })
    }

    /// Takes the tokens that were chosen. Of several rows that begin at one prompt's end the first that goes on keeps its
    /// slot, others get copies.
    fn accept(
        &mut self,
        rows: Vec<(usize, Live<'m>, Result<Chosen>)>,
        on_token: &mut OnToken<'_>,
    ) -> Result<Vec<Ended>> {
        let (mut ended, mut left) = (Vec::new(), Vec::new());
        let mut kept = None;
        for (at, mut live, chosen) in rows {
            let ends = match chosen {
                Ok(chosen) => live.accept(chosen, on_token)?.then_some(Ok(())),
                Err(error) => Some(Err(error)),
            };
            if let Some(how) = ends {
                left.push(live.slot);
                ended.push((live.row, how.map(|()| live.out)));
                continue;
            }
            if kept == Some(at) {
                live.slot = self.cache.fork(live.slot);
            }
            kept = Some(at);
            self.live.push(live);
        }
        left.dedup();
        for slot in left {
            if !self.live.iter().any(|live| live.slot == slot) {
                self.cache.release(slot);
            }
        }
        Ok(ended)
    }
}
