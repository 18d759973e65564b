//! Questions and answers in what a model wrote: labelled, numbered, or one behind the other on a line.

use super::lines::{Line, after_label, introduces, takes_leave};

/// Questions that stand before one answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Block {
    /// One or more.
    pub(super) questions: Vec<String>,
    /// Their answer.
    pub(super) answer: String,
}

/// The blocks of some lines, and what belongs to none.
#[derive(Default)]
pub(super) struct Blocks {
    /// In order.
    pub(super) blocks: Vec<Block>,
    /// Lines left over, each with its reason.
    pub(super) left: Vec<(String, &'static str)>,
    pending: Vec<String>,
}

enum Part {
    Question(String),
    Answer(String),
    Other(String),
}

/// Reads lines into blocks: questions, then their answer.
pub(super) fn blocks(lines: &[Line<'_>]) -> Blocks {
    let mut found = Blocks::default();
    for (index, line) in lines.iter().enumerate() {
        let last = index + 1 == lines.len();
        if last && takes_leave(line) {
            found.left.push((line.raw.to_string(), "speaks to the reader"));
            continue;
        }
        for part in parts(&line.text) {
            match part {
                Part::Question(text) => found.pending.push(text),
                Part::Answer(text) => found.answer(text),
                Part::Other(_) if introduces(line, index == 0) => {
                    found.forget_pending();
                    found.left.push((line.raw.to_string(), "only introduces what follows"));
                }
                Part::Other(text) => found.answer(text),
            }
        }
    }
    found.forget_pending();
    found
}

impl Blocks {
    fn answer(&mut self, answer: String) {
        if answer.is_empty() {
            return; // The answer stands on the next line.
        }
        if self.pending.is_empty() {
            self.left.push((answer, "belongs to no question"));
        } else {
            self.blocks.push(Block { questions: std::mem::take(&mut self.pending), answer });
        }
    }

    fn forget_pending(&mut self) {
        self.left.extend(self.pending.drain(..).map(|question| (question, NO_ANSWER)));
    }
}

/// Why a question is left out.
pub(super) const NO_ANSWER: &str = "has no answer";

fn parts(text: &str) -> Vec<Part> {
    if let Some(rest) = after_label(text, &["question", "q"]) {
        let cut = ["Answer:", "answer:", " A:"].into_iter().find_map(|label| rest.split_once(label));
        return match cut {
            Some((question, answer)) => {
                vec![Part::Question(question.trim().to_string()), Part::Answer(answer.trim().to_string())]
            }
            None if rest.is_empty() => Vec::new(),
            None => vec![Part::Question(rest.to_string())],
        };
    }
    if let Some(rest) = after_label(text, &["answer", "a"]) {
        return vec![Part::Answer(rest.to_string())];
    }
    one_behind_the_other(text)
}

/// `Question? Answer. Question? Answer.`: what stands between two questions ends with a sentence; what follows its last full
/// stop begins the next question.
fn one_behind_the_other(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut asked = false;
    while let Some(end) = rest.find('?') {
        let (before, after) = rest.split_at(end + 1);
        let question = match before.rfind(". ").filter(|_| asked) {
            Some(stop) => {
                found.push(Part::Answer(value(&before[..stop])));
                &before[stop + 2..]
            }
            None => before,
        };
        found.push(Part::Question(question.trim().to_string()));
        (rest, asked) = (after, true);
    }
    let tail = rest.trim();
    if asked && tail.contains(char::is_alphanumeric) {
        found.push(Part::Answer(value(tail)));
    } else if !asked {
        found.push(Part::Other(tail.to_string()));
    }
    found
}

/// An answer without the dash before it and the full stop behind it.
fn value(text: &str) -> String {
    let text = text.trim_start_matches([' ', '-', '–', '—', ':', '→', '>']).trim();
    text.strip_suffix('.').unwrap_or(text).to_string()
}
