//! Repetition: what goes round in circles, and what says again what was said.

use std::collections::HashSet;

use super::{DISTINCT_SHARE, LOOP_FROM};
use crate::grade::words;
use crate::parse::ideographic;
use seald_core::domain::self_edit::RowText;

/// Words in a row by which repetition is seen.
const RUN: usize = 4;
/// Words from which a text is looked at for being put together from what was said.
const SAID_FROM: usize = 8;

/// Whether a text goes round in circles ([`DISTINCT_SHARE`]).
pub(crate) fn repeats_itself(text: &str) -> bool {
    let words = words(text);
    if words.len() < LOOP_FROM {
        return false;
    }
    let runs = words.windows(RUN);
    let all = runs.len() as f64;
    let distinct: HashSet<_> = runs.collect();
    (distinct.len() as f64) < DISTINCT_SHARE * all
}

/// What the rows so far said.
#[derive(Default)]
pub(super) struct Said {
    rows: HashSet<String>,
    runs: HashSet<Vec<String>>,
}

impl Said {
    /// Takes a row up and says whether it is new. It is not if an earlier row has the same words in the same order; a
    /// text need not have the same articles for that, nor is it new if the texts before it have all of its runs of four
    /// words.
    pub(super) fn take_up(&mut self, row: &RowText) -> bool {
        match row {
            RowText::Text(text) => {
                let text = in_words(text);
                let telling: Vec<&str> = text.iter().map(String::as_str).filter(|word| !idle(word)).collect();
                let same = if telling.is_empty() { text.join(" ") } else { telling.join(" ") };
                self.rows.insert(format!("text {same}")) & self.adds(&text)
            }
            // The answer belongs to it: a question answered in two ways is asked twice.
            RowText::Turn { question, answer } => {
                let turn = in_words(&format!("{question} ? {answer}"));
                self.rows.insert(format!("turn {}", turn.join(" ")))
            }
        }
    }

    /// Whether the words say anything new. Words that are signs are too few to tell by.
    fn adds(&mut self, text: &[String]) -> bool {
        let signs = text.iter().filter(|word| word.starts_with(ideographic)).count();
        let runs: Vec<Vec<String>> = text.windows(RUN).map(<[String]>::to_vec).collect();
        let old = text.len() >= SAID_FROM
            && 2 * signs < text.len()
            && runs.iter().all(|run| self.runs.contains(run));
        self.runs.extend(runs);
        !old
    }
}

fn in_words(text: &str) -> Vec<String> {
    words(text).into_iter().map(|word| word.text).collect()
}

/// Words whose change makes no other statement, and no other form of it either: `Fuel of it: gas` and `The fuel of it is
/// gas` are both worth learning.
fn idle(word: &str) -> bool {
    ["a", "also", "an", "and", "the"].contains(&word)
}
