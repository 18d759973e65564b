//! The curriculum: what the live model was taught, to rehearse and to consolidate from.

use super::Store;
use super::columns::{Json, all, first};
use super::generations;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::self_edit::RowText;
use seald_core::error::Result;

/// What one accepted document taught.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    /// The document.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// The training rows of the chosen trial's self-edits, in their order.
    pub rows: Vec<RowText>,
    /// Peak learning rate of the chosen trial.
    pub learning_rate: f64,
    /// Its passages, which are in every training set too, in the order of the text.
    pub passages: Vec<String>,
}

impl Store {
    /// The lessons of the accepted documents that the live generation and its ancestors learned, in the order in which
    /// they were learned, but those that a newer version replaced. Empty where the base is live.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn curriculum(&self) -> Result<Vec<Lesson>> {
        self.read("the curriculum", |db| {
            let chain = generations::chain(db, generations::live_id(db)?)?;
            let mut lessons = Vec::new();
            for document in chain.iter().flat_map(|generation| &generation.documents) {
                let sql =
                    "SELECT title FROM documents WHERE id = ? AND state = 'learned' AND replaced_by IS NULL";
                let titles = all(db, sql, [document], |row| row.get(0))?;
                let sql = "SELECT s.training_rows FROM trials t
                           JOIN trial_self_edits u ON u.trial = t.id JOIN self_edits s ON s.id = u.self_edit
                           WHERE t.document = ? AND t.chosen = 1 ORDER BY u.position";
                let rows: Vec<Json<Vec<RowText>>> = all(db, sql, [document], |row| row.get(0))?;
                let sql = "SELECT text FROM passages WHERE document = ? ORDER BY position";
                let passages = all(db, sql, [document], |row| row.get(0))?;
                let sql = "SELECT learning_rate FROM trials WHERE document = ? AND chosen = 1";
                let Some(learning_rate) = first(db, sql, [document], |row| row.get(0))? else { continue };
                let rows = rows.into_iter().flat_map(|json| json.0).collect();
                let lesson = |title| Lesson { document: *document, title, rows, learning_rate, passages };
                lessons.extend(titles.into_iter().next().map(lesson));
            }
            Ok(lessons)
        })
    }
}
