//! Trials: self-edits are trained a little, each from the live adapter, and ranked by what they teach, the weak ones stopped early (successive
//! halving, Jamieson & Talwalkar 2016). What is published is trained anew: the union of those that taught something, with rehearsal.

use super::prompt::PromptSet;
use super::rehearsal::Rehearsal;
use super::rows::{self, Mixture, StepRows};
use super::session::{Question, Session};
use super::training::Training;
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::{Directive, RowText};
use seald_core::error::{Error, Kind, Result};
use seald_engine::examples::TrainRow;
use seald_engine::lora::Adapter;

/// What a trial trains on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Edit {
    /// Number of its candidate; the union has those of its members.
    pub candidates: Vec<usize>,
    /// How.
    pub directive: Directive,
    /// Training texts, each with the number of its passage.
    pub rows: Vec<(usize, RowText)>,
}

/// The document that is learned, and what is rehearsed meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// What names the document in seeds: its hash.
    pub key: &'a str,
    /// Its title.
    pub title: &'a str,
    /// Its passages.
    pub passages: &'a [String],
    /// Rows of earlier documents.
    pub curriculum: &'a [TrainRow],
    /// Base samples.
    pub rehearsal: &'a Rehearsal,
}

/// A trial's numbers when it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// `implications 1e-3 x10`, or `union of 4`.
    pub name: String,
    /// Numbers of its candidates.
    pub candidates: Vec<usize>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Rung that it reached; the number of rungs if it was trained to its end.
    pub rung: usize,
    /// Optimiser steps done.
    pub steps: usize,
    /// Tokens trained on, rehearsal included.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    pub loss: f64,
    /// KL of the base samples that it was held to, nats a token (a moving mean), and the factor of their weight at the end.
    pub anchors: (f64, f64),
    /// Mean gain of log p(answer) over the select probes, nats a question.
    pub gain: f64,
    /// Share of the select probes answered right; only of trials trained to their end.
    pub accuracy: Option<f64>,
}

/// What came of all trials of a document.
#[derive(Debug)]
pub struct Trials {
    /// Every trial, the best one first: the gate should judge it.
    pub outcomes: Vec<Outcome>,
    /// The best one's adapter.
    pub adapter: Adapter,
}

/// One trial under way.
struct Trial {
    edit: Edit,
    training: Training,
    outcome: Outcome,
}

/// Trials of one document.
pub struct Halving<'s, 'a> {
    session: &'s Session<'a>,
    material: Material<'s>,
    live: Option<&'s Adapter>,
    probes: &'s [Question<'s>],
    before: Vec<f64>,
    /// A hash of what gains are measured with.
    ranked_by: String,
}

impl<'s, 'a> Halving<'s, 'a> {
    /// Trials that continue `live` and are ranked by the select probes.
    ///
    /// # Errors
    /// From the engine; [`Kind::Invalid`] without any probe.
    pub fn new(
        session: &'s Session<'a>,
        material: Material<'s>,
        live: Option<&'s Adapter>,
        probes: &'s [Question<'s>],
    ) -> Result<Self> {
        if probes.is_empty() && !session.options.rung_steps.is_empty() {
            return Err(Error::new(Kind::Invalid, "there is no probe to rank trials by"));
        }
        let before = session.scores(probes, live)?;
        let bits: Vec<u64> = before.iter().map(|score| score.to_bits()).collect();
        let ranked_by = blake3::hash(format!("{probes:?} {bits:?}").as_bytes()).to_hex().to_string();
        Ok(Self { session, material, live, probes, before, ranked_by })
    }

    /// Runs them all.
    ///
    /// # Errors
    /// [`Kind::Invalid`] without edits; [`Kind::Diverged`] if every trial diverged; from the engine.
    pub fn run(&self, edits: Vec<Edit>, tell: &mut dyn FnMut(Progress)) -> Result<Trials> {
        if self.session.options.rung_steps.is_empty() {
            let all = unite(edits.iter(), usize::MAX).or_else(|| edits.first().cloned());
            return self.only(all.ok_or_else(diverged)?, tell);
        }
        let ranked = self.rank_all(edits, tell)?;
        let options = &self.session.options;
        let taught = ranked.iter().filter(|trial| trial.outcome.gain > 0.0).map(|trial| &trial.edit);
        let (edit, screened) = match unite(taught, options.union_of) {
            Some(edit) => (edit, None),
            None => match ranked.iter().position(|t| t.outcome.gain.is_finite()) {
                Some(best) => (ranked[best].edit.clone(), Some(best)),
                None => return Err(diverged()),
            },
        };
        // To whole billionths, as people read it.
        let learning_rate = (edit.directive.learning_rate * options.final_rate * 1e9).round() / 1e9;
        let directive = Directive { learning_rate, ..edit.directive };
        let mut last = self.finish(Edit { directive, ..edit }, tell)?;
        let mut outcomes = Vec::new();
        for (place, trial) in ranked.into_iter().enumerate() {
            if Some(place) == screened {
                // One trial to whoever reads of it: what ranked it is part of its cost.
                last.outcome.tokens += trial.outcome.tokens;
                last.outcome.seconds += trial.outcome.seconds;
            } else {
                outcomes.push(trial.outcome);
            }
        }
        outcomes.insert(0, last.outcome);
        Ok(Trials { outcomes, adapter: last.training.into_adapter() })
    }

    /// Trains and ranks them rung by rung; the best one first, those that diverged last.
    fn rank_all(&self, edits: Vec<Edit>, tell: &mut dyn FnMut(Progress)) -> Result<Vec<Trial>> {
        let rungs = &self.session.options.rung_steps;
        let mut live = edits.into_iter().map(|edit| self.screen(edit)).collect::<Result<Vec<_>>>()?;
        let mut ended = Vec::new();
        for (rung, steps) in rungs.iter().enumerate() {
            for trial in &mut live {
                self.train_and_rank(trial, rung, *steps, tell)?;
            }
            live.sort_by(|a, b| b.outcome.gain.total_cmp(&a.outcome.gain));
            let keep = live.len().div_ceil(2);
            tell_ranks(&live, keep, rung, tell);
            if rung + 1 < rungs.len() {
                ended.splice(0..0, live.drain(keep..));
            }
        }
        live.extend(ended);
        Ok(live)
    }

    /// What an earlier process found is not found again.
    fn train_and_rank(
        &self,
        trial: &mut Trial,
        rung: usize,
        steps: usize,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let Trial { training, outcome, .. } = trial;
        if training.place().is_some_and(|place| place.recall(outcome, rung, &self.ranked_by)) {
            return Ok(());
        }
        self.train(trial, steps, tell)?;
        self.rank(trial, rung)?;
        let last = rung + 1 == self.session.options.rung_steps.len();
        if !last {
            trial.training.keep(self.session);
        }
        if let Some(place) = trial.training.place() {
            place.keep_score(&self.session.checkpoints, &trial.outcome, &self.ranked_by);
            if last {
                place.clear();
            }
        }
        Ok(())
    }

    /// The training that the gate judges.
    fn finish(&self, edit: Edit, tell: &mut dyn FnMut(Progress)) -> Result<Trial> {
        let options = &self.session.options;
        let each = StepRows {
            new: options.rows_in_step,
            earlier: options.rehearsal_rows,
            base: options.base_rows,
            kl_weight: options.kl_weight,
            samples_alike: self.session.prompts == PromptSet::General,
        };
        let mut trial = self.begin(Some("final"), edit, each, options.final_steps)?;
        self.train(&mut trial, usize::MAX, tell)?;
        trial.training.keep(self.session);
        self.rank(&mut trial, options.rung_steps.len())?;
        if !trial.outcome.gain.is_finite() {
            let text = format!(
                "{} diverged: lower final_rate, or the learning rates of the menu",
                trial.outcome.name
            );
            return Err(Error::new(Kind::Diverged, text));
        }
        self.count_right(&mut trial)?;
        if !self.probes.is_empty() {
            tell_ranks(std::slice::from_ref(&trial), 1, options.rung_steps.len(), tell);
        }
        Ok(trial)
    }

    /// A trial that is only ranked, never published: on its own rows alone.
    fn screen(&self, edit: Edit) -> Result<Trial> {
        self.bare(Some("trial"), edit, self.session.options.rung_steps.last().copied().unwrap_or(1))
    }

    fn bare(&self, what: Option<&str>, edit: Edit, max_steps: usize) -> Result<Trial> {
        let each = StepRows { new: self.session.options.trial_rows, ..StepRows::default() };
        self.begin(what, edit, each, max_steps)
    }

    /// Trains one edit on its own rows for as long as its directive says, `max_steps` at most. None if it diverged.
    ///
    /// # Errors
    /// From the engine.
    pub(super) fn alone(
        &self,
        edit: Edit,
        max_steps: usize,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<Option<Adapter>> {
        let mut trial = self.bare(None, edit, max_steps)?;
        self.train(&mut trial, usize::MAX, tell)?;
        Ok(trial.outcome.loss.is_finite().then(|| trial.training.into_adapter()))
    }

    /// Mean gain of log p(answer) over the probes, nats, where no log-probability counts as less than `floor`: an adapter that is not there has
    /// every answer at the floor.
    ///
    /// # Errors
    /// From the engine.
    pub(super) fn gain(&self, adapter: Option<&Adapter>, floor: f64) -> Result<f64> {
        let after = match adapter {
            Some(adapter) => self.session.scores(self.probes, Some(adapter))?,
            None => vec![floor; self.probes.len()],
        };
        let gains =
            after.iter().zip(&self.before).map(|(after, before)| after.max(floor) - before.max(floor));
        Ok(gains.sum::<f64>() / self.probes.len().max(1) as f64)
    }

    /// Trains one edit to its end, without any other beside it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn only(&self, edit: Edit, tell: &mut dyn FnMut(Progress)) -> Result<Trials> {
        let trial = self.finish(edit, tell)?;
        Ok(Trials { outcomes: vec![trial.outcome], adapter: trial.training.into_adapter() })
    }

    /// `what` it is, if it is kept while it is under way.
    fn begin(&self, what: Option<&str>, edit: Edit, each: StepRows, max_steps: usize) -> Result<Trial> {
        let Self { session, material, live, .. } = self;
        let options = &session.options;
        let name = name(&edit);
        let seed = session.seed(material.key, &format!("trial {name} {:?}", edit.candidates));
        let mut new = Vec::new();
        for passage in material.passages {
            new.push(rows::row(session, &RowText::Text(format!("{}\n{passage}", material.title)))?);
        }
        if options.distil {
            new.extend(rows::distilled(session, material.title, material.passages, &edit.rows, *live)?);
        } else {
            for (_, text) in &edit.rows {
                new.push(rows::row(session, text)?);
            }
        }
        new.retain(rows::has_target);
        if session.prompts == PromptSet::General {
            rows::balance(&mut new);
        }
        // Each row is seen so many times, however long the document is.
        let max_steps = match max_steps {
            0 => (new.len() * options.presentations).div_ceil(each.new),
            bound => bound,
        };
        let samples = &material.rehearsal.rows;
        let base = rows::base_rows(session.prompts, each.base, samples.len(), max_steps);
        let each = StepRows { base, ..each };
        let mixture = Mixture { new: &new, earlier: material.curriculum, base: samples };
        let plan = rows::plan(mixture, each, edit.directive.epochs, max_steps, seed);
        let model = &session.model.decoder;
        let adapter = match live {
            Some(live) => (*live).clone(),
            None => Adapter::init(&options.lora(), model.config(), seed, &model.compute().device)?,
        };
        let rate = edit.directive.learning_rate;
        let kept = what.map(|what| format!("{what} {name} {rate:e} {:?}", edit.candidates));
        let training = Training::begin(session, kept.as_deref(), adapter, plan, rate, seed)?;
        let outcome = Outcome {
            name,
            candidates: edit.candidates.clone(),
            learning_rate: rate,
            rung: 0,
            steps: 0,
            tokens: 0,
            seconds: 0.0,
            loss: f64::NAN,
            anchors: (0.0, 1.0),
            gain: f64::NEG_INFINITY,
            accuracy: None,
        };
        Ok(Trial { edit, training, outcome })
    }

    /// Trains until so many steps are done. A trial that diverges stays with a gain of minus infinity.
    fn train(&self, trial: &mut Trial, until: usize, tell: &mut dyn FnMut(Progress)) -> Result<()> {
        let (training, outcome) = (&mut trial.training, &mut trial.outcome);
        let steps = until.min(training.steps());
        training.advance(self.session, until, &mut |report| {
            let (trial, step, loss) = (outcome.name.clone(), report.step, report.loss);
            tell(Progress::Step { trial, step, steps, loss });
        })?;
        outcome.seconds = training.seconds;
        (outcome.steps, outcome.tokens, outcome.loss) = (training.step(), training.tokens(), training.loss);
        outcome.anchors = training.anchors();
        Ok(())
    }

    fn rank(&self, trial: &mut Trial, rung: usize) -> Result<()> {
        trial.outcome.rung = rung;
        if trial.outcome.loss.is_finite() {
            let after = self.session.scores(self.probes, Some(trial.training.adapter()))?;
            let gains = after.iter().zip(&self.before).map(|(after, before)| after - before);
            trial.outcome.gain = gains.sum::<f64>() / self.probes.len().max(1) as f64;
        }
        Ok(())
    }

    fn count_right(&self, trial: &mut Trial) -> Result<()> {
        let answered = self.session.ask(self.probes, Some(trial.training.adapter()))?;
        let right = answered.iter().filter(|a| a.grade.right).count();
        trial.outcome.accuracy = (!answered.is_empty()).then(|| right as f64 / answered.len() as f64);
        Ok(())
    }
}

/// A trial's name, from what it trains on.
fn name(edit: &Edit) -> String {
    let Directive { format, learning_rate, epochs } = &edit.directive;
    match edit.candidates.len() {
        0 => "passage only".into(),
        1 => format!("{format} {learning_rate:e} x{epochs}"),
        several => format!("union of {several} {learning_rate:e}"),
    }
}

/// The union of the best self-edits, `most` at most, at the learning rate of the first, for as many steps as there may be. None if there is only one.
fn unite<'e>(best_first: impl Iterator<Item = &'e Edit>, most: usize) -> Option<Edit> {
    let members: Vec<&Edit> = best_first.take(most).collect();
    let best = members.first().filter(|_| members.len() > 1)?;
    let mut rows: Vec<(usize, RowText)> = Vec::new();
    for row in members.iter().flat_map(|edit| &edit.rows) {
        if !rows.contains(row) {
            rows.push(row.clone());
        }
    }
    let candidates = members.iter().flat_map(|edit| edit.candidates.clone()).collect();
    let directive = Directive { epochs: usize::MAX, ..best.directive.clone() };
    Some(Edit { candidates, directive, rows })
}

fn diverged() -> Error {
    Error::new(Kind::Diverged, "every trial diverged: lower the learning rates of the menu")
}

fn tell_ranks(ranked: &[Trial], keep: usize, rung: usize, tell: &mut dyn FnMut(Progress)) {
    for (place, trial) in ranked.iter().enumerate() {
        let (trial, gain) = (trial.outcome.name.clone(), trial.outcome.gain);
        tell(Progress::Ranked { trial, rung, gain, goes_on: place < keep });
    }
}
