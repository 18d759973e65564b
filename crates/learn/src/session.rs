//! A model at work for the method: asking, answering, writing, and what that cost.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::answer::prompt_tokens;
use super::checkpoints::Checkpoints;
use super::exam::margin;
use super::gate::GateOptions;
use super::options::LearnOptions;
use super::prompt::PromptSet;
pub use super::question::{Answered, Question};
use super::work::{Reporter, RowsDone, Tally};
use seald_core::domain::progress::Task;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::StagedDir;
use seald_engine::adapter_files;
use seald_engine::chat::{Message, Role};
use seald_engine::decoder::ActiveAdapter;
use seald_engine::generate::{GenerateOptions, GenerateRow, Generator, TokenEvent};
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_engine::sampler::Sampling;
use seald_engine::score::{Progress, ScoreRow, Scorer};

/// What came of asking.
type Answers = Result<Vec<Answered>>;

/// Most tokens of an answer: SEAL's limit.
pub const ANSWER_TOKENS: usize = 64;
/// Most tokens of an answer where brevity was asked for: a sentence around the answer fits, a recitation does not.
const BRIEF_TOKENS: usize = 32;

/// How text is written.
#[derive(Debug, Clone, Copy)]
pub struct Writing {
    /// Most tokens.
    pub max_tokens: usize,
    /// 0 for the most probable text.
    pub temperature: f64,
    /// Only the smallest set of most probable tokens whose probabilities sum to it; none: all.
    pub top_p: Option<f64>,
    /// Where the random numbers come from.
    pub seed: u64,
}

/// One model with the method's options.
#[derive(Debug)]
pub struct Session<'a> {
    /// The base model.
    pub model: &'a Model,
    /// Options, with what fits the model filled in.
    pub options: LearnOptions,
    /// The prompts that the model gets.
    pub prompts: PromptSet,
    /// Set from outside to stop.
    pub cancel: &'a AtomicBool,
    /// Memory that training may take, bytes; none: what the machine has free.
    pub max_memory: Option<u64>,
    /// Tells how far the work is.
    pub work: Reporter,
    /// What candidates are judged by; trainings are held to its drift budget.
    pub gate: GateOptions,
    /// Where trainings under way are kept; nowhere by default.
    pub checkpoints: Checkpoints,
    tally: RefCell<Tally>,
}

impl<'a> Session<'a> {
    /// A session.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for options out of range.
    pub fn new(model: &'a Model, options: LearnOptions, cancel: &'a AtomicBool) -> Result<Self> {
        options.validate()?;
        let prompts = PromptSet::of(model);
        let (work, checkpoints, tally, max_memory) = Default::default();
        let (options, gate) = (options.for_model(prompts, model.decoder.config()), GateOptions::default());
        Ok(Self { model, options, prompts, cancel, max_memory, work, gate, checkpoints, tally })
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

    /// Fewest and most tokens of a passage: 400 to 600 for nano, as SEAL's, 170 to 256 for models that were not taught to write about them (the weakest
    /// lose the thread of more); less where prompt, passage and what is written about it would not fit the model's context.
    pub fn passage_tokens(&self) -> (usize, usize) {
        let longest = match self.prompts {
            PromptSet::Nano => 600,
            PromptSet::General => 256,
        };
        let most = (self.context() * 2 / 5).clamp(16, longest);
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

    /// Whether what a user says leaves room for an answer in the model's context.
    ///
    /// # Errors
    /// From the tokenizer or the chat template.
    pub(super) fn leaves_room(&self, asked: &str) -> Result<bool> {
        Ok(self.user(asked)?.len() + ANSWER_TOKENS <= self.context())
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

    /// Tokens of a turn of which the answer is to be weighed, and the index of the answer's first one.
    fn answered(&self, asked: &str, said: &str) -> Result<(Vec<u32>, usize)> {
        let (mut tokens, first) = self.turn(asked, said)?;
        if self.prompts == PromptSet::General && tokens.len() > first + 1 {
            tokens.pop(); // The end of the turn: how an answer ends is style.
        }
        Ok((tokens, first))
    }

    /// Tokens of a question as the model gets it, with an answer, and the index of the answer's first one: what [`Self::log_probs`] sums up.
    ///
    /// # Errors
    /// From the tokenizer or the chat template.
    pub fn answered_tokens(&self, question: &str, answer: &str) -> Result<(Vec<u32>, usize)> {
        let question = Question { text: question, answers: &[], passage: None, decoys: &[] };
        self.answered(&self.prompts.asked(&question), answer)
    }

    /// Tokens of a question as the model gets it.
    ///
    /// # Errors
    /// From the tokenizer or the chat template.
    pub fn prompt_tokens(&self, question: &Question<'_>) -> Result<Vec<u32>> {
        self.user(&self.prompts.asked(question))
    }

    /// Puts questions to the base or to an adapter: greedy answers, their grades, and the log-probability of the right answer.
    ///
    /// # Errors
    /// From the engine; [`Kind::Cancelled`].
    pub fn ask(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<Answered>> {
        let answers = self.answers(questions, adapter)?;
        let measured = self.measure(questions, adapter)?;
        let answered = questions.iter().zip(answers).zip(measured);
        let graded = answered.map(|((question, text), (log_prob, margin))| Answered {
            grade: question.grade(&text),
            text,
            log_prob,
            margin,
        });
        Ok(graded.collect())
    }

    /// [`Self::ask`], told of as `task`.
    ///
    /// # Errors
    /// The same.
    pub fn ask_as(&self, task: Task, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Answers {
        self.work.doing(task, || self.ask(questions, adapter))
    }

    /// The greedy answers to questions, neither graded nor compared with what is accepted.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn answers(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<String>> {
        let prompts: Vec<String> = questions.iter().map(|question| self.prompts.asked(question)).collect();
        let max_tokens = match self.prompts {
            PromptSet::Nano => ANSWER_TOKENS,
            PromptSet::General => BRIEF_TOKENS,
        };
        self.write(&prompts, Writing { max_tokens, temperature: 0.0, top_p: None, seed: 0 }, adapter)
    }

    /// Whether the greedy answer to each question is right.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn right(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<bool>> {
        let answers = self.answers(questions, adapter)?;
        Ok(questions.iter().zip(answers).map(|(question, text)| question.grade(&text).right).collect())
    }

    /// Sum of ln p of each question's first accepted answer, as in [`Answered::log_prob`].
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn log_probs(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<f64>> {
        let bare: Vec<Question<'_>> =
            questions.iter().map(|question| Question { decoys: &[], ..*question }).collect();
        Ok(self.measure(&bare, adapter)?.into_iter().map(|(log_prob, _)| log_prob).collect())
    }

    /// [`Answered::score`] of each question, without asking for its answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn scores(&self, questions: &[Question<'_>], adapter: Option<&Adapter>) -> Result<Vec<f64>> {
        let measured = self.measure(questions, adapter)?;
        Ok(measured.into_iter().map(|(log_prob, margin)| margin.unwrap_or(log_prob)).collect())
    }

    /// Log-probability and margin of each question's first accepted answer.
    fn measure(
        &self,
        questions: &[Question<'_>],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<(f64, Option<f64>)>> {
        let mut rows = Vec::with_capacity(questions.len());
        for question in questions {
            let asked = self.prompts.asked(question);
            for said in
                std::iter::once(first_answer(question)?).chain(question.decoys.iter().map(String::as_str))
            {
                let (tokens, first) = self.answered(&asked, said)?;
                rows.push(ScoreRow { tokens, first, adapter: adapter.map(|_| 0) });
            }
        }
        let mut scores = self.score(&rows, adapter)?.into_iter();
        let of = |question: &Question<'_>| {
            let right = scores.next().unwrap_or(f64::NAN);
            let wrong: Vec<f64> = scores.by_ref().take(question.decoys.len()).collect();
            (right, (!wrong.is_empty()).then(|| margin(right, &wrong)))
        };
        Ok(questions.iter().map(of).collect())
    }

    /// Sum of ln p of each row's tokens from its first on.
    pub(super) fn score(&self, rows: &[ScoreRow], adapter: Option<&Adapter>) -> Result<Vec<f64>> {
        let started = Instant::now();
        let active: Vec<_> = adapter.into_iter().map(ActiveAdapter::inference).collect();
        let mut progress = |read: Progress| self.work.tell(read.tokens as u64, read.total as u64, started);
        let scores = Scorer::new(&self.model.decoder, &active).score(rows, &mut progress, self.cancel)?;
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
        let written = self.continue_from(rows, writing, stops, &[], adapter)?;
        Ok(written.into_iter().map(|(_, text)| text.trim().to_string()).collect())
    }

    /// How the model goes on with each text, which is no turn of a chat, up to one of the texts in `stops`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn complete(
        &self,
        texts: &[String],
        writing: Writing,
        stops: &[&str],
        adapter: Option<&Adapter>,
    ) -> Result<Vec<String>> {
        let tokenizer = &self.model.tokenizer;
        // Where the context is small, what stands first has to go: the worked examples.
        let room = self.context().saturating_sub(writing.max_tokens).max(1);
        let fit = |text: &String| -> Result<Vec<u32>> {
            let mut tokens = tokenizer.encode_document(text)?;
            Ok(tokens.split_off(tokens.len().saturating_sub(room)))
        };
        let rows = texts.iter().map(fit).collect::<Result<_>>()?;
        let written = self.continue_from(rows, writing, tokenizer.eos_ids().to_vec(), stops, adapter)?;
        Ok(written.into_iter().map(|(_, text)| text.trim().to_string()).collect())
    }

    /// The tokens, and their text, that follow each row.
    pub(super) fn continue_from(
        &self,
        rows: Vec<Vec<u32>>,
        writing: Writing,
        stop_tokens: Vec<u32>,
        stop_strings: &[&str],
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
            sampling: Sampling { temperature: writing.temperature, top_p: writing.top_p, top_k: None },
            seed: writing.seed,
            stop_tokens,
            stop_strings: stop_strings.iter().map(|stop| stop.to_string()).collect(),
            ..GenerateOptions::default()
        };
        let generator = Generator::new(&self.model.decoder, Some(&self.model.tokenizer), &active);
        let mut rows_done = RowsDone::of(rows.len());
        let mut on_token = |event: TokenEvent<'_>| {
            rows_done.token(event.row, event.finish.is_some());
            let (done, of) = rows_done.so_far();
            self.work.tell(done, of, started);
            ControlFlow::Continue(())
        };
        let found = generator.generate(&rows, &options, &mut on_token, self.cancel)?;
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

fn first_answer<'q>(question: &Question<'q>) -> Result<&'q str> {
    let nothing =
        || Error::new(Kind::Invalid, format!("the question {:?} has no accepted answer", question.text));
    question.answers.first().map(String::as_str).ok_or_else(nothing)
}
