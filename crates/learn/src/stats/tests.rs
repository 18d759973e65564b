//! Every formula against scipy 1.17.1; the call that gave a value stands beside it.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::*;

fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected} within {tolerance}");
}

#[test]
fn wilson_is_scipys() {
    // stats.binomtest(k, n).proportion_ci(.95, method='wilson')
    for (right, asked, low, high) in [
        (0, 10, 0.0, 0.277_532_799_862_889_26),
        (3, 10, 0.107_791_267_406_301, 0.603_221_852_538_854_6),
        (10, 10, 0.722_467_200_137_110_7, 1.0),
        (38, 150, 0.190_491_227_290_845_17, 0.328_494_093_264_072_6),
    ] {
        let got = wilson(right, asked, 0.95);
        near(got.low, low, 1e-9);
        near(got.high, high, 1e-9);
    }
    assert_eq!(wilson(0, 0, 0.95), Interval { low: 0.0, high: 1.0 });
}

#[test]
fn binomial_tails_are_scipys() {
    // stats.binom.sf(x - 1, n, p)
    for (lost, asked, rate, expected) in [
        (1, 1, 0.03, 0.03),
        (2, 5, 0.1, 0.081_46),
        (4, 40, 0.03, 0.031_396_804_000_775_98),
        (7, 100, 0.03, 0.031_227_509_431_355_254),
        (0, 10, 0.3, 1.0),
        (10, 10, 0.3, 5.904_9e-6),
    ] {
        near(binomial_tail(lost, asked, rate), expected, 1e-10);
    }
    assert_eq!(binomial_tail(1, 5, 0.0), 0.0);
    assert_eq!(binomial_tail(5, 5, 1.0), 1.0);
}

#[test]
fn losses_may_be_more_by_what_turns_either_way() {
    // By a sum over the binomial's terms in Python.
    for (known, turned, allowed) in
        [(60, 0, 4), (60, 5, 5), (60, 23, 9), (180, 66, 18), (24, 14, 6), (0, 10, 6)]
    {
        assert_eq!(net_losses_allowed(known, turned, 0.03, 0.05), allowed, "{turned} of {known} turned");
    }
}

#[test]
fn losses_allowed_are_the_largest_that_chance_explains() {
    // max(k for k in range(n + 1) if k == 0 or stats.binom.sf(k - 1, n, .03) > .05)
    for (asked, allowed) in
        [(0, 0), (1, 0), (2, 1), (12, 1), (13, 2), (27, 2), (28, 3), (40, 3), (100, 6), (200, 10)]
    {
        assert_eq!(losses_allowed(asked, 0.03, 0.05), allowed, "of {asked}");
    }
}

#[test]
fn t_intervals_are_scipys() {
    // x = [.3, -.1, .5, .2, .9]; stats.t.interval(.95, 4, np.mean(x), stats.sem(x)), and with .90
    let values = [0.3, -0.1, 0.5, 0.2, 0.9];
    let got = mean_interval(&values, 0.95);
    near(got.mean, 0.36, 1e-12);
    near(got.interval.low, -0.101_257_703_298_361_53, 1e-8);
    near(got.interval.high, 0.821_257_703_298_361_5, 1e-8);
    near(mean_interval(&values, 0.90).interval.low, 0.005_831_012_252_276_613, 1e-8);
    // Too few for a bootstrap: the same.
    assert_eq!(bootstrap_mean(&values, 0.95, 1), got);
    assert_eq!(mean_interval(&[1.0], 0.95).interval.low, f64::NEG_INFINITY);
    assert!(mean_interval(&[], 0.95).mean.is_nan());
    assert!(bootstrap_mean(&[f64::NAN; 9], 0.95, 1).interval.low.is_nan());
}

#[test]
fn bootstrap_intervals_are_numpys() {
    // rng = np.random.default_rng(2); m = rng.choice(y, (400000, 12)).mean(1)
    // a = norm.cdf(-np.sqrt(12 / 11) * t.ppf(.975, 11)); np.quantile(m, [a, 1 - a])
    let y = [0.31, -0.12, 0.55, 0.20, 0.91, 0.44, -0.3, 0.62, 0.15, 0.08, 0.7, -0.05];
    let got = bootstrap_mean(&y, 0.95, 7);
    near(got.mean, 0.290_833_333_333_333_3, 1e-12);
    near(got.interval.low, 0.0625, 0.02);
    near(got.interval.high, 0.5225, 0.02);
    assert_eq!(got, bootstrap_mean(&y, 0.95, 7), "the seed decides");
    assert_ne!(got, bootstrap_mean(&y, 0.95, 8));
}

#[test]
fn wordings_of_a_fact_have_one_vote() {
    // Facts 1, 2, 3 with means .3, -.1, .5, then .2 and .9: the t interval of those five.
    let wordings =
        [(1, 0.2), (1, 0.4), (2, -0.1), (3, 0.6), (3, 0.5), (3, 0.4), (7, 0.2), (9, 0.9), (9, 0.9)];
    let (got, expected) =
        (clustered_mean(&wordings, 0.95, 1), mean_interval(&[0.3, -0.1, 0.5, 0.2, 0.9], 0.95));
    assert_eq!(got.count, 5);
    near(got.mean, expected.mean, 1e-12);
    near(got.interval.low, expected.interval.low, 1e-12);
}

#[test]
fn repeated_wordings_do_not_narrow_the_interval() {
    let once: Vec<(usize, f64)> = (0..12).map(|fact| (fact, f64::from(fact as u32 % 5) - 1.5)).collect();
    let often: Vec<(usize, f64)> = once.iter().flat_map(|pair| [*pair; 6]).collect();
    assert_eq!(clustered_mean(&once, 0.95, 3), clustered_mean(&often, 0.95, 3));
}

#[test]
fn correlations_are_scipys() {
    // r = stats.pearsonr([1, 2, 3, 4, 5, 6, 7], [2, 1, 4, 3, 7, 5, 8]); r.confidence_interval(.95)
    let right = [2.0, 1.0, 4.0, 3.0, 7.0, 5.0, 8.0];
    let pairs: Vec<(f64, f64)> = (1..=7).map(f64::from).zip(right).collect();
    let got = correlation(&pairs, 0.95).unwrap();
    near(got.mean, 0.872_797_434_871_826_7, 1e-12);
    near(got.interval.low, 0.349_366_388_836_618_6, 1e-9);
    near(got.interval.high, 0.981_046_120_873_895_3, 1e-9);
    let line: Vec<(f64, f64)> = (1..=5).map(f64::from).map(|x| (x, -2.0 * x)).collect();
    near(correlation(&line, 0.95).unwrap().mean, -1.0, 1e-12);
    assert_eq!(correlation(&[(1.0, 1.0), (1.0, 2.0)], 0.95), None, "one side does not vary");
    assert_eq!(correlation(&pairs[..1], 0.95), None);
    assert_eq!(correlation(&pairs[..3], 0.95).unwrap().interval, Interval { low: -1.0, high: 1.0 });
}

/// A share of intervals of means of normal values misses the true mean 0, on each side as often as it should.
#[test]
fn intervals_cover_as_they_say() {
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    for count in [3_usize, 7, 8, 12, 20] {
        let runs = 2000_u64;
        let above = (0..runs).filter(|run| {
            let values: Vec<f64> = (0..count).map(|_| normal(&mut rng)).collect();
            bootstrap_mean(&values, 0.90, *run).interval.low > 0.0
        });
        let share = above.count() as f64 / runs as f64;
        // 5 % on that side; the standard error of the share is .5 %.
        assert!((0.03..0.07).contains(&share), "{count} values: {share}");
    }
}

/// A standard normal value: twelve uniform ones (Irwin-Hall).
fn normal(rng: &mut Pcg64Mcg) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

#[test]
fn quantiles_lie_on_straight_lines_between_sorted_values() {
    // np.quantile([1, 2, 4, 8], [0, .25, .5, .75, 1])
    let expected = [1.0, 1.75, 3.0, 5.0, 8.0];
    for (share, value) in [0.0, 0.25, 0.5, 0.75, 1.0].into_iter().zip(expected) {
        assert!((quantile(&[1.0, 2.0, 4.0, 8.0], share) - value).abs() < 1e-12);
    }
}
