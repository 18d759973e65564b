//! A writer's own policy: directives drawn by its own probabilities, texts at temperature 1, and what each self-edit earns when it is trained alone.

use serde::{Deserialize, Serialize};

use super::WriterOptions;
use crate::author::Author;
use crate::directive;
use crate::probes::Reading;
use crate::rehearsal::Rehearsal;
use crate::self_edits;
use crate::session::{Question, Session};
use crate::trials::{Edit, Halving, Material};
use seald_core::domain::probe::Probe;
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::{Directive, RowText};
use seald_core::error::Result;
use seald_engine::checkpoint;
use seald_engine::lora::Adapter;

/// A self-edit as a writer would write it if nobody forced its choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How it wants to be trained.
    pub directive: Directive,
    /// What the writer wrote about each passage.
    pub texts: Vec<String>,
    /// What is trained on, each with the number of its passage.
    pub rows: Vec<(usize, RowText)>,
    /// Mean gain of log p(answer) over the select questions after its training, nats a question; 0 if it was discarded. None: not trained yet.
    pub reward: Option<f64>,
    /// Why nothing of it is trained on.
    pub discarded: Option<String>,
}

/// A document that self-edits are written for, and the questions about it.
#[derive(Debug, Clone, Copy)]
pub struct Lesson<'a> {
    /// The document.
    pub reading: Reading<'a>,
    /// Questions that reward a self-edit, asked without the passage.
    pub select: &'a [Question<'a>],
    /// What no row may copy. The writer never sees it.
    pub probes: &'a [Probe],
}

impl Lesson<'_> {
    /// A hash of all that decides what [`sample`] finds with the first seed and the number of samples that the options name.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Internal`] for options that JSON has no words for; when a matrix cannot be read.
    pub fn decided_by(
        &self,
        session: &Session<'_>,
        writer: Option<&Adapter>,
        options: &WriterOptions,
    ) -> Result<String> {
        let mut hasher = session.decides()?;
        hasher.update(format!("{options:?} {self:?}").as_bytes());
        if let Some(writer) = writer {
            checkpoint::hash_adapter(&mut hasher, writer)?;
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

/// Writes and trains `count` self-edits of one document. `writer` writes, the base if there is none; it is always the pristine base that learns from
/// them. Another `seed` is another try.
///
/// # Errors
/// [`seald_core::error::Kind::Invalid`] without select questions; from the engine.
pub fn sample(
    session: &Session<'_>,
    lesson: Lesson<'_>,
    writer: Option<&Adapter>,
    count: usize,
    options: &WriterOptions,
    seed: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Sample>> {
    let mut samples = write(session, lesson, writer, count, seed, tell)?;
    for (number, sample) in samples.iter_mut().enumerate() {
        earn(session, lesson, number, sample, options, tell)?;
    }
    Ok(samples)
}

/// Writes `count` self-edits of one document, none of them trained yet.
///
/// # Errors
/// From the engine.
pub fn write(
    session: &Session<'_>,
    lesson: Lesson<'_>,
    writer: Option<&Adapter>,
    count: usize,
    seed: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Sample>> {
    let Reading { key, title, passages } = lesson.reading;
    let menu = directive::menu(&session.options.learning_rates, &session.options.epochs);
    let first = passages.first().map_or("", String::as_str);
    let probabilities = directive::probabilities(session, &menu, title, first, writer)?;
    let drawn = session.seed(key, &format!("writer's directives {seed}"));
    let directives = directive::sample(&menu, &probabilities, count, drawn);
    compose(session, lesson, directives, Author::Model(writer), seed, tell)
}

/// Lets an author write a self-edit for each of the directives, whoever chose them.
///
/// # Errors
/// From the engine; those of an author elsewhere.
pub fn compose(
    session: &Session<'_>,
    lesson: Lesson<'_>,
    directives: Vec<Directive>,
    author: Author<'_>,
    seed: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<Vec<Sample>> {
    let formats: Vec<_> = directives.iter().map(|d| d.format).collect();
    let written = session.seed(lesson.reading.key, &format!("writer's texts {seed}"));
    let texts = self_edits::each_format(session, lesson.reading, &formats, written, author)?;
    let mut samples = Vec::with_capacity(texts.len());
    for (number, (directive, texts)) in directives.into_iter().zip(texts).enumerate() {
        let sample = take_apart(session, lesson, directive, texts)?;
        tell(Progress::SelfEdit {
            candidate: number,
            format: sample.directive.format,
            rows: sample.rows.len(),
            discarded: sample.discarded.clone(),
        });
        samples.push(sample);
    }
    Ok(samples)
}

/// A self-edit of texts about all passages, whoever wrote them. It is discarded if none of them leaves a row.
///
/// # Errors
/// From the tokenizer.
pub fn take_apart(
    session: &Session<'_>,
    lesson: Lesson<'_>,
    directive: Directive,
    texts: Vec<String>,
) -> Result<Sample> {
    let (mut rows, mut discarded) = (Vec::new(), None);
    for (passage, text) in texts.iter().enumerate() {
        let place = (0, passage);
        let draft =
            self_edits::draft(session, lesson.reading, place, &directive, text.clone(), lesson.probes)?;
        rows.extend(draft.rows.into_iter().map(|row| (passage, row)));
        discarded = discarded.or(draft.discarded);
    }
    if !rows.is_empty() {
        discarded = None;
    }
    Ok(Sample { directive, texts, rows, reward: None, discarded })
}

/// Trains one self-edit from the pristine base as its directive says, on its own rows and the passages alone, and sets its reward. Returns what
/// learned; none if the self-edit was discarded, which earns 0, so that a writer of nothing is not rewarded, or if the training diverged, which leaves
/// no answer above the floor.
///
/// # Errors
/// [`seald_core::error::Kind::Invalid`] without select questions; from the engine.
pub fn earn(
    session: &Session<'_>,
    lesson: Lesson<'_>,
    number: usize,
    sample: &mut Sample,
    options: &WriterOptions,
    tell: &mut dyn FnMut(Progress),
) -> Result<Option<Adapter>> {
    if sample.discarded.is_some() {
        sample.reward = Some(0.0);
        return Ok(None);
    }
    let Reading { key, title, passages } = lesson.reading;
    let material = Material { key, title, passages, curriculum: &[], rehearsal: &Rehearsal::default() };
    let halving = Halving::new(session, material, None, lesson.select)?;
    let edit =
        Edit { candidates: vec![number], directive: sample.directive.clone(), rows: sample.rows.clone() };
    let adapter = halving.alone(edit, options.trial_steps, tell)?;
    sample.reward = Some(halving.gain(adapter.as_ref(), options.log_floor)?);
    Ok(adapter)
}
