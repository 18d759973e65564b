//! Named places at which a test lets the process die, as a power cut would: `SEALD_CRASH_AT=trials:after-files seald once ...`.

use std::sync::LazyLock;

use crate::domain::job::{JobKind, Stage};
use crate::domain::words::words;

words! {
    /// Where in a stage.
    Place {
        /// The job is claimed, or the stage before it is stored; nothing is done yet.
        BeforeWork = "before-work",
        /// The stage's files are written, its rows are not.
        AfterFiles = "after-files",
        /// The stage's rows are stored.
        AfterCommit = "after-commit",
    }
}

/// The variable that names the place.
pub const VARIABLE: &str = "SEALD_CRASH_AT";

static WANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(VARIABLE).ok());

/// Every place's name in jobs of a kind.
pub fn points(kind: JobKind) -> impl Iterator<Item = String> {
    kind.stages().iter().flat_map(|stage| Place::ALL.iter().map(move |place| format!("{stage}:{place}")))
}

/// Dies here if the environment says so: without unwinding, without closing anything.
pub(super) fn point(stage: Stage, place: Place) {
    if WANTED.as_deref().is_some_and(|wanted| wanted == format!("{stage}:{place}")) {
        std::process::abort();
    }
}
