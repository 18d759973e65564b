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
}

impl Place {
    /// Every one, in order.
    pub const ALL: [Self; 3] = [Self::BeforeWork, Self::AfterFiles, Self::AfterCommit];

    /// As `SEALD_CRASH_AT` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeWork => "before-work",
            Self::AfterFiles => "after-files",
            Self::AfterCommit => "after-commit",
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
        .flat_map(|stage| Place::ALL.iter().map(move |place| format!("{stage}:{}", place.name())))
}

/// Dies here if the environment says so: without unwinding, without closing anything.
pub(super) fn point(stage: Stage, place: Place) {
    if WANTED.as_deref().is_some_and(|wanted| wanted == format!("{stage}:{}", place.name())) {
        std::process::abort();
    }
}
