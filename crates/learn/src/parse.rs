//! From what a model wrote to training rows and probes: reads every self-edit format, and never fails on any text.

mod answers;
mod asked;
mod choices;
mod fences;
mod heads;
mod json;
mod labels;
mod lines;
mod marks;
mod questions;
mod remarks;
mod sieve;
mod tables;
mod thinking;

use std::borrow::Cow;
use std::collections::HashSet;

use seald_core::domain::self_edit::{DroppedLine, Format, RowText};
use unicode_segmentation::UnicodeSegmentation;

use labels::{Kind, Label};
use sieve::Sieve;

pub(crate) use lines::ideographic;
pub use thinking::without_thinking;

/// A line, a question and an answer have at most this many characters; what is longer is a text that lost its form.
pub const MAX_LINE_CHARS: usize = 600;
/// The one row of a rewrite or a study note has at most this many characters.
pub const MAX_TEXT_CHARS: usize = 12_000;
/// Rows of a self-edit, facts of an exam, and lines noted as left out, at most; the next note says how many more there
/// were.
pub const MAX_ROWS: usize = 200;
/// A fact without a label is a sentence: it ends like one, or has this many words (signs of Chinese or Japanese count).
pub const SENTENCE_WORDS: usize = 5;

/// What was made of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The training rows, in order.
    pub rows: Vec<RowText>,
    /// What was left out, with reasons.
    pub dropped: Vec<DroppedLine>,
}

/// A fact of an exam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedFact {
    /// Its wordings, one or more.
    pub questions: Vec<String>,
    /// The answer to each of them.
    pub answer: String,
}

/// The training rows of a self-edit. Statements and facts: a text row a line. Rewrite and study note: one text row; of a
/// study note also a turn for each question of `Remember:`. Question-answer form: a turn a pair. `titled` puts the title
/// and a line end before each text row, as SEAL does; turns have none. A first line that only repeats the title is left
/// out.
///
/// Thoughts, lists, headings, emphasis, tables, JSON, an introduction ("Here is a list:"), leave-taking ("I hope this
/// helps"), a closing sum, code and sources that follow are taken off. Linear in the text.
pub fn rows(format: Format, title: &str, titled: bool, text: &str) -> Parsed {
    let text = without_thinking(text);
    let mut sieve = Sieve::new(titled.then_some(title));
    if format == Format::SelfQa {
        let blocks = json::blocks(&text);
        if !blocks.is_empty() {
            sieve.blocks(blocks);
            return sieve.finish();
        }
    }
    let text = json::as_lines(&text).map_or(text, Cow::Owned);
    let mut lines = lines::lines(&text);
    if lines.first().is_some_and(|line| line.text.trim_end_matches(':').eq_ignore_ascii_case(title.trim())) {
        lines.remove(0);
    }
    match format {
        Format::Implications | Format::ImplicationsLong => sieve.each_line(&lines, statement),
        Format::KeyFacts => sieve.each_line(&lines, key_fact),
        Format::Rewrite => sieve.whole(&lines),
        Format::StudyNote => {
            sieve.whole(&lines);
            sieve.remember(&lines);
        }
        Format::SelfQa => sieve.turns(&lines),
    }
    sieve.finish()
}

/// The facts of an exam: blocks of one or more questions and their answer, in lines, in a table or as JSON. What is not
/// of that form is passed over, and so is a question asked before.
pub fn probes(text: &str) -> Vec<ParsedFact> {
    let text = without_thinking(text);
    let mut blocks = json::blocks(&text);
    if blocks.is_empty() {
        blocks = questions::blocks(&lines::lines(&text)).blocks;
    }
    let fits = |text: &String| text.chars().count() <= MAX_LINE_CHARS;
    let mut seen = HashSet::new();
    let mut whole = |block: questions::Block| {
        let new = |question: &String| fits(question) && seen.insert(question.to_lowercase());
        let questions: Vec<String> = block.questions.into_iter().filter(new).take(MAX_ROWS).collect();
        let fact = ParsedFact { questions, answer: without_stop(&block.answer).to_string() };
        (!fact.questions.is_empty() && fits(&fact.answer)).then_some(fact)
    };
    blocks.into_iter().filter_map(&mut whole).take(MAX_ROWS).collect()
}

/// A short answer without the full stop behind it; an abbreviation keeps its own.
fn without_stop(answer: &str) -> &str {
    let bare = answer.strip_suffix(['.', '。']).unwrap_or(answer);
    let last = bare.rsplit(char::is_whitespace).next().unwrap_or_default();
    let abbreviated = bare.contains('.')
        || (last.chars().count() < 4 && last.is_ascii() && last.contains(char::is_alphabetic));
    if bare.unicode_words().count() > SENTENCE_WORDS || abbreviated { answer } else { bare }
}

/// A statement without its label (`Implication 3:`) and its lead-in.
fn statement<'a>(raw: &str, line: &'a str) -> Result<&'a str, &'static str> {
    let label = labels::label(line);
    let asked = label.as_ref().is_some_and(|label| matches!(label.kind, Kind::Question | Kind::Answer));
    if marks::ends_asking(line) || asked {
        return Err("a question or an answer, not a statement");
    }
    match label {
        Some(Label { kind: Kind::Statement, rest: "", .. }) => Err("only a label"),
        Some(Label { kind: Kind::Statement, rest, .. }) => Ok(heads::without_lead_in(raw, rest)),
        _ => Ok(heads::without_lead_in(raw, line)),
    }
}

/// A fact: `label: value`, or a sentence.
fn key_fact<'a>(_raw: &str, line: &'a str) -> Result<&'a str, &'static str> {
    let line = match labels::label(line) {
        Some(Label { kind: Kind::Statement, rest, .. }) => rest,
        _ => line,
    };
    let labelled = line
        .split_once([':', '：'])
        .is_some_and(|(label, value)| !label.trim().is_empty() && value.contains(char::is_alphanumeric));
    let ended = line.ends_with(['.', '!', '。', '！']) && line.contains(char::is_whitespace);
    let sentence = ended || line.unicode_words().count() >= SENTENCE_WORDS;
    if labelled || (sentence && !marks::ends_asking(line) && line.starts_with(char::is_alphanumeric)) {
        Ok(line)
    } else {
        Err("neither `label: value` nor a sentence")
    }
}

#[cfg(test)]
mod tests;
