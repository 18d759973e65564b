//! Consolidation ("sleep"): one adapter trained from the pristine base on the whole curriculum, and whether it may take the place of the one
//! that learned document by document. Joint training beats sequential training on the same data (method.md, section 2).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::prompt::PromptSet;
use super::rehearsal::Rehearsal;
use super::rows::{self, Mixture, StepRows};
use super::session::Session;
use super::stats;
use super::training::Training;
use seald_core::domain::consolidation::Comparison;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::progress::Progress;
use seald_core::error::{Error, Kind, Result};
use seald_engine::examples::TrainRow;
use seald_engine::lora::Adapter;

/// When everything that was learned is trained anew, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsolidateOptions {
    /// Documents learned since the last consolidation after which the next begins, 0 to 100,000; 0: only on schedule, by command, or when the
    /// forgetting budget is exceeded.
    pub after_documents: usize,
    /// Share of the answers about earlier documents, right once they were learned, that may be wrong now, 0 to 1. When more are than that share explains
    /// (exact one-sided binomial test at 5 %), a consolidation begins; where it does not help, the newest generation that meets the budget
    /// becomes live again, and what that drops is learned again.
    pub forgetting_budget: f64,
    /// Times that each row of the curriculum is seen, 1 to 1,000.
    pub epochs: usize,
    /// Rows of the curriculum in one optimiser step, 1 to 4,096.
    pub rows_in_step: usize,
    /// Base samples in one optimiser step, trained with KL to the base, 0 to 4,096.
    pub base_rows: usize,
    /// Optimiser steps at least, 1 to 1,000,000: the rows of few documents are seen more often than `epochs` says, for a short training learns nothing.
    pub min_steps: usize,
    /// Optimiser steps at most, 1 to 10,000,000: what bounds the time, however many documents there are.
    pub max_steps: usize,
}

impl Default for ConsolidateOptions {
    fn default() -> Self {
        Self {
            after_documents: 16,
            forgetting_budget: 0.05,
            epochs: 20,
            rows_in_step: 16,
            base_rows: 2,
            min_steps: 160,
            max_steps: 4_000,
        }
    }
}

impl ConsolidateOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let Self {
            after_documents,
            forgetting_budget,
            epochs,
            rows_in_step,
            base_rows,
            min_steps,
            max_steps,
        } = self;
        let ranges = [
            ("after_documents", *after_documents, 0, 100_000),
            ("epochs", *epochs, 1, 1_000),
            ("rows_in_step", *rows_in_step, 1, 4_096),
            ("base_rows", *base_rows, 0, 4_096),
            ("min_steps", *min_steps, 1, 1_000_000),
            ("max_steps", *max_steps, *min_steps, 10_000_000),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::new(Kind::Invalid, format!("{name} is {value}: give {least} to {most}")));
            }
        }
        if !(0.0..=1.0).contains(forgetting_budget) {
            let text = format!("forgetting_budget is {forgetting_budget}: give 0 to 1");
            return Err(Error::new(Kind::Invalid, text));
        }
        Ok(())
    }
}

impl ConsolidateOptions {
    /// Times that each of so many rows is seen, so that there are enough steps.
    fn epochs_of(&self, rows: usize) -> usize {
        let steps = rows.div_ceil(self.rows_in_step).max(1);
        self.epochs.max(self.min_steps.div_ceil(steps))
    }
}

/// The level of the test that says when the forgetting budget is exceeded.
const BUDGET_LEVEL: f64 = 0.05;

/// An adapter trained on the whole curriculum, and what it took.
#[derive(Debug)]
pub struct Retrained {
    /// The adapter.
    pub adapter: Adapter,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, base samples included.
    pub tokens: u64,
    /// Seconds.
    pub seconds: f64,
    /// Loss of the last step, nats a token.
    pub loss: f64,
}

/// Trains one adapter from the base on all rows of the curriculum. `key` names it in seeds.
///
/// # Errors
/// [`Kind::Invalid`] without rows; [`Kind::Diverged`]; from the engine.
pub fn retrain(
    session: &Session<'_>,
    curriculum: &[TrainRow],
    rehearsal: &Rehearsal,
    learning_rate: f64,
    options: &ConsolidateOptions,
    key: &str,
    tell: &mut dyn FnMut(Progress),
) -> Result<Retrained> {
    if curriculum.is_empty() {
        return Err(Error::new(Kind::Invalid, "nothing was learned yet: there is nothing to consolidate"));
    }
    let seed = session.seed(key, "consolidate");
    let mixture = Mixture { new: curriculum, earlier: &[], base: &rehearsal.rows };
    let each = StepRows {
        new: options.rows_in_step,
        earlier: 0,
        base: options.base_rows,
        kl_weight: session.options.kl_weight,
        samples_alike: session.prompts == PromptSet::General,
    };
    let plan = rows::plan(mixture, each, options.epochs_of(curriculum.len()), options.max_steps, seed);
    let model = &session.model.decoder;
    let adapter = Adapter::init(&session.options.lora(), model.config(), seed, &model.compute().device)?;
    let mut training = Training::begin(session, Some("consolidation"), adapter, plan, learning_rate, seed)?;
    training.advance(session, usize::MAX, &mut |report| {
        let (step, steps, loss) = (report.step, report.steps, report.loss);
        tell(Progress::Step { trial: "consolidation".into(), step, steps, loss });
    })?;
    if !training.loss.is_finite() {
        let text =
            "the consolidation diverged: lower the learning rates of the menu, or consolidate.rows_in_step";
        return Err(Error::new(Kind::Diverged, text));
    }
    let (steps, tokens, seconds, loss) =
        (training.step(), training.tokens(), training.seconds, training.loss);
    Ok(Retrained { adapter: training.into_adapter(), steps, tokens, seconds, loss })
}

/// One question of the bank, answered by three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankAnswer {
    /// The learned document that it is about; none for what the base knew before.
    pub document: Option<DocumentId>,
    /// Whether the base answered right when the document came.
    pub right_base: bool,
    /// Whether the live model does.
    pub right_before: bool,
    /// Whether the retrained one does.
    pub right_after: bool,
}

/// Compares the retrained model with the live one. It may take its place if it answers as many questions of the whole bank, knows less than the base
/// of no more documents, and is no further from the base than `drift_budget` (or than the live one is). Pure.
pub fn compare(bank: &[BankAnswer], drift: (f64, f64), drift_budget: f64) -> Comparison {
    let count = |holds: &dyn Fn(&BankAnswer) -> bool| bank.iter().filter(|a| holds(a)).count();
    let (right_before, right_after) = (count(&|a| a.right_before), count(&|a| a.right_after));
    let lost = count(&|a| a.right_before && !a.right_after);
    let below_before = below_base(bank, |a| a.right_before);
    let below_after = below_base(bank, |a| a.right_after);
    let (drift_before, drift_after) = drift;
    let mut reasons = Vec::new();
    if right_after < right_before {
        reasons.push(format!(
            "it answers {right_after} of {} questions right, the live model {right_before}: {} fewer",
            bank.len(),
            right_before - right_after
        ));
    }
    if below_after > below_before {
        reasons.push(format!(
            "it knows less than the untrained model about {below_after} documents, the live model about {below_before}"
        ));
    }
    if drift_after > drift_budget.max(drift_before) {
        reasons.push(format!(
            "on text about other things it has moved further from the untrained model than it may (drift {drift_after:.3}, the live model's {drift_before:.3}; at most {} is allowed)",
            super::gate::two_digits(drift_budget)
        ));
    }
    let (asked, accepted) = (bank.len(), reasons.is_empty());
    Comparison {
        asked,
        right_before,
        right_after,
        lost,
        below_base: below_after,
        drift_before,
        drift_after,
        accepted,
        reasons,
    }
}

/// Documents of which fewer questions are right than the base had.
fn below_base(bank: &[BankAnswer], right: impl Fn(&BankAnswer) -> bool) -> usize {
    let mut by_document: std::collections::BTreeMap<DocumentId, (usize, usize)> = Default::default();
    for answer in bank {
        let Some(document) = answer.document else { continue };
        let (base, now) = by_document.entry(document).or_default();
        *base += usize::from(answer.right_base);
        *now += usize::from(right(answer));
    }
    by_document.values().filter(|(base, now)| now < base).count()
}

/// Whether more was forgotten than the budget explains, in words; none while it is met. Of `known` answers that were right once their document
/// was learned, `lost` are wrong now.
pub fn over_budget(known: usize, lost: usize, budget: f64) -> Option<String> {
    let allowed = stats::losses_allowed(known, budget, BUDGET_LEVEL);
    (lost > allowed).then(|| {
        format!("{lost} of {known} answers about earlier documents were lost; the forgetting budget allows {allowed}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(document: i64, base: bool, before: bool, after: bool) -> BankAnswer {
        let document = (document > 0).then_some(DocumentId(document));
        BankAnswer { document, right_base: base, right_before: before, right_after: after }
    }

    #[test]
    fn as_many_right_answers_are_enough_and_one_fewer_is_not() {
        let even =
            [answer(1, false, true, false), answer(1, false, false, true), answer(0, true, true, true)];
        let found = compare(&even, (0.01, 0.02), 0.1);
        assert!(found.accepted, "{:?}", found.reasons);
        assert_eq!((found.asked, found.right_before, found.right_after, found.lost), (3, 2, 2, 1));
        let fewer = [even[0], answer(0, true, true, true)];
        let found = compare(&fewer, (0.01, 0.02), 0.1);
        assert!(
            !found.accepted && found.reasons[0].contains("1 of 2 questions right, the live model 2: 1 fewer")
        );
    }

    #[test]
    fn knowing_less_than_the_base_of_a_document_is_not_made_good_by_another() {
        let bank =
            [answer(1, true, true, false), answer(2, false, false, true), answer(2, false, false, true)];
        let found = compare(&bank, (0.0, 0.0), 0.1);
        assert_eq!((found.right_before, found.right_after, found.below_base), (1, 2, 1));
        assert!(!found.accepted && found.reasons.len() == 1);
        let was_so_before = [answer(1, true, false, false), answer(2, false, false, true)];
        assert!(compare(&was_so_before, (0.0, 0.0), 0.1).accepted);
    }

    #[test]
    fn drift_may_reach_the_budget_or_what_the_live_model_has() {
        let bank = [answer(1, false, true, true)];
        assert!(compare(&bank, (0.0, 0.1), 0.1).accepted);
        let far = compare(&bank, (0.0, 0.11), 0.1);
        assert!(!far.accepted);
        assert_eq!(
            far.reasons,
            [
                "on text about other things it has moved further from the untrained model than it may (drift 0.110, the live model's 0.000; at most 0.1 is allowed)"
            ]
        );
        assert!(compare(&bank, (0.2, 0.2), 0.1).accepted);
    }

    #[test]
    fn the_budget_is_a_share_and_a_test() {
        assert_eq!(over_budget(0, 0, 0.05), None);
        assert_eq!(over_budget(40, 2, 0.05), None, "5 % of 40 is what the budget is");
        let words = over_budget(40, 10, 0.05).unwrap();
        assert!(words.contains("10 of 40"), "{words}");
        let edge = stats::losses_allowed(40, 0.05, BUDGET_LEVEL);
        assert!(over_budget(40, edge, 0.05).is_none() && over_budget(40, edge + 1, 0.05).is_some());
    }

    #[test]
    fn few_rows_are_seen_more_often() {
        let options =
            ConsolidateOptions { epochs: 8, rows_in_step: 16, min_steps: 160, ..Default::default() };
        assert_eq!([options.epochs_of(16), options.epochs_of(17), options.epochs_of(320)], [160, 80, 8]);
        assert_eq!(options.epochs_of(100_000), 8);
    }

    #[test]
    fn ranges_are_checked() {
        ConsolidateOptions::default().validate().unwrap();
        let wrong = ConsolidateOptions { epochs: 0, ..Default::default() };
        assert!(wrong.validate().unwrap_err().to_string().contains("epochs is 0"));
        let wrong = ConsolidateOptions { forgetting_budget: 1.5, ..Default::default() };
        assert!(wrong.validate().unwrap_err().to_string().contains("forgetting_budget"));
    }
}
