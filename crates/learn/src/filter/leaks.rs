//! Finds copies of probes: whoever is trained on the question is not examined by it.

use std::collections::{HashMap, HashSet};

use crate::grade::{Word, grade, words};
use seald_core::domain::probe::Probe;

/// Words in a row that a line may not share with a probe's question.
pub const LEAK_NGRAM: usize = 8;
/// Overlap of the words of a line and a probe's question above which it is a copy: twice the shared words over all words
/// of both (Dice), so that a long text is not a copy of all that is asked of it.
pub const LEAK_OVERLAP: f64 = 0.8;

/// The questions of a document's probes.
pub(super) struct Leaks {
    probes: Vec<Asked>,
    runs: HashSet<Vec<String>>,
}

struct Asked {
    words: Vec<Word>,
    counts: HashMap<String, usize>,
    answers: Vec<String>,
}

impl Leaks {
    pub(super) fn new(probes: &[Probe]) -> Self {
        let asked = |probe: &Probe| {
            let words = words(&probe.question);
            Asked { counts: counts(&words), words, answers: probe.answers.clone() }
        };
        let probes: Vec<Asked> = probes.iter().map(asked).collect();
        let runs = probes.iter().flat_map(|probe| runs(&probe.words)).collect();
        Self { probes, runs }
    }

    /// Why a statement is a copy of a probe.
    pub(super) fn of_statement(&self, sentence: &str) -> Option<String> {
        let words = words(sentence);
        if runs(&words).any(|run| self.runs.contains(&run)) {
            return Some(format!("shares {LEAK_NGRAM} words in a row with a probe"));
        }
        self.probes.iter().find_map(|probe| near(&words, probe))
    }

    /// Why a question with its answer is a copy of a probe. A question in the probe's own words always is; one that is
    /// only near it is no copy if its answer has nothing of the probe's: `in which year was it founded` asks for another
    /// fact than `in which year was it closed`.
    pub(super) fn of_turn(&self, question: &str, answer: &str) -> Option<String> {
        let words = words(question);
        if words.is_empty() {
            return None;
        }
        if self.probes.iter().any(|probe| probe.words == words) {
            return Some("asks what a probe asks, word for word".into());
        }
        let shares = |probe: &&Asked| grade(answer, &probe.answers).recall > 0.0;
        self.probes.iter().filter(shares).find_map(|probe| {
            let own: HashSet<_> = runs(&probe.words).collect();
            if runs(&words).any(|run| own.contains(&run)) {
                return Some(format!("shares {LEAK_NGRAM} words in a row with a probe"));
            }
            near(&words, probe)
        })
    }
}

fn near(words: &[Word], probe: &Asked) -> Option<String> {
    let shared: usize = counts(words)
        .into_iter()
        .map(|(word, count)| count.min(probe.counts.get(&word).copied().unwrap_or(0)))
        .sum();
    let overlap = 2.0 * shared as f64 / (words.len() + probe.words.len()) as f64;
    (overlap > LEAK_OVERLAP).then(|| format!("shares {:.0} % of its words with a probe", overlap * 100.0))
}

fn counts(words: &[Word]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for word in words {
        *counts.entry(word.text.clone()).or_default() += 1;
    }
    counts
}

fn runs(words: &[Word]) -> impl Iterator<Item = Vec<String>> {
    words.windows(LEAK_NGRAM).map(|run| run.iter().map(|word| word.text.clone()).collect())
}
