//! One error type for the whole program: what kind it is, what we were doing, and what lies beneath.
//!
//! The [`Kind`] answers what callers ask (which exit code? try again?); the text is for a person
//! and says which file, row or field is meant and what to do about it.

use std::fmt;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure this is. Callers branch on this, never on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The caller's input is wrong: an option, a data row, a template.
    Invalid,
    /// A file, model, adapter or document that was named does not exist.
    NotFound,
    /// Something else holds what is needed, or the state forbids it.
    Conflict,
    /// Too much is asked for at once: try again in a moment.
    Busy,
    /// Well-formed, but this program does not do it (another architecture, DoRA, ...).
    Unsupported,
    /// A file is damaged or does not fit what it should belong to.
    Corrupt,
    /// The operating system refused: disk full, no permission, ...
    Io,
    /// Not enough memory for what was asked, found before starting.
    Memory,
    /// Training produced a value that is not finite.
    Diverged,
    /// Stopped on request.
    Cancelled,
    /// A defect in this program.
    Internal,
}

impl Kind {
    /// The process exit code (`docs/architecture.md`, "Outside surface").
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Invalid => 2,
            Kind::NotFound => 3,
            Kind::Conflict | Kind::Busy => 4,
            Kind::Unsupported | Kind::Corrupt | Kind::Io | Kind::Memory => 1,
            Kind::Diverged | Kind::Cancelled | Kind::Internal => 1,
        }
    }
}

/// A failure with its kind, its words and its cause.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error. `message` names the thing meant and, where there is one, the remedy.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Keeps `source` as the cause; its text is shown after ours.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says what we were doing when it happened; the kind stays.
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self { kind: self.kind, message: format!("{doing}: {}", self.message), source: self.source }
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

#[cfg(feature = "candle")]
impl From<candle_core::Error> for Error {
    fn from(e: candle_core::Error) -> Self {
        Error::new(Kind::Internal, "tensor operation failed").with_source(e)
    }
}

/// Adds what we were doing to a failure, in the style of `anyhow::Context`.
pub trait Context<T> {
    /// On failure, prefixes the message with `doing()`; foreign errors get `kind`.
    fn doing(self, kind: Kind, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Context<T> for Result<T, E> {
    fn doing(self, kind: Kind, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|e| Error::new(kind, doing()).with_source(e))
    }
}
