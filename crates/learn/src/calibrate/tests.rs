//! The rate and the budget that follow from what was measured.

use super::*;

fn seen(drift: f64, lost: i64) -> DriftSeen {
    DriftSeen { drift, asked: 30, lost }
}

fn tried(rate: f64, gain: f64, standard_error: f64, drift: f64) -> RateTried {
    RateTried { rate, gain, standard_error, drift, tokens: 9000 }
}

#[test]
fn the_budget_is_where_one_answer_in_twenty_is_lost() {
    // A tenth of the answers for each .1 nats; with so many asked, what was believed moves it little.
    let many = |drift, lost| DriftSeen { drift, asked: 3000, lost };
    let found = budget(&[many(0.1, 300), many(0.2, 600), many(0.3, 900)]);
    assert!((found - 0.05).abs() < 1e-3, "{found}");
    // What is guessed differently is no loss: three fewer here and three more there.
    let guessed = budget(&[many(0.1, 203), many(0.2, 397), many(0.3, 600)]);
    assert!((guessed - budget(&[many(0.1, 200), many(0.2, 400), many(0.3, 600)])).abs() < 1e-9);
    assert_eq!(budget(&[seen(0.2, 2), seen(0.4, -3)]), 0.4, "nothing was lost");
    // Without any answer to lose, the belief stands.
    let none = DriftSeen { drift: 0.4, asked: 0, lost: 0 };
    assert!((budget(&[none]) - UNCALIBRATED_BUDGET).abs() < 1e-9);
}

#[test]
fn the_budget_goes_no_further_than_was_looked_or_believed() {
    assert_eq!(budget(&[seen(0.2, 0), seen(0.4, 0)]), 0.4, "nothing was lost");
    assert_eq!(budget(&[seen(0.02, 0), seen(0.04, 0)]), UNCALIBRATED_BUDGET, "nor nearer");
    // An estimate below 0 is no drift.
    assert_eq!(budget(&[seen(-0.01, 0), seen(0.4, 0)]), 0.4);
    assert_eq!(budget(&[seen(0.0, 0), seen(-0.01, 0)]), UNCALIBRATED_BUDGET, "no adapter moved");
    assert_eq!(budget(&[]), UNCALIBRATED_BUDGET);
}

#[test]
fn the_formulas_rate_is_left_only_for_one_that_is_surely_better() {
    let rates = [tried(1e-3, 1.0, 0.3, 0.02), tried(2e-3, 1.8, 0.4, 0.05), tried(4e-3, 2.0, 0.5, 0.08)];
    assert_eq!(choose_rate(&rates, 2e-3, 0.1), Some(2e-3), "1.8 is within .5 of 2");
    assert_eq!(choose_rate(&rates, 1e-3, 0.1), Some(4e-3), "1 is not");
    assert_eq!(choose_rate(&rates, 4e-3, 0.05), Some(2e-3), "the formula's own is too far from the base");
    assert_eq!(choose_rate(&rates, 2e-3, 0.01), Some(1e-3), "the lowest, where every one is too far");
    let worse = [rates[0], tried(2e-3, 0.2, 0.1, 0.05)];
    assert_eq!(choose_rate(&worse, 2e-3, 0.1), Some(1e-3), "more is not always better");
    assert_eq!(choose_rate(&[], 2e-3, 0.1), None);
}

#[test]
fn what_was_not_done_has_no_speed() {
    assert_eq!((per_second(100, 2.0), per_second(0, 2.0), per_second(3, 0.0)), (Some(50.0), None, None));
}
