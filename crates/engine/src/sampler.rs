//! Chooses the next token of one row from its logits.
//!
//! `candle_transformers`' `LogitsProcessor` draws; which tokens it may draw from is decided here, without
//! sorting the whole vocabulary as it does.

use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as Draw};

use super::generate::GenerateOptions;
use super::grammar::Grammar;
use super::kernels::cpu::Isa;
use super::kernels::dropout::mix;
use super::kernels::softmax;
use seald_core::error::{Error, Kind, Result};

/// The highest temperature. Logits lie within some hundreds: divided by this they are equal to four digits, and neither they nor `1 / temperature` leave what an f32 holds.
/// (OpenAI's own API takes 2 at most.)
pub const MAX_TEMPERATURE: f64 = 1e6;

/// How tokens are chosen. The default takes the most probable one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sampling {
    /// Logits are divided by it, 0 to [`MAX_TEMPERATURE`]. Below 1e-7 the most probable token is taken (the lowest id in a tie).
    pub temperature: f64,
    /// Only the k most probable tokens, 1 or more; `None` for all.
    pub top_k: Option<usize>,
    /// Only the smallest set of most probable tokens whose probabilities sum to p, in (0, 1]; `None` for all.
    /// Applied after temperature and `top_k`, on what these leave, as in transformers.
    pub top_p: Option<f64>,
}

impl Sampling {
    /// Checks every value's range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the field.
    pub fn validate(&self) -> Result<()> {
        let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
        if !(0.0..=MAX_TEMPERATURE).contains(&self.temperature) {
            return invalid(format!(
                "temperature is {}: give 0 (greedy) to {MAX_TEMPERATURE}",
                self.temperature
            ));
        }
        if self.top_k == Some(0) {
            return invalid("top_k is 0: give 1 or more, or leave it out".into());
        }
        match self.top_p {
            Some(p) if !(p > 0.0 && p <= 1.0) => {
                invalid(format!("top_p is {p}: give more than 0, at most 1, or leave it out"))
            }
            _ => Ok(()),
        }
    }

    fn greedy(&self) -> bool {
        self.temperature < 1e-7 || self.top_k == Some(1)
    }
}

/// A token that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The token.
    pub token: u32,
    /// Its natural log-probability under the model itself: before temperature, top-k, top-p and grammar.
    pub log_prob: f32,
    /// The most probable tokens in its place, likewise, the most probable first.
    pub top: Vec<(u32, f32)>,
}

/// Chooses the tokens of one row. Its random numbers depend on its seed alone, not on the other rows.
pub(super) struct Sampler {
    sampling: Sampling,
    draw: LogitsProcessor,
    grammar: Option<Grammar>,
    top: usize,
}

impl Sampler {
    /// The sampler of row `row` of a call with these options.
    pub(super) fn new(options: &GenerateOptions, row: usize) -> Self {
        let GenerateOptions { sampling, seed, ref grammar, top, .. } = *options;
        let seed = mix(seed ^ mix(row as u64));
        let draw = Draw::All { temperature: sampling.temperature };
        Self { sampling, draw: LogitsProcessor::from_sampling(seed, draw), grammar: grammar.clone(), top }
    }

    /// The next token for a row of logits.
    ///
    /// # Errors
    /// [`Kind::Diverged`] for logits that are not finite.
    pub(super) fn choose(&mut self, isa: Isa, logits: &[f32]) -> Result<Chosen> {
        let log_sum = log_sum(isa, logits)?;
        let token = match &mut self.grammar {
            None => self.pick(isa, logits)?,
            Some(grammar) => {
                let mut fitting = vec![f32::NEG_INFINITY; logits.len()];
                grammar.allowed(|id| fitting[id] = logits[id])?;
                let token = self.pick(isa, &fitting)?;
                if let Some(grammar) = &mut self.grammar {
                    grammar.take(token)?;
                }
                token
            }
        };
        let log_prob = |id: u32| logits[id as usize] - log_sum;
        let top = if self.top == 0 { Vec::new() } else { softmax::top_k(logits, self.top) };
        Ok(Chosen {
            token,
            log_prob: log_prob(token),
            top: top.into_iter().map(|id| (id, log_prob(id))).collect(),
        })
    }

    fn pick(&mut self, isa: Isa, logits: &[f32]) -> Result<u32> {
        if self.sampling.greedy() { Ok(argmax(logits)) } else { self.sample(isa, logits) }
    }

    fn sample(&mut self, isa: Isa, logits: &[f32]) -> Result<u32> {
        let Some(allowed) = allowed(isa, &self.sampling, logits) else {
            return Ok(self.draw.sample(&Tensor::from_slice(logits, logits.len(), &Device::Cpu)?)?);
        };
        let values: Vec<f32> = allowed.iter().map(|&id| logits[id as usize]).collect();
        let drawn = self.draw.sample(&Tensor::from_slice(&values, values.len(), &Device::Cpu)?)?;
        Ok(allowed[drawn as usize])
    }
}

/// A token that is given, with its log-probability, as if it had been chosen.
///
/// # Errors
/// As [`Sampler::choose`].
pub(super) fn given(isa: Isa, logits: &[f32], token: u32) -> Result<Chosen> {
    Ok(Chosen { token, log_prob: logits[token as usize] - log_sum(isa, logits)?, top: Vec::new() })
}

fn log_sum(isa: Isa, logits: &[f32]) -> Result<f32> {
    let log_sum = softmax::log_sum_exp(isa, logits);
    if !log_sum.is_finite() {
        let text = "the model's logits are not finite: its weights or the adapter's are damaged";
        return Err(Error::new(Kind::Diverged, text));
    }
    Ok(log_sum)
}

/// The first of the largest elements. Several running maxima, so that the compiler can use vectors.
fn argmax(row: &[f32]) -> u32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder().iter().fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m });
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let top = lanes.iter().fold(rest, |m, &x| if x > m { x } else { m });
    row.iter().position(|&x| x == top).unwrap_or(0) as u32
}

/// The ids that top-k and top-p leave, ascending, so that logits that differ in rounding draw the same token; `None`
/// for all.
fn allowed(isa: Isa, sampling: &Sampling, logits: &[f32]) -> Option<Vec<u32>> {
    let mut ids = sampling.top_k.filter(|&k| k < logits.len()).map(|k| largest(logits, k));
    ids.iter_mut().for_each(|ids| ids.sort_unstable());
    let Some(p) = sampling.top_p.filter(|&p| p < 1.0) else { return ids };
    let scale = 1.0 / sampling.temperature as f32;
    let ids = ids.unwrap_or_else(|| (0..logits.len() as u32).collect());
    let scaled: Vec<f32> = ids.iter().map(|&id| logits[id as usize] * scale).collect();
    let log_sum = softmax::log_sum_exp(isa, &scaled);
    // Tokens below (1 - p) / n hold less than 1 - p together: the others reach p without them, and mostly they
    // are few.
    let least = log_sum + ((1.0 - p) / ids.len() as f64).ln() as f32;
    // Where all are equal and p is small, rounding could put every one of them below that.
    let least = least.min(scaled.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let likely = scaled.into_iter().zip(ids).filter(|&(x, _)| x >= least);
    let mut likely: Vec<(f32, u32)> = likely.map(|(x, id)| ((x - log_sum).exp(), id)).collect();
    keep_nucleus(&mut likely, p);
    Some(likely.into_iter().map(|(_, id)| id).collect())
}

/// Keeps, of (probability, id), the fewest largest whose sum reaches p, or all if none does. The lower id counts as
/// larger in a tie. The order stays.
///
/// Halves the range in which the last one lies, which takes time proportional to the length: sorting a flat
/// distribution over 151,936 tokens took as long as a step of a small model.
fn keep_nucleus(likely: &mut Vec<(f32, u32)>, p: f64) {
    let order = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let mut range = &mut likely.clone()[..];
    let mut missing = p;
    while range.len() > 1 {
        let middle = range.len() / 2;
        range.select_nth_unstable_by(middle, order);
        let (larger, smaller) = range.split_at_mut(middle);
        let sum: f64 = larger.iter().map(|&(weight, _)| f64::from(weight)).sum();
        if sum >= missing {
            range = larger;
        } else {
            missing -= sum;
            range = smaller;
        }
    }
    if let [last] = range {
        likely.retain(|entry| order(entry, last).is_le());
    }
}

/// Ids of the k largest elements, largest first; the lower id wins a tie.
fn largest(row: &[f32], k: usize) -> Vec<u32> {
    // `softmax::top_k` inserts into a sorted list: best while that list is short.
    if k <= 512 {
        return softmax::top_k(row, k);
    }
    let order = |a: &u32, b: &u32| row[*b as usize].total_cmp(&row[*a as usize]).then(a.cmp(b));
    let mut ids: Vec<u32> = (0..row.len() as u32).collect();
    ids.select_nth_unstable_by(k - 1, order);
    ids.truncate(k);
    ids.sort_unstable_by(order);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISA: Isa = Isa::Portable;

    fn sampling(temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Sampling {
        Sampling { temperature, top_k, top_p }
    }

    fn logits(n: usize) -> Vec<f32> {
        (0..n as u64).map(|i| (mix(i) % 1000) as f32 / 200.0).collect()
    }

    /// How often each token comes in `draws` draws, after checking the log-probabilities.
    fn frequencies(sampling: Sampling, logits: &[f32], draws: usize) -> Vec<f64> {
        let options = GenerateOptions { sampling, seed: 7, ..GenerateOptions::default() };
        let mut sampler = Sampler::new(&options, 0);
        let mut counts = vec![0.0; logits.len()];
        let sum: f64 = logits.iter().map(|&x| f64::from(x).exp()).sum();
        for _ in 0..draws {
            let chosen = sampler.choose(ISA, logits).unwrap();
            let exact = f64::from(logits[chosen.token as usize]) - sum.ln();
            assert!((f64::from(chosen.log_prob) - exact).abs() < 1e-5, "{chosen:?}, exact {exact}");
            counts[chosen.token as usize] += 1.0;
        }
        counts
    }

    /// Pearson's statistic against softmax(logits / temperature) over `allowed`, and its degrees of freedom.
    fn chi_square(counts: &[f64], logits: &[f32], temperature: f64, allowed: &[usize]) -> (f64, f64) {
        let draws: f64 = counts.iter().sum();
        let weight = |i: usize| (f64::from(logits[i]) / temperature).exp();
        let sum: f64 = allowed.iter().map(|&i| weight(i)).sum();
        let inside: f64 = allowed.iter().map(|&i| counts[i]).sum();
        assert_eq!(inside, draws, "a token outside of the allowed ones was drawn");
        let expected = |i: usize| draws * weight(i) / sum;
        let statistic = allowed.iter().map(|&i| (counts[i] - expected(i)).powi(2) / expected(i)).sum();
        (statistic, allowed.len() as f64 - 1.0)
    }

    #[test]
    fn frequencies_follow_softmax_at_the_temperature() {
        let logits = [1.0, 2.0, 0.5, 3.0, -1.0, 2.5, 0.0, 1.5];
        let by_rank = [3usize, 5, 1, 7, 0, 2, 6, 4];
        // At 0.7 the probabilities are 0.513, 0.251, 0.123, 0.060, ...: the first three reach 0.8.
        let cases = [
            (sampling(1.0, None, None), 8),
            (sampling(0.7, None, None), 8),
            (sampling(1.6, None, None), 8),
            (sampling(1.0, Some(3), None), 3),
            (sampling(0.7, None, Some(0.8)), 3),
            // The first two hold 0.782 of the five that top-k leaves, but 0.764 of all.
            (sampling(0.7, Some(5), Some(0.775)), 2),
            (sampling(0.7, None, Some(0.775)), 3),
        ];
        for (sampling, count) in cases {
            let counts = frequencies(sampling, &logits, 20_000);
            let (statistic, freedom) = chi_square(&counts, &logits, sampling.temperature, &by_rank[..count]);
            // Five standard deviations above the mean of the distribution.
            let bound = freedom + 5.0 * (2.0 * freedom).sqrt();
            assert!(statistic < bound, "{sampling:?}: {statistic} > {bound}, {counts:?}");
        }
    }

    #[test]
    fn something_is_left_to_draw_from_at_every_temperature() {
        for temperature in [1e-6, 1.0, 1e4, MAX_TEMPERATURE] {
            for p in [1e-300, 1e-9, 0.08, 0.999_999_9] {
                for n in [1, 2, 3, 7, 1000, 151_936] {
                    // As a grammar masks them, too.
                    let masked = (0..n).map(|i| if i % 3 == 0 { 0.5 } else { f32::NEG_INFINITY }).collect();
                    for logits in [vec![0.1; n], vec![-87.3; n], masked, logits(n)] {
                        let sampling = sampling(temperature, None, Some(p));
                        let found = allowed(ISA, &sampling, &logits).unwrap();
                        assert!(!found.is_empty(), "{sampling:?}, {n} logits");
                        assert!(found.iter().all(|id| logits[*id as usize].is_finite()), "{sampling:?}");
                    }
                }
            }
        }
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 3.5e38, 2.0 * MAX_TEMPERATURE] {
            assert!(sampling(wrong, None, None).validate().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_nucleus_is_that_of_a_full_sort() {
        for (n, p, temperature) in [(1000, 0.9, 1.0), (1000, 0.3, 2.0), (5000, 0.999, 0.5), (40, 1e-9, 1.0)] {
            let logits = logits(n);
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
            let weight = |i: &usize| (f64::from(logits[*i]) / temperature).exp();
            let total: f64 = order.iter().map(weight).sum();
            let mut sum = 0.0;
            let mut expected = Vec::new();
            for i in &order {
                if sum < p * total {
                    expected.push(*i as u32);
                }
                sum += weight(i);
            }
            let mut found = allowed(ISA, &sampling(temperature, None, Some(p)), &logits).unwrap();
            assert!(found.is_sorted());
            found.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
            // In f32 the sum may cross p one token earlier or later.
            let common = found.len().min(expected.len());
            assert_eq!(found[..common], expected[..common]);
            assert!(found.len().abs_diff(expected.len()) <= 1, "{} {}", found.len(), expected.len());
        }
    }

    #[test]
    fn large_top_k_agrees_with_small() {
        let logits = logits(3000);
        assert_eq!(largest(&logits, 900)[..400], softmax::top_k(&logits, 400)[..]);
        assert_eq!(largest(&logits, 900).len(), 900);
    }

    #[test]
    fn greedy_takes_the_first_largest() {
        for n in [1, 15, 16, 17, 160] {
            for at in 0..n {
                let mut row = vec![-1.5; n];
                row[at] = 2.0;
                row[n - 1] = 2.0;
                assert_eq!(argmax(&row), at as u32);
            }
        }
        assert!(Sampling::default().greedy() && sampling(1.0, Some(1), None).greedy());
    }

    #[test]
    fn logits_that_are_not_finite_are_an_error() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut row = logits(100);
            row[77] = bad;
            let error = Sampler::new(&GenerateOptions::default(), 0).choose(ISA, &row).unwrap_err();
            assert_eq!(error.kind(), Kind::Diverged);
        }
    }

    #[test]
    fn values_out_of_range_are_named() {
        let bad = [
            (sampling(-0.1, None, None), "temperature"),
            (sampling(f64::NAN, None, None), "temperature"),
            (sampling(1.0, Some(0), None), "top_k"),
            (sampling(1.0, None, Some(0.0)), "top_p"),
            (sampling(1.0, None, Some(1.01)), "top_p"),
            (sampling(1.0, None, Some(f64::NAN)), "top_p"),
        ];
        for (sampling, field) in bad {
            let error = sampling.validate().unwrap_err();
            assert!(error.kind() == Kind::Invalid && error.to_string().contains(field), "{error}");
        }
        sampling(0.8, Some(40), Some(1.0)).validate().unwrap();
    }
}
