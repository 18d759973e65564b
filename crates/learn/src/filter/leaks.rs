//! Finds copies of probes: whoever is trained on the question is not examined by it.

use std::collections::{HashMap, HashSet};

use crate::exam;
use crate::grade::{Word, grade, words};
use crate::parse::ideographic;
use seald_core::domain::probe::Probe;

/// Words in a row that a line may not share with a probe's question. Of Chinese and Japanese, whose signs count as words,
/// three times as many: `蒙古军队迅速占领了` is four words of nine signs.
pub const LEAK_NGRAM: usize = 8;
/// Signs of Chinese or Japanese that make up a word, for [`LEAK_NGRAM`].
const SIGNS_A_WORD: usize = 3;
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
    terms: Terms,
    answers: Vec<String>,
}

impl Leaks {
    pub(super) fn new(probes: &[Probe], title: &str) -> Self {
        let asked = |probe: &Probe| {
            // With the title before both, any two questions about one document would be alike.
            let words = words(exam::without_subject(&probe.question, title));
            Asked { terms: terms(&words), words, answers: probe.answers.clone() }
        };
        // A statement to be completed quotes the passage, which is trained on anyway.
        let questions = probes.iter().filter(|probe| !exam::is_cloze(&probe.question));
        let probes: Vec<Asked> = questions.map(asked).collect();
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
    let terms = terms(words);
    let held = |term: &String| probe.terms.counts.get(term).copied().unwrap_or(0);
    let shared: usize = terms.counts.iter().map(|(term, count)| (*count).min(held(term))).sum();
    let overlap = 2.0 * shared as f64 / (terms.all + probe.terms.all) as f64;
    (overlap > LEAK_OVERLAP).then(|| format!("shares {:.0} % of its words with a probe", overlap * 100.0))
}

/// What overlap is counted in: words; of Chinese and Japanese two signs that stand side by side, for texts about one
/// thing share most of their signs.
struct Terms {
    counts: HashMap<String, usize>,
    all: usize,
}

fn terms(words: &[Word]) -> Terms {
    let mut terms = Terms { counts: HashMap::new(), all: 0 };
    let mut add = |term: String| {
        *terms.counts.entry(term).or_default() += 1;
        terms.all += 1;
    };
    let mut before: Option<&str> = None;
    for (index, word) in words.iter().enumerate() {
        let this = is_sign(word).then_some(word.text.as_str());
        let goes_on = || words.get(index + 1).is_some_and(is_sign);
        match (before, this) {
            (Some(before), Some(this)) => add(format!("{before}{this}")),
            (None, Some(_)) if goes_on() => {}
            _ => add(word.text.clone()),
        }
        before = this;
    }
    terms
}

/// Whether a word is one sign of a script without spaces.
fn is_sign(word: &Word) -> bool {
    // A kana may have a mark of its own behind it.
    word.text.chars().filter(|c| !matches!(c, '\u{3099}' | '\u{309a}')).count() == 1
        && word.text.starts_with(ideographic)
}

/// Runs of [`LEAK_NGRAM`] words: from each word the shortest one that is that long.
fn runs(words: &[Word]) -> impl Iterator<Item = Vec<String>> {
    let size = |word: &Word| if is_sign(word) { 1 } else { SIGNS_A_WORD };
    let (mut end, mut length) = (0, 0);
    let mut start = 0;
    std::iter::from_fn(move || {
        while length < LEAK_NGRAM * SIGNS_A_WORD {
            length += size(words.get(end)?);
            end += 1;
        }
        let run = words[start..end].iter().map(|word| word.text.clone()).collect();
        length -= size(&words[start]);
        start += 1;
        Some(run)
    })
}
