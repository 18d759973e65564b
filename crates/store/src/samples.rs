//! Texts that a base model wrote by itself, drawn once and kept.

use rusqlite::params;

use super::Store;
use super::columns::{Json, first, run};
use seald_core::error::Result;

impl Store {
    /// The token ids of the texts kept for a base model, drawn by that recipe; none before [`Store::keep_base_samples`].
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn base_samples(&self, base_fingerprint: &str, recipe: u32) -> Result<Option<Vec<Vec<u32>>>> {
        let sql = "SELECT token_ids FROM base_samples WHERE base_fingerprint = ? AND recipe = ?";
        self.read("the base model's samples", |db| {
            Ok(first(db, sql, params![base_fingerprint, recipe], |row| row.get::<_, Json<_>>(0))?
                .map(|json| json.0))
        })
    }

    /// Keeps texts for a base model in place of earlier ones.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn keep_base_samples(
        &mut self,
        base_fingerprint: &str,
        recipe: u32,
        token_ids: &[Vec<u32>],
    ) -> Result<()> {
        let sql = "INSERT INTO base_samples (base_fingerprint, recipe, token_ids) VALUES (?, ?, ?)
                   ON CONFLICT (base_fingerprint) DO UPDATE SET recipe = excluded.recipe, token_ids = excluded.token_ids";
        self.write("keep the base model's samples", |db| {
            run(db, sql, params![base_fingerprint, recipe, Json(token_ids)]).map(drop)
        })
    }
}
