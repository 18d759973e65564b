//! What is written to the log, and how.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use utoipa::ToSchema;

use super::invalid;
use seald_core::error::Result;

/// Options of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogOptions {
    /// What is logged: "error", "warn", "info", "debug", "trace" or "off", and parts of the program with a level of their
    /// own, for instance "info,seald::ingest=debug".
    pub level: String,
    /// How: "text" (lines for people), "json" (one object a line) or "auto" (under systemd such lines with a level for its journal,
    /// else text).
    #[schema(value_type = String)]
    pub format: LogFormat,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Lines with a level for the journal under systemd, else text.
    Auto,
    /// Lines for people, on stderr.
    Text,
    /// One JSON object a line, on stderr.
    Json,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Auto }
    }
}

impl LogOptions {
    /// Checks that the level is one.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let Self { level, format: _ } = self;
        let example = "give a level, for instance \"info\", or \"info,seald::ingest=debug\"";
        // A word alone is the name of a part to `EnvFilter`: `inof` would log next to nothing.
        let word = |part: &str| !part.contains(['=', '[']) && part.trim().parse::<LevelFilter>().is_err();
        if level.trim().is_empty() || level.split(',').any(word) {
            return invalid(format!("level is {level:?}: {example}"));
        }
        match EnvFilter::try_new(level) {
            Ok(_) => Ok(()),
            Err(e) => invalid(format!("level is {level:?} ({e}): {example}")),
        }
    }
}
