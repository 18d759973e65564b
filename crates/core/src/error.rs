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
    /// What we were doing, the innermost first.
    doing: Vec<String>,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error. `message` names the thing meant and, where there is one, the remedy.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, doing: Vec::new(), message: message.into(), source: None }
    }

    /// Keeps `source` as the cause; its text is shown after ours.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says what we were doing when it happened; the kind stays.
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.doing.push(doing.to_string());
        self
    }

    /// What sort of failure this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What we were doing and what went wrong, without what lies beneath.
    pub fn without_source(&self) -> String {
        self.doing.iter().rev().chain([&self.message]).map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// All of it with the reason and its remedy first and what we were doing last, in brackets: for a person, who looks
    /// for what is wrong and does not read to the end.
    pub fn reason_first(&self) -> String {
        let reason = format!("{}{}", self.message, self.beneath());
        match self.doing.as_slice() {
            [] => reason,
            doing => {
                let doing: Vec<&str> = doing.iter().rev().map(String::as_str).collect();
                format!("{reason} ({})", doing.join(": "))
            }
        }
    }

    /// What lies beneath, as it stands after our own words.
    fn beneath(&self) -> String {
        self.source
            .as_ref()
            .map(|source| format!(": {}", without_number(&source.to_string())))
            .unwrap_or_default()
    }
}

/// The words of an error without the number that the operating system has for it: `(os error 2)` tells nobody anything.
pub fn without_number(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut words = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.parse::<i32>().is_ok() => words += rest,
            _ => words = format!("{words} (os error {part}"),
        }
    }
    words
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.without_source(), self.beneath())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_the_reason_first_and_no_numbers_of_the_system() {
        let gone = std::io::Error::from_raw_os_error(2);
        let error = Error::new(Kind::NotFound, "cannot read a.md").with_source(gone);
        assert_eq!(error.to_string(), "cannot read a.md: No such file or directory");
        assert_eq!(without_number("a (os error x) b (os error 2), c (os error -1)"), "a (os error x) b, c");
        let full = Error::new(Kind::Io, "the disk is full (free some space)")
            .context("cannot keep the base samples")
            .context("a.md waits");
        assert_eq!(
            full.to_string(),
            "a.md waits: cannot keep the base samples: the disk is full (free some space)"
        );
        assert_eq!(full.without_source(), full.to_string());
        assert_eq!(
            full.reason_first(),
            "the disk is full (free some space) (a.md waits: cannot keep the base samples)"
        );
        assert_eq!(Error::new(Kind::Io, "no").reason_first(), "no");
    }
}
