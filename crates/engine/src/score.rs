//! Log-probabilities of given tokens, and a teacher's most probable ones, for many rows at a time.
//!
//! Forward only, and logits only where they are asked for. Rows that begin alike (questions about one passage, answers to one
//! question) share the reading of their beginning: it goes through the cache once.

use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::Tensor;

use super::batch::Batch;
use super::cache::KvCache;
use super::decoder::{ActiveAdapter, Decoder};
use super::kernels::softmax::MAX_SOFT_LABELS;
use super::loss::{self, SoftTargets};
use super::shared_beginnings::{Key, Part, fit, parts_below, trees};
use seald_core::error::{Error, Kind, Result};

/// A sequence of which some tokens are predicted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScoreRow {
    /// All tokens.
    pub tokens: Vec<u32>,
    /// Index of the first token that counts, 1 or more: the tokens before it are its context.
    pub first: usize,
    /// Which of the scorer's adapters; `None` for the bare model.
    pub adapter: Option<usize>,
}

/// How probable a row's tokens are.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Number of tokens that count.
    pub tokens: usize,
    /// Sum of their natural log-probabilities.
    pub log_prob: f64,
    /// The log-probability of each.
    pub token_log_probs: Vec<f32>,
}

/// How far a scorer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tokens read.
    pub tokens: usize,
    /// Tokens to read in all; a shared beginning counts once.
    pub total: usize,
}

/// Reads rows with one decoder.
#[derive(Debug, Clone, Copy)]
pub struct Scorer<'a> {
    /// The base model.
    pub decoder: &'a Decoder,
    /// What rows refer to by number.
    pub adapters: &'a [ActiveAdapter<'a>],
    /// Most tokens in one pass, 1 or more. Longer rows are read in parts.
    pub pass_tokens: usize,
}

impl<'a> Scorer<'a> {
    /// A scorer that reads [`Decoder::tokens_a_pass`] at a time.
    pub fn new(decoder: &'a Decoder, adapters: &'a [ActiveAdapter<'a>]) -> Self {
        Self { decoder, adapters, pass_tokens: decoder.tokens_a_pass() }
    }

    /// The log-probability of each row's tokens from its first on, in the order of `rows`. `progress` is called
    /// after each pass; `cancel` is asked before each.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a row, by its number, that has nothing to score, is too long for the model, or names
    /// a token or adapter that does not exist; [`Kind::Diverged`] for a result that is not finite;
    /// [`Kind::Cancelled`].
    pub fn score(
        &self,
        rows: &[ScoreRow],
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<Vec<Score>> {
        let compute = self.decoder.compute();
        let head =
            |hidden: &Tensor, tokens: &[u32]| loss::log_probs(compute, self.decoder.head(), hidden, tokens);
        let all = self.read_all(rows, &head, progress, cancel)?;
        let score = |(i, token_log_probs): (usize, Vec<f32>)| {
            let log_prob: f64 = token_log_probs.iter().map(|&l| f64::from(l)).sum();
            if !log_prob.is_finite() {
                return Err(not_finite(i));
            }
            Ok(Score { tokens: token_log_probs.len(), log_prob, token_log_probs })
        };
        all.into_iter().enumerate().map(score).collect()
    }

    /// The `k` most probable tokens at the place of each row's tokens from its first on, in the order of `rows`.
    ///
    /// The labels belong to those tokens, whatever comes before: a teacher that reads a document before a
    /// completion labels it for a student that does not.
    ///
    /// # Errors
    /// As [`Self::score`]; [`Kind::Invalid`] for `k` outside 1 to [`MAX_SOFT_LABELS`], and above the vocabulary.
    pub fn teacher_labels(
        &self,
        rows: &[ScoreRow],
        k: usize,
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<Vec<SoftTargets>> {
        let most = MAX_SOFT_LABELS.min(self.decoder.config().vocab_size);
        if k == 0 || k > most {
            return Err(Error::new(Kind::Invalid, format!("{k} labels at each token: give 1 to {most}")));
        }
        let compute = self.decoder.compute();
        let head = |hidden: &Tensor, _: &[u32]| loss::top_log_probs(compute, self.decoder.head(), hidden, k);
        let all = self.read_all(rows, &head, progress, cancel)?;
        let targets = |(i, places): (usize, Vec<Place>)| {
            let mut row = SoftTargets { k, ids: Vec::new(), log_probs: Vec::new() };
            for (ids, log_probs) in places {
                row.ids.extend(ids);
                row.log_probs.extend(log_probs);
            }
            if row.log_probs.iter().any(|l| !l.is_finite()) {
                return Err(not_finite(i));
            }
            Ok(row)
        };
        all.into_iter().enumerate().map(targets).collect()
    }

    /// What `head` makes of the hidden states before each row's predicted tokens, and of these.
    fn read_all<T: Send>(
        &self,
        rows: &[ScoreRow],
        head: &Head<'_, T>,
        progress: &mut dyn FnMut(Progress),
        cancel: &AtomicBool,
    ) -> Result<Vec<Vec<T>>> {
        for (i, row) in rows.iter().enumerate() {
            self.check(row).map_err(|e| e.context(format!("row {i}")))?;
        }
        // The state before a row's first predicted token must be its own; its last token predicts nothing.
        let keys = rows.iter().map(|row| Key { adapter: row.adapter, tokens: &row.tokens[..row.first - 1] });
        let trees = trees(&keys.collect::<Vec<_>>());
        let end = |row: usize| rows[row].tokens.len() - 1;
        let total = trees.iter().map(|tree| tree.tokens(&end)).sum();
        let out = rows.iter().map(|_| Vec::new()).collect();
        let cache = self.decoder.new_cache();
        let progress = Progress { tokens: 0, total }.reporter(progress);
        let mut reading = Reading { scorer: *self, rows, head, cache, out, progress, cancel };
        reading.level(trees.iter().flat_map(|tree| parts_below(tree, None, &end)).collect())?;
        Ok(reading.out)
    }

    fn check(&self, row: &ScoreRow) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        let config = self.decoder.config();
        let (n, limit) = (row.tokens.len(), config.max_position_embeddings);
        if row.first == 0 {
            return invalid("the first token cannot be predicted: let `first` be 1 or more".into());
        }
        if row.first >= n {
            let first = row.first;
            return invalid(format!(
                "there is nothing to score: it has {n} tokens and counts from {first} on"
            ));
        }
        if n > limit {
            return invalid(format!("it has {n} tokens; the model's limit is {limit}: shorten or split it"));
        }
        if let Some(token) = row.tokens.iter().find(|&&t| t as usize >= config.vocab_size) {
            let size = config.vocab_size;
            return invalid(format!("token id {token} is outside the model's vocabulary of {size}"));
        }
        match row.adapter {
            Some(a) if a >= self.adapters.len() => {
                invalid(format!("it names adapter {a}, but {} were given", self.adapters.len()))
            }
            _ => Ok(()),
        }
    }
}

fn not_finite(row: usize) -> Error {
    let text = format!(
        "row {row}: a log-probability is not finite: the model's weights or the adapter's are damaged"
    );
    Error::new(Kind::Diverged, text)
}

/// A teacher's tokens at one place and their log-probabilities.
type Place = (Vec<u32>, Vec<f32>);

/// Hidden states (m, h) and the m tokens that follow -> one result for each.
type Head<'f, T> = dyn Fn(&Tensor, &[u32]) -> Result<Vec<T>> + Sync + 'f;

impl Progress {
    /// Adds up what was read and tells `callback`.
    fn reporter<'f>(mut self, callback: &'f mut dyn FnMut(Progress)) -> impl FnMut(usize) + 'f {
        move |read| {
            self.tokens += read;
            callback(self);
        }
    }
}

/// One call of [`Scorer::read_all`].
struct Reading<'r, T, P> {
    scorer: Scorer<'r>,
    rows: &'r [ScoreRow],
    head: &'r Head<'r, T>,
    cache: KvCache,
    out: Vec<Vec<T>>,
    progress: P,
    cancel: &'r AtomicBool,
}

impl<T: Send, P: FnMut(usize)> Reading<'_, T, P> {
    /// Reads parts, as many in a pass as there is room for, and after each pass what goes on from them.
    fn level(&mut self, parts: Vec<Part<'_>>) -> Result<()> {
        let most = self.scorer.pass_tokens.max(1);
        let rows = self.rows;
        let mut rest = &parts[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fit(rest, most));
            rest = later;
            let cache = &mut self.cache;
            let slots: Vec<usize> = now.iter().map(|part| cache.after(part.after)).collect();
            // Several parts are taken only if they fit into one pass.
            let longest = now.iter().map(|part| part.range.len()).max().unwrap_or(0);
            for start in (0..longest).step_by(most) {
                self.pass(now, &slots, start, most)?;
            }
            let end = |row: usize| rows[row].tokens.len() - 1;
            let below = now.iter().zip(&slots).filter_map(|(part, slot)| Some((part.below?, *slot)));
            let below: Vec<Part<'_>> =
                below.flat_map(|(beginning, slot)| parts_below(beginning, Some(slot), &end)).collect();
            self.level(below)?;
            slots.iter().for_each(|slot| self.cache.release(*slot));
        }
        Ok(())
    }

    /// Reads `most` tokens of each part from its `start`-th on.
    fn pass(&mut self, parts: &[Part<'_>], slots: &[usize], start: usize, most: usize) -> Result<()> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::new(Kind::Cancelled, "scoring was cancelled"));
        }
        let mut batch = Batch::new();
        let (mut wanted, mut tokens, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for Part { row, range, .. } in parts {
            let (of, first) = (&self.rows[*row], batch.len());
            let range = range.start + start..range.end.min(range.start + start + most);
            batch.push(&of.tokens[range.clone()], range.start, of.adapter)?;
            let predicting = range.start.max(of.first - 1)..range.end;
            wanted.extend(predicting.clone().map(|p| (first + p - range.start) as u32));
            tokens.extend(predicting.clone().map(|p| of.tokens[p + 1]));
            counts.push(predicting.len());
        }
        let Scorer { decoder, adapters, .. } = self.scorer;
        let (cache, head) = (&mut self.cache, self.head);
        let found = decoder.compute().run(|| {
            let states = decoder.forward(&batch, adapters, Some((cache, slots)))?;
            if wanted.is_empty() {
                return Ok(Vec::new());
            }
            head(&decoder.head_input(&states, &wanted)?, &tokens)
        })?;
        let mut found = found.into_iter();
        for (part, count) in parts.iter().zip(counts) {
            self.out[part.row].extend(found.by_ref().take(count));
        }
        (self.progress)(batch.len());
        Ok(())
    }
}
