//! The rate that follows from what was measured.

use super::*;

fn tried(rate: f64, gain: f64, standard_error: f64, drift: f64) -> RateTried {
    RateTried { rate, gain, standard_error, drift, tokens: 9000 }
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
