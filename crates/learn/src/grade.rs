//! Grades answers without a judge model: the words of the accepted answer are there, and nothing that makes it another answer.
//!
//! Texts are read in one form (numbers, dates, units, other forms of a word), so that "on 4 March" is "March 4th". What is
//! right by its words is wrong by one of a few rules: a denial, an opposite bound, a choice left open, a list of candidates, or
//! subject and object changed. What needs the meaning of words ("fled" for "ran away") is beyond these rules and counts as
//! wrong. Time is linear in the length of the texts, but for lists of rivals, where it grows with their number.

mod bounds;
mod candidates;
mod compare;
mod dates;
mod ideographs;
mod inflection;
mod negation;
mod numbers;
mod order;
mod reading;
mod rivals;
mod scan;
mod signs;
mod units;
mod words;

pub(crate) use dates::MONTHS;
pub(crate) use negation::{denied_at, denies};
use reading::{Habits, Reading};
pub(crate) use units::unit_spellings;
pub use words::{Word, words};

/// Share of the accepted answer's words that a right answer holds, at least: of two or three words all. Against GPT-4.1's verdicts on
/// 12,000 published answers of SEAL, two of three would take .9 points off the false rejects and put .8 on the false accepts.
pub const RECALL_NEEDED: f64 = 0.67;
/// The same where the accepted answer holds a number, all of its numbers are there and nothing else is counted with them: "seven"
/// for "seven brothers". Of the answers that have the numbers and half of the words, the judge takes three of four for right.
pub const RECALL_WITH_NUMBERS: f64 = 0.5;

/// Where nothing is known of the question, a right answer has at most this many words for each of the accepted one ...
pub const WORDS_A_WORD: usize = 3;
/// ... and this many besides, for words alone would be earned by reciting the passage, which has some 300. On the same verdicts
/// this cap costs .1 points of agreement against none at all; 40 words besides cost 1.3, and 24 cost 6.3.
pub const WORDS_BESIDES: usize = 60;

/// How good an answer is; each number is the best over the accepted answers.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Grade {
    /// Whether it counts as right.
    pub right: bool,
    /// Share of the accepted answer's words that it holds, 0 to 1. Words that say nothing of their own ("of") do not count.
    pub recall: f64,
    /// Harmonic mean of that share and the share of its own words that the accepted answer holds, 0 to 1 (SQuAD's F1).
    pub f1: f64,
    /// Equal after normalisation.
    pub exact: bool,
}

impl Grade {
    fn best(self, other: Self) -> Self {
        Self {
            right: self.right || other.right,
            recall: self.recall.max(other.recall),
            f1: self.f1.max(other.f1),
            exact: self.exact || other.exact,
        }
    }
}

/// Grades `answer` against each of `accepted` and keeps the best. Right means: [`RECALL_NEEDED`] of the accepted answer's words
/// are there, its numbers among them without exception; it is not longer than the cap; and it neither denies what is accepted
/// nor turns it into something else. An accepted answer of one or two words must therefore be there in full. Nothing is right
/// where nothing is accepted.
pub fn grade(answer: &str, accepted: &[String]) -> Grade {
    best(None, answer, accepted, |said, gold| {
        said.iter().all(|said| said.tokens.len() <= gold.tokens.len() * WORDS_A_WORD + WORDS_BESIDES)
    })
}

/// Grades like [`grade`], knowing the question and what else could be answered: `rivals` are other things of the same kind that
/// the passage offers (its other numbers, its other names). Words of the question need not be said again, and a long answer
/// is as good as a short one, unless it offers a rival that the question does not mention: who recites the passage has not
/// answered.
pub fn grade_with_rivals(question: &str, answer: &str, accepted: &[String], rivals: &[String]) -> Grade {
    let asked = Reading::new(question, Habits::default());
    best(Some(&asked), answer, accepted, |said, gold| {
        !said.iter().any(|said| rivals::offered(said, gold, &asked, rivals))
    })
}

/// The best grade over the accepted answers, their alternatives and the ways in which the texts can be read. `allowed` decides
/// on an answer that is not exact.
fn best(
    question: Option<&Reading>,
    answer: &str,
    accepted: &[String],
    allowed: impl Fn(&[Reading], &Reading) -> bool,
) -> Grade {
    let texts = || accepted.iter().map(String::as_str).chain([answer]);
    let habits = Habits {
        continental: false,
        dot_thousands: texts().any(signs::tells_continental),
        versions: texts().any(signs::tells_versions),
    };
    let said = readings(answer, habits);
    let mut grade = Grade::default();
    for gold in accepted {
        for (index, wording) in alternatives(gold).into_iter().enumerate() {
            for gold in readings(&wording, habits) {
                let allowed = allowed(&said, &gold);
                for said in &said {
                    let mut got = compare::compare(said, &gold, question);
                    got.right = got.exact || (got.right && allowed);
                    // A part of an accepted answer is right, but the whole is what words are counted of.
                    let part = Grade { right: got.right, ..Grade::default() };
                    grade = grade.best(if index == 0 { got } else { part });
                }
            }
        }
    }
    grade
}

/// The ways in which a text can be read; one where they come to the same.
fn readings(text: &str, habits: Habits) -> Vec<Reading> {
    let mut readings = vec![Reading::new(text, habits)];
    // Only digits are written in two ways.
    if text.contains(char::is_numeric) {
        let other = Reading::new(text, Habits { continental: true, ..habits });
        if !other.texts().eq(readings[0].texts()) {
            readings.push(other);
        }
    }
    readings
}

/// An accepted answer that offers more choices than these is a text, which is compared as a whole.
const CHOICES: usize = 8;

/// An accepted answer and what of it will do: without what is in brackets, and each of the things between which "or" leaves
/// the choice.
fn alternatives(gold: &str) -> Vec<String> {
    let mut bare = String::new();
    let mut depth = 0_usize;
    for c in gold.chars() {
        match c {
            '(' | '（' => depth += 1,
            ')' | '）' => depth = depth.saturating_sub(1),
            c if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    let said = |text: &str| text.contains(char::is_alphanumeric);
    let bare = if said(&bare) { bare } else { gold.to_string() };
    let mut found = vec![gold.to_string()];
    found.extend(Some(bare.clone()).filter(|bare| bare != gold));
    let parts: Vec<&str> = bare.split(" or ").collect();
    if (2..=CHOICES).contains(&parts.len()) {
        found.extend(parts.into_iter().filter(|part| said(part)).map(str::to_string));
    }
    found
}

#[cfg(test)]
mod tests;
