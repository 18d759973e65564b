//! JSONL: one document a line, `{"title", "text", "questions"?}`.

use serde::Deserialize;

use super::Limits;
use super::extract::{Draft, Row};
use super::sidecar::{SuppliedProbe, json_row, json_rows};
use seald_core::error::{Error, Kind, Result};

/// A line; other keys are the user's.
#[derive(Deserialize)]
struct Line {
    title: Option<String>,
    text: String,
    #[serde(default)]
    questions: Vec<SuppliedProbe>,
}

/// Reads every line.
///
/// # Errors
/// [`Kind::Invalid`] names the line that is wrong; [`Kind::Unsupported`] for too many or none.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Vec<Row>> {
    let rows = json_rows(bytes, limits.rows)?;
    if rows.is_empty() {
        return Err(Error::new(Kind::Unsupported, "has no rows: there is nothing to learn"));
    }
    let rows = rows.into_iter().map(|(line, text)| {
        let row: Line = json_row(text, line, "{\"title\", \"text\", \"questions\"?}")?;
        Ok(Row { line, draft: Draft { title: row.title, text: row.text }, questions: row.questions })
    });
    rows.collect()
}
