//! The progress of a training: a bar for a person at a terminal, a line now and then for a log, JSON for a script.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use seald_core::error::Result;
use seald_engine::step::StepReport;
use serde::Serialize;

use crate::output::{self, json_line, say};

/// Lines that a run writes into a log, about.
const LOG_LINES: usize = 20;

/// One step as `--json` prints it.
#[derive(Serialize)]
struct StepLine {
    step: usize,
    steps: usize,
    loss: f64,
    learning_rate: f64,
    grad_norm: f64,
    /// Of this step, as are `targets` and `seconds`.
    tokens: usize,
    targets: usize,
    seconds: f64,
}

enum Shown {
    Json,
    Bar(ProgressBar),
    Log,
}

/// What is shown of a run while it goes, and what is remembered of it.
pub(crate) struct Progress {
    shown: Shown,
    losses: Vec<f64>,
    tokens: usize,
    seconds: f64,
}

impl Progress {
    /// For a run that has done `done` of `steps`.
    pub(crate) fn new(done: usize, steps: usize, json: bool) -> Self {
        let shown = if json {
            Shown::Json
        } else if output::watched() {
            Shown::Bar(bar(done, steps))
        } else {
            Shown::Log
        };
        Self { shown, losses: Vec::new(), tokens: 0, seconds: 0.0 }
    }

    /// Shows a step.
    pub(crate) fn step(&mut self, report: &StepReport) -> Result<()> {
        // The rows of a file hold nothing where it was.
        let StepReport {
            run: _, anchor_loss: _, step, steps, loss, learning_rate, grad_norm, tokens, ..
        } = *report;
        let StepReport { targets, seconds, .. } = *report;
        self.losses.push(loss);
        self.tokens += tokens;
        self.seconds += seconds;
        match &self.shown {
            Shown::Json => {
                return json_line(&StepLine {
                    step,
                    steps,
                    loss,
                    learning_rate,
                    grad_norm,
                    tokens,
                    targets,
                    seconds,
                });
            }
            Shown::Bar(bar) => {
                bar.set_position(step as u64);
                bar.set_message(format!("loss {loss:.3}  {:.0} tokens/s", self.tokens_per_second()));
            }
            Shown::Log => {
                let every = steps.div_ceil(LOG_LINES);
                if step == 1 || step == steps || step.is_multiple_of(every) {
                    say(format!(
                        "step {step} of {steps}  loss {loss:.3}  {:.0} tokens/s",
                        self.tokens_per_second()
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// Tokens a second over the steps seen.
    pub(crate) fn tokens_per_second(&self) -> f64 {
        if self.seconds > 0.0 { self.tokens as f64 / self.seconds } else { 0.0 }
    }

    /// Loss of the last step; `None` if there was no step to do.
    pub(crate) fn final_loss(&self) -> Option<f64> {
        self.losses.last().copied()
    }

    /// How the loss went: single steps differ by their rows, so tenths of the run are compared.
    pub(crate) fn loss_text(&self) -> String {
        let tenth = self.losses.len().div_ceil(10);
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        match self.losses.len() {
            0 => "no step was left to do".to_string(),
            1 => format!("{:.3} in the only step", self.losses[0]),
            n => {
                let (first, last) = (mean(&self.losses[..tenth]), mean(&self.losses[n - tenth..]));
                let warning =
                    if last < first { "" } else { ": it did not fall; try more epochs or another --lr" };
                format!("{first:.3} at first, {last:.3} at the end (nats a token){warning}")
            }
        }
    }
}

/// A bar for work that a person waits for; nothing without a person.
pub(crate) struct Reading(Option<ProgressBar>);

impl Reading {
    /// `quiet`: show nothing.
    pub(crate) fn new(quiet: bool) -> Self {
        Self((!quiet && output::watched()).then(|| bar(0, 0)))
    }

    /// `done` of `total` are done.
    pub(crate) fn show(&self, done: usize, total: usize) {
        if let Some(bar) = &self.0 {
            bar.set_length(total as u64);
            bar.set_message("");
            bar.set_position(done as u64);
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A line that says what is going on, for a person, until it is cleared.
pub(crate) fn waiting(text: String) -> ProgressBar {
    if !output::watched() {
        return ProgressBar::hidden();
    }
    let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        line.set_style(style);
    }
    line.set_message(text);
    line.tick();
    line
}

fn bar(done: usize, steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    let template = "{wide_bar} {pos}/{len}  {msg}  {elapsed} gone, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message("first step");
    bar.set_position(done as u64);
    bar.reset_eta();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(losses: &[f64]) -> Progress {
        Progress { shown: Shown::Log, losses: losses.to_vec(), tokens: 10, seconds: 2.0 }
    }

    #[test]
    fn says_how_the_loss_went() {
        assert_eq!(progress(&[4.0, 1.0]).loss_text(), "4.000 at first, 1.000 at the end (nats a token)");
        assert!(progress(&[1.0, 4.0]).loss_text().contains("did not fall"));
        assert_eq!(progress(&[4.0]).loss_text(), "4.000 in the only step");
        assert!(progress(&[]).loss_text().contains("no step"));
        assert_eq!(progress(&[]).tokens_per_second(), 5.0);
    }
}
