//! What was measured of base models before they learned, once for each model and the prompts that it gets.

use rusqlite::params;

use super::Store;
use super::columns::{Json, first, run};
use seald_core::domain::calibration::Calibration;
use seald_core::error::Result;

impl Store {
    /// The calibration of a base model with these prompts; none before [`Store::keep_calibration`].
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn calibration(&self, base_fingerprint: &str, prompts: &str) -> Result<Option<Calibration>> {
        let sql = "SELECT calibration FROM calibrations WHERE base_fingerprint = ? AND prompts = ?";
        self.read("the base model's calibration", |db| {
            let found = first(db, sql, [base_fingerprint, prompts], |row| row.get::<_, Json<_>>(0))?;
            Ok(found.map(|json| json.0))
        })
    }

    /// Keeps a calibration in place of an earlier one.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn keep_calibration(
        &mut self,
        base_fingerprint: &str,
        prompts: &str,
        calibration: &Calibration,
    ) -> Result<()> {
        let sql =
            "INSERT INTO calibrations (base_fingerprint, prompts, calibration, made_at) VALUES (?, ?, ?, ?)
                   ON CONFLICT (base_fingerprint, prompts)
                   DO UPDATE SET calibration = excluded.calibration, made_at = excluded.made_at";
        self.write("keep the base model's calibration", |db| {
            let made_at = calibration.made_at.0;
            run(db, sql, params![base_fingerprint, prompts, Json(calibration), made_at]).map(drop)
        })
    }
}
