//! Wrong answers of the same sort as the right one: what a model knows is how far it prefers the right one to them.
//!
//! The log-probability of an answer alone rises with any training that makes the model answer shortly, whatever it is about.
//! That ease is common to right and wrong answers, so their difference is free of it (`docs/decisions/0020`).

use super::spans::{Kind, kind_of, spans};
use crate::grade::words;

/// Decoys of an answer. With four, chance prefers the right answer once in five.
pub const DECOYS: usize = 4;

/// Names that stand in where a passage has too few of its own. All are invented.
const NAMES: &[&str] = &[
    "Marlow Venning",
    "Teresk",
    "Ola Brandvik",
    "Quillhaven",
    "Ines Corvalho",
    "Dunmere",
    "Hadley Frost",
    "Port Selwick",
];
/// Phrases, likewise.
const PHRASES: &[&str] = &[
    "a wooden bridge",
    "the night shift",
    "warm water",
    "a local school",
    "the older method",
    "heavy rain",
    "green paint",
    "a small fee",
];
/// Identifiers, likewise.
const CODE: &[&str] = &["max_width", "config.old", "--verbose", "data/input.csv", "v2.0.4", "retry_count"];

/// Wrong answers to a question about a passage, [`DECOYS`] of them and different from one another: other spans of the passage
/// of the answer's sort, the nearest in length first; numbers and dates with other digits; names and phrases from elsewhere. None
/// has a word of an accepted answer, or stands in the question. The same arguments give the same decoys.
pub fn decoys(question: &str, answers: &[String], passage: &str) -> Vec<String> {
    let Some(answer) = answers.first() else { return Vec::new() };
    let kind = kind_of(answer);
    let mut picked = Picked::new(question, answers);
    let length = |text: &str| text.chars().count();
    let mut own: Vec<_> = spans(passage).into_iter().filter(|span| span.kind == kind).collect();
    own.sort_by_key(|span| length(&span.text).abs_diff(length(answer)));
    own.iter().for_each(|span| picked.take(&span.text));
    if matches!(kind, Kind::Number | Kind::Date) || answer.contains(|c: char| c.is_ascii_digit()) {
        (1..=4 * DECOYS).for_each(|step| picked.take(&other_digits(answer, step)));
    }
    let spare = match kind {
        Kind::Code => CODE,
        Kind::Name => NAMES,
        _ => PHRASES,
    };
    let turn = blake3::hash(answer.as_bytes()).as_bytes()[0] as usize;
    (0..spare.len()).for_each(|at| picked.take(spare[(turn + at) % spare.len()]));
    picked.found
}

struct Picked {
    taboo: Vec<String>,
    question: String,
    found: Vec<String>,
}

impl Picked {
    fn new(question: &str, answers: &[String]) -> Self {
        let content = |text: &str| words(text).into_iter().map(|word| word.text).filter(|word| !idle(word));
        let taboo = answers.iter().flat_map(|answer| content(answer).collect::<Vec<_>>()).collect();
        Self { taboo, question: normal(question), found: Vec::new() }
    }

    fn take(&mut self, text: &str) {
        let normal = normal(text);
        let shares = words(text).iter().any(|word| self.taboo.contains(&word.text));
        let asked = format!(" {} ", self.question).contains(&format!(" {normal} "));
        let twice = self.found.iter().any(|one| self::normal(one) == normal);
        if self.found.len() < DECOYS && !normal.is_empty() && !shares && !asked && !twice {
            self.found.push(text.to_string());
        }
    }
}

fn idle(word: &str) -> bool {
    super::function_words::function_word(word)
}

fn normal(text: &str) -> String {
    words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// The same text with another number in it: the last group of digits moved by `step` sevenths of its size, so that it keeps its
/// length (`1874` -> `1861`). Seven is prime to ten, so the last digit changes too.
fn other_digits(answer: &str, step: usize) -> String {
    let Some(end) = answer.rfind(|c: char| c.is_ascii_digit()) else { return String::new() };
    let before = answer[..end].char_indices().rev().take_while(|(_, c)| c.is_ascii_digit());
    let start = before.last().map_or(end, |(at, _)| at);
    let digits = &answer[start..=end];
    let Ok(value) = digits.parse::<u64>() else { return String::new() };
    let offset = match digits.len() {
        1 => step as u64,
        // Years: near ones are as likely as the right one.
        4 => 7 * step as u64 - 3,
        _ => (value / 7).max(1).saturating_mul(step as u64),
    };
    let moved =
        if step.is_multiple_of(2) { value.saturating_sub(offset) } else { value.saturating_add(offset) };
    let moved = moved.to_string();
    if moved.len() != digits.len() || moved == digits {
        return String::new();
    }
    format!("{}{moved}{}", &answer[..start], &answer[end + 1..])
}

/// Odds beyond which an answer is as good as certain, nats: `e^8` is 3,000 to 1.
pub const MARGIN_LIMIT: f64 = 8.0;

/// How far a right answer is preferred to wrong ones of its sort: `ln p(right) - ln mean p(wrong)`, clipped to [`MARGIN_LIMIT`] on both sides. What
/// makes every short answer likelier, as any training on short answers does, is common to both terms and leaves it as it is.
pub fn margin(right: f64, wrong: &[f64]) -> f64 {
    let most = wrong.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = wrong.iter().map(|one| (one - most).exp()).sum::<f64>() / wrong.len() as f64;
    (right - most - mean.ln()).clamp(-MARGIN_LIMIT, MARGIN_LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str = "The lighthouse of Lindow Harbour was built in 1874 by Ruth Calder. Jonas Breuer made its lamp in 1881. It is 31 \
                           metres tall and stands on 12 piles. The keeper burned whale oil, and the crew slept in a stone hut.";

    fn of(question: &str, answer: &str) -> Vec<String> {
        decoys(question, &[answer.to_string()], PASSAGE)
    }

    #[test]
    fn decoys_are_of_the_answers_sort() {
        let dates = of("When was the lighthouse built?", "1874");
        assert_eq!(dates.len(), DECOYS);
        assert_eq!(dates[0], "1881");
        assert!(dates.iter().all(|d| d.len() == 4 && d.parse::<u32>().is_ok() && d != "1874"), "{dates:?}");
        let names = of("Who built the lighthouse?", "Ruth Calder");
        assert_eq!(names.len(), DECOYS);
        assert!(names.contains(&"Jonas Breuer".to_string()), "{names:?}");
        let numbers = of("How tall is it?", "31 metres");
        assert!(numbers.contains(&"12 piles".to_string()), "{numbers:?}");
        assert_eq!(of("What did the keeper burn?", "whale oil").len(), DECOYS);
    }

    #[test]
    fn no_decoy_is_right_or_stands_in_the_question() {
        let names = of("Who built the lamp of Jonas Breuer?", "Ruth Calder");
        assert!(!names.iter().any(|d| d.contains("Breuer") || d.contains("Calder")), "{names:?}");
        assert_eq!(of("?", "5").len(), DECOYS);
        assert!(decoys("?", &[], PASSAGE).is_empty());
    }

    #[test]
    fn the_same_question_has_the_same_decoys() {
        assert_eq!(of("Who built it?", "Ruth Calder"), of("Who built it?", "Ruth Calder"));
    }

    proptest::proptest! {
        #[test]
        fn any_answer_has_decoys(answer in "\\PC{0,40}", passage in "\\PC{0,200}") {
            let found = decoys("Which?", std::slice::from_ref(&answer), &passage);
            proptest::prop_assert!(found.len() <= DECOYS);
            proptest::prop_assert!(found.iter().all(|d| *d != answer));
        }
    }
}
