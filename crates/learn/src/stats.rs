//! Intervals and exact tests over probes: how sure a share, a mean gain or a correlation is.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal, StudentsT};

/// Resamples of a bootstrap. The 5 % point of 2000 means lies within half a per cent of its level.
pub const RESAMPLES: usize = 2000;

/// Values below which the bootstrap gives way to Student's t: seven values have too few distinct resamples in the tail
/// (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", section 3.1), and t is exact where they are normal.
pub const BOOTSTRAP_FROM: usize = 8;

/// A range that holds the true value with the confidence that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// A mean and its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Where the true mean lies.
    pub interval: Interval,
    /// Values (or clusters) that it rests on.
    pub count: usize,
}

/// Wilson's score interval of a share: `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)` (Wilson 1927; Brown, Cai,
/// DasGupta 2001, eq. 4). `confidence` lies in (0, 1) and is two-sided. Nothing asked: the whole of 0 to 1.
pub fn wilson(right: usize, asked: usize, confidence: f64) -> Interval {
    if asked == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, share) = (asked as f64, right as f64 / asked as f64);
    let z = z(confidence);
    let middle = share + z * z / (2.0 * n);
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    let low = if right == 0 { 0.0 } else { (middle - half) / scale };
    let high = if right >= asked { 1.0 } else { (middle + half) / scale };
    Interval { low, high }
}

/// `P(X >= lost)` where each of `asked` probes is lost with probability `rate`, 0 to 1, on its own: the exact binomial
/// test, one-sided. Small values say that more was lost than a rate of `rate` explains.
pub fn binomial_tail(lost: usize, asked: usize, rate: f64) -> f64 {
    if lost == 0 {
        return 1.0;
    }
    match Binomial::new(rate.clamp(0.0, 1.0), asked as u64) {
        Ok(lost_by_chance) => lost_by_chance.sf(lost as u64 - 1),
        Err(_) => f64::NAN,
    }
}

/// The most that may be lost of `asked` before [`binomial_tail`] falls to `level` or below: the largest `k` with
/// `P(X >= k) > level`.
pub fn losses_allowed(asked: usize, rate: f64, level: f64) -> usize {
    (1..=asked).take_while(|lost| binomial_tail(*lost, asked, rate) > level).last().unwrap_or(0)
}

/// By how many fewer of the paired answers may be right afterwards, of which `known` were right before and `turned` changed in either direction, before a loss of the
/// share `rate` and chance explain it with `level` or less. Given how many changed, those that were lost are binomial: one in two, as McNemar's exact test has it,
/// and beyond that the `rate * known` that the budget grants. Never less than [`losses_allowed`].
pub fn net_losses_allowed(known: usize, turned: usize, rate: f64, level: f64) -> usize {
    let plain = losses_allowed(known, rate, level);
    let share = 0.5 + rate * known as f64 / (2.0 * turned.max(1) as f64);
    let lost = losses_allowed(turned, share.min(1.0), level);
    plain.max((2 * lost).saturating_sub(turned))
}

/// The mean and Student's t interval, `x̄ ± t(n-1) s/√n`; infinite with fewer than two values, NaN where a value is.
pub fn mean_interval(values: &[f64], confidence: f64) -> Estimate {
    let count = values.len();
    let mean = mean(values);
    let half = match count {
        0 | 1 => f64::INFINITY,
        _ => student(confidence, count - 1) * (variance(values, mean) / count as f64).sqrt(),
    };
    let interval = Interval { low: mean - half, high: mean + half };
    Estimate { mean, interval, count }
}

/// The mean of paired differences with a percentile bootstrap interval of [`RESAMPLES`] resamples drawn from `seed`: the same in
/// every run. The percentiles are Hesterberg's expanded ones, `Φ(-√(n/(n-1)) t(n-1))` in place of `α/2` (Hesterberg 2015, section
/// 4.3.3): plain ones are too narrow, with eight values by 16 %. Fewer than [`BOOTSTRAP_FROM`] values: [`mean_interval`].
pub fn bootstrap_mean(differences: &[f64], confidence: f64, seed: u64) -> Estimate {
    let count = differences.len();
    if count < BOOTSTRAP_FROM || differences.iter().any(|value| !value.is_finite()) {
        return mean_interval(differences, confidence);
    }
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..count).map(|_| differences[rng.random_range(0..count)]).sum::<f64>() / count as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    let widened = (count as f64 / (count as f64 - 1.0)).sqrt() * student(confidence, count - 1);
    let tail = normal_share_below(-widened);
    let interval = Interval { low: quantile(&means, tail), high: quantile(&means, 1.0 - tail) };
    Estimate { mean: mean(differences), interval, count }
}

/// [`bootstrap_mean`] over facts: wordings of one fact rise and fall together, so facts are what is resampled. Each fact
/// has one vote, the mean of its wordings. `differences` are pairs of the fact's number and a difference; the estimate
/// counts facts.
pub fn clustered_mean(differences: &[(usize, f64)], confidence: f64, seed: u64) -> Estimate {
    bootstrap_mean(&by_fact(differences), confidence, seed)
}

/// The mean of each fact's wordings.
fn by_fact(differences: &[(usize, f64)]) -> Vec<f64> {
    let mut facts: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (fact, difference) in differences {
        facts.entry(*fact).or_default().push(*difference);
    }
    facts.values().map(|wordings| mean(wordings)).collect()
}

/// The difference of two means, of facts (as in [`clustered_mean`]) and of independent controls, with Welch's t interval: standard error
/// `√(s₁²/n₁ + s₂²/n₂)`, freedom by Welch and Satterthwaite (Welch 1947, eq. 29). The count is that of the facts. Without two of each: infinite.
pub fn difference_of_means(facts: &[(usize, f64)], controls: &[f64], confidence: f64) -> Estimate {
    let values = by_fact(facts);
    let (count, mean) = (values.len(), self::mean(&values) - self::mean(controls));
    if count < 2 || controls.len() < 2 {
        return Estimate { mean, interval: Interval { low: f64::NEG_INFINITY, high: f64::INFINITY }, count };
    }
    let (own, other) = (variance_of_mean(&values), variance_of_mean(controls));
    let scale = own + other;
    let freedom = match scale > 0.0 {
        true => {
            scale * scale / (own * own / (count - 1) as f64 + other * other / (controls.len() - 1) as f64)
        }
        false => 1.0,
    };
    let reach = student_of(confidence, freedom) * scale.sqrt();
    Estimate { mean, interval: Interval { low: mean - reach, high: mean + reach }, count }
}

/// The difference of the means of two independent samples, and its standard error `√(s₁²/n₁ + s₂²/n₂)` (Welch 1947). NaN with fewer than two
/// values on either side.
pub fn welch(values: &[f64], others: &[f64]) -> (f64, f64) {
    let error = (variance_of_mean(values) + variance_of_mean(others)).sqrt();
    (mean(values) - mean(others), error)
}

fn variance_of_mean(values: &[f64]) -> f64 {
    variance(values, mean(values)) / values.len() as f64
}

/// Pearson's correlation of pairs and Fisher's interval, `tanh(atanh r ± z/√(n-3))` (Fisher 1921). None with fewer than
/// two pairs or where one side does not vary; with two or three pairs the interval is -1 to 1.
pub fn correlation(pairs: &[(f64, f64)], confidence: f64) -> Option<Estimate> {
    let count = pairs.len();
    let (left, right): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (left_mean, right_mean) = (mean(&left), mean(&right));
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>();
    let together = sum(&|(x, y)| (x - left_mean) * (y - right_mean));
    let apart = (sum(&|(x, _)| (x - left_mean).powi(2)) * sum(&|(_, y)| (y - right_mean).powi(2))).sqrt();
    if count < 2 || !(apart > 0.0 && apart.is_finite()) {
        return None;
    }
    let mean = (together / apart).clamp(-1.0, 1.0);
    let interval = if count > 3 {
        let half = z(confidence) / (count as f64 - 3.0).sqrt();
        Interval { low: (mean.atanh() - half).tanh(), high: (mean.atanh() + half).tanh() }
    } else {
        Interval { low: -1.0, high: 1.0 }
    };
    Some(Estimate { mean, interval, count })
}

/// The arithmetic mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample variance, divided by n - 1.
fn variance(values: &[f64], mean: f64) -> f64 {
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// The quantile of sorted values, at least one: straight lines between them (numpy's default, type 7 of Hyndman and Fan 1996). `share` is clamped
/// to 0 to 1; .5 gives the median.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// Standard normal deviate that the two-sided confidence leaves outside.
fn z(confidence: f64) -> f64 {
    Normal::standard().inverse_cdf(0.5 + confidence / 2.0)
}

fn normal_share_below(deviate: f64) -> f64 {
    Normal::standard().cdf(deviate)
}

/// Student's deviate that the two-sided confidence leaves outside; `freedom` is 1 or more.
fn student(confidence: f64, freedom: usize) -> f64 {
    student_of(confidence, freedom as f64)
}

/// As [`student`], for a freedom that is no whole number.
fn student_of(confidence: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |t| t.inverse_cdf(0.5 + confidence / 2.0))
}

#[cfg(test)]
mod tests;
