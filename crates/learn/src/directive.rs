//! The menu of directives, and the model's choice from it: choices are scored, so every one is legal.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::options::LearnOptions;
use super::prompt::{self, Fill};
use super::session::Session;
use seald_core::domain::self_edit::{Directive, Format};
use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_engine::score::ScoreRow;

/// Every legal directive, by format, learning rate and epochs.
pub fn menu(learning_rates: &[f64], epochs: &[usize]) -> Vec<Directive> {
    let mut all = Vec::new();
    for &format in Format::ALL {
        for &learning_rate in learning_rates {
            all.extend(epochs.iter().map(|&epochs| Directive { format, learning_rate, epochs }));
        }
    }
    all
}

/// Every form in its turn, questions with answers and the rewrite first: the directives of a model that nobody taught to choose.
pub fn in_turn(options: &LearnOptions) -> Vec<Directive> {
    use Format::{Implications, ImplicationsLong, KeyFacts, Rewrite, SelfQa, StudyNote};
    let turns = [SelfQa, Rewrite, ImplicationsLong, StudyNote, KeyFacts, Implications].into_iter().cycle();
    let rate = options.learning_rates.iter().take(1);
    rate.flat_map(|&learning_rate| {
        let directive = move |format| Directive { format, learning_rate, epochs: options.presentations };
        turns.clone().take(options.candidates).map(directive)
    })
    .collect()
}

/// A directive as the model writes it.
pub fn line(directive: &Directive) -> String {
    let Directive { format, learning_rate, epochs } = directive;
    format!("format {format}, learning rate {learning_rate:e}, epochs {epochs}")
}

/// The probability of each choice of the menu for one passage, as the writer sees it; they sum to 1.
///
/// # Errors
/// From the engine.
pub fn probabilities(
    session: &Session<'_>,
    menu: &[Directive],
    title: &str,
    passage: &str,
    writer: Option<&Adapter>,
) -> Result<Vec<f64>> {
    let asked = prompt::DIRECTIVE.fill(Fill { title, passage, ..Fill::default() });
    let mut rows = Vec::with_capacity(menu.len());
    for directive in menu {
        let (tokens, first) = session.turn(&asked, &line(directive))?;
        rows.push(ScoreRow { tokens, first, adapter: writer.map(|_| 0) });
    }
    let scores = session.score(&rows, writer)?;
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = scores.iter().map(|s| (s - most).exp()).collect();
    let total: f64 = shares.iter().sum();
    Ok(shares.into_iter().map(|s| s / total).collect())
}

/// Draws `count` directives: first one of each format, formats in random order by their probability, so that reward sees every format;
/// after that by the probabilities alone. No choice comes twice while there are others.
pub fn draw(menu: &[Directive], probabilities: &[f64], count: usize, seed: u64) -> Vec<Directive> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let mut left: Vec<f64> = probabilities.to_vec();
    let mut drawn: Vec<Directive> = Vec::with_capacity(count);
    while drawn.len() < count && !menu.is_empty() {
        if left.iter().all(|p| *p <= 0.0) {
            left = probabilities.iter().map(|p| p.max(f64::MIN_POSITIVE)).collect();
        }
        let fresh = |i: usize| drawn.iter().all(|d| d.format != menu[i].format);
        let any_fresh = (0..menu.len()).any(|i| left[i] > 0.0 && fresh(i));
        let weights: Vec<f64> =
            (0..menu.len()).map(|i| if any_fresh && !fresh(i) { 0.0 } else { left[i] }).collect();
        let chosen = pick(&weights, rng.random::<f64>());
        left[chosen] = 0.0;
        drawn.push(menu[chosen].clone());
    }
    drawn
}

/// Draws `count` directives by their probabilities alone, each as if it were the only one: what the writer would choose if nobody asked for variety.
/// `menu` has at least one choice.
pub fn sample(menu: &[Directive], probabilities: &[f64], count: usize, seed: u64) -> Vec<Directive> {
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    (0..count).map(|_| menu[pick(probabilities, rng.random::<f64>())].clone()).collect()
}

/// The index at which the running sum of `weights` passes `at` (in [0, 1)) of their total.
fn pick(weights: &[f64], at: f64) -> usize {
    let mut rest = at * weights.iter().sum::<f64>();
    let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
    for (i, weight) in weights.iter().enumerate() {
        if rest < *weight {
            return i;
        }
        rest -= weight;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_nano_was_taught() {
        let menu = menu(&[3e-4, 1e-3, 3e-3], &[5, 10, 20, 30]);
        assert_eq!(menu.len(), 72);
        assert_eq!(line(&menu[0]), "format implications, learning rate 3e-4, epochs 5");
    }

    #[test]
    fn every_format_comes_before_any_comes_twice() {
        let menu = menu(&[1e-3, 3e-3], &[5, 10]);
        let mut even = vec![1.0 / menu.len() as f64; menu.len()];
        even[0] = 0.5;
        for seed in 0..50 {
            let drawn = draw(&menu, &even, 8, seed);
            let mut formats: Vec<_> = drawn[..6].iter().map(|d| d.format).collect();
            formats.sort();
            formats.dedup();
            assert_eq!(formats.len(), 6);
            let distinct = (0..8).all(|i| (0..i).all(|j| drawn[i] != drawn[j]));
            assert!(distinct, "{drawn:?}");
        }
    }

    #[test]
    fn a_sample_follows_the_probabilities_and_may_repeat() {
        let menu = menu(&[1e-3, 3e-3], &[5]);
        let mut shares = vec![0.0; menu.len()];
        (shares[1], shares[4]) = (0.25, 0.75);
        let drawn = sample(&menu, &shares, 4000, 3);
        let count = |i: usize| drawn.iter().filter(|d| **d == menu[i]).count();
        assert_eq!(count(1) + count(4), 4000);
        // Four standard deviations of a binomial.
        assert!(count(4).abs_diff(3000) < 110, "{}", count(4));
        assert_eq!(drawn, sample(&menu, &shares, 4000, 3));
        assert_ne!(drawn, sample(&menu, &shares, 4000, 4));
    }

    #[test]
    fn probabilities_decide() {
        let menu = menu(&[1e-3, 3e-3], &[5]);
        let mut shares = vec![0.0; menu.len()];
        shares[3] = 1.0;
        assert_eq!(draw(&menu, &shares, 1, 9), vec![menu[3].clone()]);
        assert_eq!(draw(&menu, &shares, menu.len() + 2, 9).len(), menu.len() + 2);
    }
}
