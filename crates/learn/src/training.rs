//! One training under way: a plan of rows, an adapter, and what it took so far. Trials, consolidation and writers share it.

use std::sync::Arc;
use std::time::Instant;

use super::checkpoints::Place;
use super::prompt::PromptSet;
use super::rows::Plan;
use super::session::Session;
use seald_core::error::{Kind, Result};
use seald_engine::checkpoint;
use seald_engine::examples::{BatchSize, Length};
use seald_engine::lora::Adapter;
use seald_engine::memory;
use seald_engine::schedule::Schedule;
use seald_engine::step::{StepReport, step_together};
use seald_engine::train::{Run, TrainOptions};

/// One step in so many warms up: the first steps of Adam move every weight by the whole rate, whatever its gradient (5 % is usual).
const WARMUP_SHARE: usize = 20;
/// Tokens in one pass over the weights.
const PASS_TOKENS: usize = 4096;

/// A training that can go on.
pub(super) struct Training {
    run: Run,
    /// Most tokens of one pass, so that its memory suffices.
    pass_tokens: usize,
    /// Seconds so far.
    pub(super) seconds: f64,
    /// Loss of the last step, nats a token; infinite once it diverged, NaN before the first step.
    pub(super) loss: f64,
    /// Where it is kept while it is under way.
    place: Option<Place>,
}

impl Training {
    /// A training of `adapter` by `plan`, its rate falling in a straight line. It is kept under `name`, if it has one and the session keeps trainings.
    ///
    /// # Errors
    /// From the engine: memory that does not suffice, rows that do not fit the model.
    pub(super) fn begin(
        session: &Session<'_>,
        name: Option<&str>,
        adapter: Adapter,
        plan: Plan,
        learning_rate: f64,
        seed: u64,
    ) -> Result<Self> {
        let model = &session.model.decoder;
        let options = TrainOptions {
            learning_rate,
            schedule: Schedule::Linear,
            warmup_steps: match session.prompts {
                PromptSet::Nano => 0,
                PromptSet::General => plan.steps.len().div_ceil(WARMUP_SHARE),
            },
            length: Length::Steps(plan.steps.len()),
            batch: BatchSize { tokens: usize::MAX, rows: None },
            seed,
            anchor_target: (session.prompts == PromptSet::General).then_some(session.gate.budget()),
            ..TrainOptions::default()
        };
        let run = Run::planned(model, adapter, Arc::from(plan.rows), options, plan.steps)?;
        let begun = || {
            let beginning = checkpoint::beginning(&run)?;
            Ok(format!("{} {} {beginning}", env!("CARGO_PKG_VERSION"), session.model.fingerprint))
        };
        let place = name.map(|name| session.checkpoints.place(name, begun)).transpose()?.flatten();
        let pass_tokens = memory::fit(model, &[&run], PASS_TOKENS, session.max_memory)?;
        Ok(Self { run, pass_tokens, seconds: 0.0, loss: f64::NAN, place })
    }

    /// Where it is kept, if it is.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Keeps it as it is now.
    pub(super) fn keep(&mut self, session: &Session<'_>) {
        if let Some(place) = &mut self.place {
            place.save(&session.checkpoints, session.model, &self.run, self.seconds, self.loss);
        }
    }

    /// Trains until so many steps are done, or all there are; what an earlier process did and kept is not done again. One that diverges stays with an infinite loss.
    ///
    /// # Errors
    /// From the engine; [`Kind::Cancelled`].
    pub(super) fn advance(
        &mut self,
        session: &Session<'_>,
        until: usize,
        tell: &mut dyn FnMut(&StepReport),
    ) -> Result<()> {
        let until = until.min(self.run.steps());
        if self.run.step() == 0
            && let Some(place) = &mut self.place
            && let Some((seconds, loss)) = place.take_up(session.model, &mut self.run, until)
        {
            (self.seconds, self.loss) = (seconds, loss);
        }
        let (earlier, started, before) = (self.seconds, Instant::now(), self.run.tokens());
        let trained = self.steps_until(session, until, earlier, started, tell);
        self.seconds = earlier + started.elapsed().as_secs_f64();
        if trained.is_err() {
            self.keep(session);
        }
        session.count(|t| {
            t.training_seconds += self.seconds - earlier;
            t.trained_tokens += self.run.tokens() - before;
        });
        trained
    }

    fn steps_until(
        &mut self,
        session: &Session<'_>,
        until: usize,
        earlier: f64,
        started: Instant,
        tell: &mut dyn FnMut(&StepReport),
    ) -> Result<()> {
        while self.run.step() < until && self.loss != f64::INFINITY {
            session.stop_if_cancelled()?;
            let reports = step_together(&session.model.decoder, &mut [&mut self.run], self.pass_tokens)?;
            match reports.into_iter().next().flatten() {
                Some(Ok(report)) => {
                    self.loss = report.loss;
                    tell(&report);
                    if self.place.as_ref().is_some_and(Place::is_due) {
                        self.seconds = earlier + started.elapsed().as_secs_f64();
                        self.keep(session);
                    }
                }
                Some(Err(error)) if error.kind() == Kind::Diverged => {
                    tracing::warn!(%error, "a training diverged");
                    self.loss = f64::INFINITY;
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        Ok(())
    }

    /// Optimiser steps done.
    pub(super) fn step(&self) -> usize {
        self.run.step()
    }

    /// Optimiser steps in all.
    pub(super) fn steps(&self) -> usize {
        self.run.steps()
    }

    /// Tokens trained on so far, counting repetitions.
    pub(super) fn tokens(&self) -> u64 {
        self.run.tokens()
    }

    /// Moving mean of the base samples' KL, nats a token, and the factor of their weight.
    pub(super) fn anchors(&self) -> (f64, f64) {
        self.run.anchors()
    }

    /// The adapter as it is now.
    pub(super) fn adapter(&self) -> &Adapter {
        self.run.adapter()
    }

    /// The adapter, at the end.
    pub(super) fn into_adapter(self) -> Adapter {
        self.run.into_adapter()
    }
}
