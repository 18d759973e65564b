//! Why a request came to nothing, and with which exit code that ends a program.

use std::fmt;
use std::time::Duration;

use super::place::Place;
use seald_core::error::{Error, Kind};
use seald_core::protocol::Problem;

/// Exit code where no daemon can be reached (EX_UNAVAILABLE).
const UNREACHABLE: u8 = 69;

/// Why a request came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// No daemon answers there, or it went away before it was done.
    Unreachable(Error),
    /// The daemon said no.
    Problem(Problem),
    /// Anything else: an option, a file, an answer that cannot be read.
    Other(Error),
}

impl Failure {
    /// The process exit code (`docs/architecture.md`, "Exit codes").
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable(_) => UNREACHABLE,
            Self::Problem(problem) => match problem.status {
                400 | 405 | 413 | 414 | 415 | 422 => 2,
                404 | 410 => 3,
                409 | 423 | 429 | 503 => 4,
                _ => 1,
            },
            Self::Other(error) => error.kind().exit_code(),
        }
    }

    /// The connection broke.
    pub(super) fn lost(place: &Place, e: hyper::Error) -> Self {
        let text = format!("the daemon at {place} went away before it had answered (see {LOG})");
        Self::Unreachable(Error::new(Kind::Io, text).with_source(e))
    }

    /// No answer came.
    pub(super) fn late(place: &Place, patience: Duration) -> Self {
        let seconds = patience.as_secs();
        let text = format!("the daemon at {place} has not answered for {seconds} s: see {LOG}");
        Self::Unreachable(Error::new(Kind::Io, text))
    }
}

/// Where the daemon's log is.
pub(super) const LOG: &str = "`journalctl -u seald`, or the terminal that it runs in";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) | Self::Other(error) => error.fmt(f),
            Self::Problem(problem) => f.write_str(&problem.detail),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}
