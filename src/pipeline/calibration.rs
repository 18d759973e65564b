//! The calibration of a base model: made once, before it learns its first document, kept, and used wherever the options leave something to it.

use super::trainings;
use super::worker::{Tell, Worker};
use seald_core::domain::calibration::Calibration;
use seald_core::domain::job::JobKind;
use seald_core::domain::progress::Progress;
use seald_core::error::Result;
use seald_learn::calibrate;
use seald_learn::options::LearnOptions;
use seald_learn::prompt::PromptSet;
use seald_learn::rehearsal;
use seald_store::Store;

/// What the database calls the prompts of a model that can be calibrated, and the samples that its drift is measured on. Others need another name: then
/// everything is measured anew.
pub fn calibrated_with() -> String {
    format!("general {}, base samples {}", calibrate::RECIPE, rehearsal::RECIPE)
}

/// Whether options, as they were written and before what fits the model was filled in, leave the learning rate to the calibration.
pub(super) fn leave_rate_open(learn: &LearnOptions) -> bool {
    learn.calibrate && learn.learning_rates.is_empty()
}

/// The calibration that is kept for a base model; none where it was not calibrated. nano never is.
///
/// # Errors
/// From the database.
pub fn kept_calibration(store: &Store, base_fingerprint: &str) -> Result<Option<Calibration>> {
    store.calibration(base_fingerprint, &calibrated_with())
}

impl Worker<'_> {
    /// Calibrates the base model and keeps the result in place of an earlier one; from now on it is used.
    ///
    /// # Errors
    /// As [`calibrate::run`], and from the database; whatever ends it early leaves the earlier one, and the next call goes on where it was.
    pub fn calibrate(&mut self, tell: Tell<'_>) -> Result<Calibration> {
        let seconds = self.pace.reading(calibrate::readings(&self.session)?);
        tracing::info!("calibrating the base model, once, before it learns");
        tell(Progress::Calibrating { seconds });
        let made = self.calibrate_on(tell)?;
        self.store.keep_calibration(&self.session.model.fingerprint, &calibrated_with(), &made)?;
        trainings::clear_calibration(&self.root);
        // As every later worker reads it: JSON may lose a number's last digit.
        let made = self.kept()?.unwrap_or(made);
        let Calibration { learning_rate, drift_budget, seconds, .. } = made;
        tracing::info!(learning_rate, drift_budget, duration_s = seconds, "calibrated the base model");
        tell(Progress::Calibrated { learning_rate, drift_budget, seconds });
        self.use_calibration(&made);
        Ok(made)
    }

    /// Whether the model's first document is next, and the model not calibrated yet, though something depends on it.
    ///
    /// # Errors
    /// From the database.
    pub fn is_to_be_calibrated(&self) -> Result<bool> {
        let learns = self.store.next_job()?.is_some_and(|job| job.kind == JobKind::Learn);
        Ok(learns && self.may_be_calibrated() && self.kept()?.is_none())
    }

    /// Uses the calibration that is kept, if there is one.
    pub(super) fn use_kept_calibration(&mut self) -> Result<()> {
        if self.may_be_calibrated()
            && let Some(kept) = self.kept()?
        {
            self.use_calibration(&kept);
        }
        Ok(())
    }

    /// Whether something depends on a calibration.
    fn may_be_calibrated(&self) -> bool {
        self.session.prompts == PromptSet::General && self.rate_is_open
    }

    fn kept(&self) -> Result<Option<Calibration>> {
        kept_calibration(&self.store, &self.session.model.fingerprint)
    }

    fn use_calibration(&mut self, calibration: &Calibration) {
        self.pace.calibrated(calibration);
        if self.rate_is_open {
            self.session.options.learning_rates = vec![calibration.learning_rate];
        }
    }
}
