//! Whether a new writer takes the old one's place: what both earned on the same documents, and how varied both write.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Sample, WriterOptions};
use crate::grade;
use crate::stats;
use seald_core::domain::number::probable_words;

/// Words of one window of [`diversity`].
const WINDOW: usize = 400;

/// The decision on a new writer, with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Whether it is the writer from now on.
    pub promoted: bool,
    /// Documents that both were examined on.
    pub documents: usize,
    /// Mean over documents of what it earned more than the old one, nats a question.
    pub mean_gain: f64,
    /// Lower bound of that mean, one-sided.
    pub bound: f64,
    /// Diversity of what the old one wrote, 0 to 1.
    pub old_diversity: f64,
    /// Diversity of what the new one wrote, 0 to 1.
    pub new_diversity: f64,
    /// Why, in words: one for each of the two rules.
    pub reasons: Vec<String>,
}

/// Promotes the new writer if the lower bound of the mean paired difference of rewards is above 0 and its diversity has kept
/// [`WriterOptions::diversity_floor`] of the old one's. `pairs` hold for each document the mean reward of the old writer's self-edits and of the new
/// one's.
pub fn decide(
    pairs: &[(f64, f64)],
    old_diversity: f64,
    new_diversity: f64,
    options: &WriterOptions,
) -> Verdict {
    let gains: Vec<f64> = pairs.iter().map(|(old, new)| new - old).collect();
    // Two-sided there; the upper end is not used here.
    let got = stats::bootstrap_mean(&gains, 2.0 * options.confidence - 1.0, options.seed);
    let (mean, bound) = (got.mean, got.interval.low);
    let percent = options.confidence * 100.0;
    let earns = bound > 0.0;
    let reward = if pairs.len() < 2 {
        format!("the writers were compared on {} documents: 2 or more are needed", pairs.len())
    } else {
        let verdict = match mean {
            _ if earns => "its texts teach more",
            ..=0.0 => "its texts teach no more",
            _ => "what its texts teach more could be chance",
        };
        format!(
            "{verdict}: right answers are {} with them, against the present writer's, on {} documents ({mean:+.2} nats a question, with {percent:.0} % confidence more than {bound:+.2}; it must be more than 0)",
            probable_words(mean),
            pairs.len()
        )
    };
    let floor = old_diversity * options.diversity_floor;
    let varied = new_diversity >= floor;
    let diversity = format!(
        "its texts are {}: {:.1} % of the pairs of words in them differ, {:.1} % in the present writer's; at least {:.1} % are needed",
        if varied { "varied enough" } else { "too much alike" },
        new_diversity * 100.0,
        old_diversity * 100.0,
        floor * 100.0
    );
    Verdict {
        promoted: earns && varied,
        documents: pairs.len(),
        mean_gain: finite(mean),
        bound: finite(bound),
        old_diversity,
        new_diversity,
        reasons: vec![reward, diversity],
    }
}

/// JSON has no infinities: the lowest number stands for them and for no number at all.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { f64::MIN }
}

/// How varied texts are, 0 to 1: distinct-2 (Li et al. 2016, arXiv 1510.03055), the share of word pairs that differ among all word pairs. That share
/// falls with the length of the text, so it is taken of windows of 400 words (`WINDOW`), one after another, and their mean is told (as the moving-average
/// type-token ratio does; Covington and McFall 2010). Fewer words than one window are one window; words after the last whole window do not count. Pairs
/// do not reach across texts. What was discarded counts too: it was written. 0 for nothing.
pub fn diversity(samples: &[Sample]) -> f64 {
    let mut windows: Vec<Vec<(String, String)>> = vec![Vec::new()];
    let mut words = 0;
    for text in samples.iter().flat_map(|sample| &sample.texts) {
        let mut last: Option<String> = None;
        for word in grade::words(text) {
            if words == WINDOW {
                (words, last) = (0, None);
                windows.push(Vec::new());
            }
            words += 1;
            if let (Some(before), Some(window)) = (last.replace(word.text.clone()), windows.last_mut()) {
                window.push((before, word.text));
            }
        }
    }
    if windows.len() > 1 && words < WINDOW {
        windows.pop();
    }
    let share = |pairs: &Vec<(String, String)>| match pairs.len() {
        0 => 0.0,
        all => pairs.iter().collect::<HashSet<_>>().len() as f64 / all as f64,
    };
    stats::mean(&windows.iter().map(share).collect::<Vec<_>>())
}
