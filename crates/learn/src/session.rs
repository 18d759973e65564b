//! A model at work for the method: asking, answering, writing, and what that cost.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::answer::prompt_tokens;
use super::grade::{Grade, grade};
use super::options::LearnOptions;
use super::prompt::{self, Fill};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::StagedDir;
use seald_engine::adapter_files;
use seald_engine::chat::{Message, Role};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::{GenerateOptions, GenerateRow, Generator};
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_engine::sampler::Sampling;
use seald_engine::score::{ScoreRow, Scorer};

/// Most tokens of an answer: SEAL's limit.
pub const ANSWER_TOKENS: usize = 64;

/// What the work cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Seconds of writing text.
    pub generation_seconds: f64,
    /// Seconds of training.
    pub training_seconds: f64,
    /// Seconds of computing probabilities of given text.
    pub scoring_seconds: f64,
    /// Tokens written.
    pub generated_tokens: u64,
    /// Tokens trained on, counting repetitions.
    pub trained_tokens: u64,
    /// Tokens whose probability was computed, with their contexts.
    pub scored_tokens: u64,
}

impl Tally {
    /// What was spent since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            generation_seconds: self.generation_seconds - earlier.generation_seconds,
            training_seconds: self.training_seconds - earlier.training_seconds,
            scoring_seconds: self.scoring_seconds - earlier.scoring_seconds,
            generated_tokens: self.generated_tokens - earlier.generated_tokens,
            trained_tokens: self.trained_tokens - earlier.trained_tokens,
            scored_tokens: self.scored_tokens - earlier.scored_tokens,
        }
    }
}

/// One question for [`Session::ask`].
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The question.
    pub text: &'a str,
    /// Accepted answers, at least one.
    pub answers: &'a [String],
    /// Title and passage, if they may be read.
    pub passage: Option<(&'a str, &'a str)>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer, greedy.
    pub text: String,
    /// What it is worth.
    pub grade: Grade,
    /// Sum of ln p over the tokens of the first accepted answer and the end of the turn.
    pub log_prob: f64,
}

/// How text is written.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    /// Most tokens.
    pub max_tokens: usize,
    /// 0 for the most probable text.
    pub temperature: f64,
    /// Where the random numbers come from.
    pub seed: u64,
}

/// One model with the method's options.
#[derive(Debug)]
pub struct Session<'a> {
    /// The base model.
    pub model: &'a Model,
    /// Options, the menu of learning rates filled in.
    pub options: LearnOptions,
    /// Set from outside to stop.
    pub cancel: &'a AtomicBool,
    /// Memory that training may take, bytes; none: what the machine has free.
    pub max_memory: Option<u64>,
    tally: RefCell<Tally>,
}

impl<'a> Session<'a> {
    /// A session.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range.
    pub fn new(model: &'a Model, options: LearnOptions, cancel: &'a AtomicBool) -> Result<Self> {
        options.validate()?;
        let options = options.for_model(model.decoder.config().hidden_size);
        Ok(Self { model, options, cancel, max_memory: None, tally: RefCell::default() })
    }

    /// What the work has cost.
    pub fn tally(&self) -> Tally {
        *self.tally.borrow()
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut Tally)) {
        add(&mut self.tally.borrow_mut());
    }

    /// Longest text the model can take, tokens.
    pub fn context(&self) -> usize {
        self.model.decoder.config().max_position_embeddings
    }

    /// Fewest and most tokens of a passage: 400 to 600, less where prompt, passage and what is written about it would not fit the
    /// model's context.
    pub fn passage_tokens(&self) -> (usize, usize) {
        let most = (self.context() * 2 / 5).clamp(16, 600);
        (most * 2 / 3, most)
    }

    /// Number of tokens of a text.
    ///
    /// # Errors
    /// From the tokenizer.
    pub fn tokens(&self, text: &str) -> Result<usize> {
        Ok(self.model.tokenizer.encode_text(text)?.len())
    }

    /// Tokens of what a user says, up to where the answer begins. A model without chat template gets the text and a line end.
    pub(super) fn user(&self, text: &str) -> Result<Vec<u32>> {
        prompt_tokens(self.model, &[Message::new(Role::User, text)])
    }

    /// Tokens of a turn and the index of the answer's first one; the last is the end of the turn.
    pub(super) fn turn(&self, asked: &str, said: &str) -> Result<(Vec<u32>, usize)> {
        let Some(chat) = &self.model.chat else {
            let mut tokens = self.user(asked)?;
            let first = tokens.len();
            tokens.extend(self.model.tokenizer.encode_text(said)?);
            tokens.extend(self.model.tokenizer.eos_ids().first());
            return Ok((tokens, first));
        };
        let messages = [Message::new(Role::User, asked), Message::new(Role::Assistant, said)];
        let (mut tokens, mask) = chat.encode_training(&self.model.tokenizer, &messages)?;
        let nothing = || Error::new(Kind::Invalid, format!("the answer {said:?} has no tokens"));
        let first = mask.iter().position(|m| *m).ok_or_else(nothing)?;
        let last = mask.iter().rposition(|m| *m).ok_or_else(nothing)?;
        tokens.truncate(last + 1);
        Ok((tokens, first))
    }

    /// Tokens of a question as the model gets it.
    ///
    /// # Errors
    /// From the tokenizer or the chat template.
    pub fn prompt_tokens(&self, question: &Question<'_>) -> Result<Vec<u32>> {
        self.user(&asked(question))
    }

    /// Puts questions to the base or to an adapter: greedy answers, their grades, and the log-probability of the right answer.
    ///
    /// # Errors
    /// From the engine; [`Kind::Cancelled`].
    pub fn ask(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<Answered>> {
        let prompts: Vec<String> = questions.iter().map(asked).collect();
        let writing = Writing { max_tokens: ANSWER_TOKENS, temperature: 0.0, seed: 0 };
        let answers = self.write(&prompts, writing, adapter)?;
        let log_probs = self.log_probs(questions, adapter)?;
        let answered = questions.iter().zip(answers).zip(log_probs);
        Ok(answered
            .map(|((q, text), log_prob)| Answered { grade: grade(&text, q.answers), text, log_prob })
            .collect())
    }

    /// Sum of ln p of each question's first accepted answer, the end of the turn included.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn log_probs(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<f64>> {
        let mut rows = Vec::with_capacity(questions.len());
        for question in questions {
            let (tokens, first) = self.turn(&asked(question), first_answer(question)?)?;
            rows.push(ScoreRow { tokens, first, adapter: adapter.map(|_| 0) });
        }
        self.score(&rows, adapter)
    }

    /// Sum of ln p of each row's tokens from its first on.
    pub(super) fn score(&self, rows: &[ScoreRow], adapter: Option<&Adapter>) -> Result<Vec<f64>> {
        let started = Instant::now();
        let active: Vec<_> = adapter.into_iter().map(ActiveAdapter::inference).collect();
        let scores = Scorer::new(&self.model.decoder, &active).score(rows, &mut |_| {}, self.cancel)?;
        self.count(|t| {
            t.scoring_seconds += started.elapsed().as_secs_f64();
            t.scored_tokens += rows.iter().map(|r| r.tokens.len() as u64).sum::<u64>();
        });
        Ok(scores.into_iter().map(|s| s.log_prob).collect())
    }

    /// What the model writes after each prompt (a user's turn).
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn write(
        &self,
        prompts: &[String],
        writing: Writing,
        adapter: Option<&Adapter>,
    ) -> Result<Vec<String>> {
        let rows: Vec<Vec<u32>> = prompts.iter().map(|p| self.user(p)).collect::<Result<_>>()?;
        let stops = self.model.tokenizer.eos_ids().to_vec();
        let written = self.continue_from(rows, writing, stops, adapter)?;
        Ok(written.into_iter().map(|(_, text)| text.trim().to_string()).collect())
    }

    /// The tokens, and their text, that follow each row.
    pub(super) fn continue_from(
        &self,
        rows: Vec<Vec<u32>>,
        writing: Writing,
        stop_tokens: Vec<u32>,
        adapter: Option<&Adapter>,
    ) -> Result<Vec<(Vec<u32>, String)>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let active: Vec<_> = adapter.into_iter().map(ActiveAdapter::inference).collect();
        let make = |prompt| GenerateRow { prompt, adapter: adapter.map(|_| 0), options: None };
        let rows: Vec<GenerateRow> = rows.into_iter().map(make).collect();
        let options = GenerateOptions {
            max_tokens: writing.max_tokens,
            sampling: Sampling { temperature: writing.temperature, ..Sampling::default() },
            seed: writing.seed,
            stop_tokens,
            ..GenerateOptions::default()
        };
        let generator = Generator::new(&self.model.decoder, Some(&self.model.tokenizer), &active);
        let found = generator.generate(&rows, &options, &mut |_| ControlFlow::Continue(()), self.cancel)?;
        self.stop_if_cancelled()?;
        self.count(|t| {
            t.generation_seconds += started.elapsed().as_secs_f64();
            t.generated_tokens += found.iter().map(|g| g.token_ids.len() as u64).sum::<u64>();
        });
        Ok(found.into_iter().map(|g| (g.token_ids, g.text)).collect())
    }

    /// An error once somebody asked to stop.
    pub(super) fn stop_if_cancelled(&self) -> Result<()> {
        match self.cancel.load(Ordering::Relaxed) {
            true => Err(Error::new(Kind::Cancelled, "learning was stopped")),
            false => Ok(()),
        }
    }

    /// The adapter in a folder.
    ///
    /// # Errors
    /// As [`Model::load_adapter`].
    pub fn load_adapter(&self, dir: &Path) -> Result<Adapter> {
        Ok(self.model.load_adapter(dir)?.adapter)
    }

    /// Writes an adapter's files; returns their content hash.
    ///
    /// # Errors
    /// [`Kind::Io`] naming the file.
    pub fn write_adapter(&self, adapter: &Adapter, staged: &StagedDir) -> Result<String> {
        adapter_files::write(adapter, staged, &self.model.adapter_meta())
    }

    /// A seed for one purpose of one document.
    pub(super) fn seed(&self, document: &str, purpose: &str) -> u64 {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"seald learn v1").update(&self.options.seed.to_le_bytes());
        hasher.update(document.as_bytes()).update(&[0]).update(purpose.as_bytes());
        let mut bytes = [0; 8];
        hasher.finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The prompt of a question.
fn asked(question: &Question<'_>) -> String {
    match question.passage {
        Some((title, passage)) => prompt::OPEN_BOOK.fill(Fill { title, passage, question: question.text }),
        None => prompt::CLOSED_BOOK.fill(Fill { question: question.text, ..Fill::default() }),
    }
}

fn first_answer<'q>(question: &Question<'q>) -> Result<&'q str> {
    let nothing =
        || Error::new(Kind::Invalid, format!("the question {:?} has no accepted answer", question.text));
    question.answers.first().map(String::as_str).ok_or_else(nothing)
}
