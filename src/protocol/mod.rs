//! Wire types: what `seald once --json`, the daemon's API and `sealctl` say, in one place. Keys keep their names and
//! meanings once they are published (`docs/architecture.md`, "Outside surface"); new ones may be added.
//!
//! Shares and rates are numbers from 0 to 1, times are seconds, gains and losses are natural logarithms ("nats").
//! A number that was not measured is `null`, never 0.

mod forgetting;
mod once;
mod share;

pub use forgetting::{Cell, Column, ForgettingView, Measures, Tally};
pub use once::{DocumentReport, OnceReport, ProbeCounts, SelfEditCounts, TimeShares, TrialReport};
pub use share::{Accuracies, Share};
