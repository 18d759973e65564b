//! What `doctor` looked at: one line each, and beneath it what to do.

use console::Style;
use serde::Serialize;

use super::look::{Look, one_line};
use super::page::Page;

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All is well.
    Ok,
    /// Worth a look.
    Warn,
    /// Does not work.
    Fail,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, one or two words.
    pub what: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was found.
    pub words: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Check {
    /// A check without a remedy.
    pub fn new(what: &str, outcome: Outcome, words: impl Into<String>) -> Self {
        Self { what: what.into(), outcome, words: words.into(), remedy: None }
    }

    /// What to do about it.
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// The checks, and a line that sums up.
pub fn render(checks: &[Check], look: &Look) -> String {
    let mut page = Page::new(look);
    for Check { what, outcome, words, remedy } in checks {
        let (word, style) = match outcome {
            Outcome::Ok => ("ok", Style::new().green()),
            Outcome::Warn => ("warn", Style::new().yellow()),
            Outcome::Fail => ("fail", Style::new().red()),
        };
        let mark = look.paint(style, &format!("{word:<4}"));
        let text = look.wrapped(&format!("{}: {}", one_line(what), look.hints(&one_line(words))), 6);
        page.line(format!("{mark}  {}", text.trim_start()));
        if let Some(remedy) = remedy {
            page.words(&look.hints(&one_line(remedy)), 6, &Style::new().dim());
        }
    }
    let worse = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    page.blank();
    page.line(match (worse(Outcome::Fail), worse(Outcome::Warn)) {
        (0, 0) => "All is well.".to_string(),
        (0, warnings) => format!("It works; {warnings} worth a look."),
        (failures, warnings) => format!("{failures} failed, {warnings} worth a look."),
    });
    page.text()
}
