//! Named places at which a test lets the process die, as a power cut would: `SEALD_CRASH_AT=trials:after-files seald once ...`.

use std::sync::LazyLock;

use seald_core::domain::job::{JobKind, Stage};

/// Where in a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The job is claimed, or the stage before it is stored; nothing is done yet.
    BeforeWork,
    /// The stage's files are written, its rows are not.
    AfterFiles,
    /// The stage's rows are stored.
    AfterCommit,
    /// This process has done so many optimiser steps of the stage, and kept all but the last.
    Step(usize),
}

impl Place {
    /// Those of a stage, in order; of the steps one in the middle of a training.
    fn of(stage: Stage) -> impl Iterator<Item = Self> {
        let step = stage.trains().then_some(Self::Step(3));
        [Some(Self::BeforeWork), step, Some(Self::AfterFiles), Some(Self::AfterCommit)].into_iter().flatten()
    }

    /// As `SEALD_CRASH_AT` writes it.
    pub fn name(self) -> String {
        match self {
            Self::BeforeWork => "before-work".into(),
            Self::AfterFiles => "after-files".into(),
            Self::AfterCommit => "after-commit".into(),
            Self::Step(step) => format!("step-{step}"),
        }
    }
}

/// The variable that names the place.
pub const VARIABLE: &str = "SEALD_CRASH_AT";

static WANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(VARIABLE).ok());

/// Every place's name in jobs of a kind.
pub fn points(kind: JobKind) -> impl Iterator<Item = String> {
    kind.stages()
        .iter()
        .flat_map(|stage| Place::of(*stage).map(move |place| format!("{stage}:{}", place.name())))
}

/// Dies here if the environment says so: without unwinding, without closing anything.
pub(super) fn point(stage: Stage, place: Place) {
    if WANTED.as_deref().is_some_and(|wanted| wanted == format!("{stage}:{}", place.name())) {
        std::process::abort();
    }
}
