//! Leaves out training rows that would spoil the lesson: copies of probes, repetitions, what the passage does not say.

mod borrowed;
mod forms;
mod grounding;
mod leaks;
mod names;
mod repetition;

use super::exam;
use super::parse::Parsed;
use seald_core::domain::probe::Probe;
use seald_core::domain::self_edit::{DroppedLine, RowText};
use seald_core::sentences;

pub use borrowed::Example;
pub(crate) use borrowed::{borrowed, examples};
use grounding::Source;
pub use grounding::grounded;
use leaks::Leaks;
pub use leaks::{LEAK_NGRAM, LEAK_OVERLAP};
use repetition::Said;
pub(crate) use repetition::repeats_itself;

/// A self-edit of which more than this share of rows repeats an earlier one is degenerate, from [`REPEATED_FROM`] rows
/// on, if less than [`WORTH_KEEPING`] rows are left: a loop at the end of a list spoils what came before it no more.
pub const REPEATED_SHARE: f64 = 2.0 / 3.0;
/// Rows from which [`REPEATED_SHARE`] is looked at: of three rows, two alike are an accident.
pub const REPEATED_FROM: usize = 6;
/// Rows that are worth keeping of a text that ends in a loop.
pub const WORTH_KEEPING: usize = 3;
/// A sentence repeats itself if of its runs of four words less than this share differ, from [`LOOP_FROM`] words on. The
/// lowest share among the sentences of 480 published self-edits of SEAL (40 passages, four formats) is .86.
pub const DISTINCT_SHARE: f64 = 0.5;
/// Words from which [`DISTINCT_SHARE`] is looked at.
pub const LOOP_FROM: usize = 20;

const DENIED: &str = "answers with what the passage denies";
const SAID_AGAIN: &str = "says again what an earlier line said";

/// Bounds of a self-edit after filtering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterOptions {
    /// Rows that are kept at most; later ones are left out.
    pub max_rows: usize,
    /// Tokens of all kept rows together, at most.
    pub max_tokens: usize,
    /// Worked examples that stood before the text.
    pub examples: &'static [Example],
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self { max_rows: 64, max_tokens: 4096, examples: &[] }
    }
}

/// What is left of a self-edit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filtered {
    /// Its rows; empty if it was discarded.
    pub rows: Vec<RowText>,
    /// Lines left out by parser and filter, each with its reason.
    pub dropped: Vec<DroppedLine>,
    /// Why nothing of it is used.
    pub discarded: Option<String>,
}

/// Filters the rows that [`super::parse::rows`] made of a text about `passage`. In this order: rows that repeat
/// themselves; what worked examples lent; statements (and answers) with numbers or names that neither title nor passage
/// hold; copies of `probes`, all of the document's, whatever their role; rows that say again what an earlier one said; rows beyond the bounds. Of a
/// text row with several sentences only those that offend are cut. Answers take the spelling of the passage where only
/// the first letter or the full stop differ. `tokens` counts the tokens of a row.
pub fn filter(
    parsed: Parsed,
    title: &str,
    passage: &str,
    probes: &[Probe],
    options: &FilterOptions,
    tokens: &mut dyn FnMut(&RowText) -> usize,
) -> Filtered {
    let mut kept = Filtered { dropped: parsed.dropped, ..Filtered::default() };
    if parsed.rows.is_empty() {
        kept.discarded = Some(match kept.dropped.first() {
            Some(line) => format!("holds nothing in its form: {:?} {}", line.line, line.reason),
            None => "is empty".into(),
        });
        return kept;
    }
    let judge = Judge {
        source: Source::new(title, passage),
        examples: options.examples,
        leaks: Leaks::new(probes, title),
        title,
    };
    let total = parsed.rows.len();
    let (mut said, mut repeated, mut used) = (Said::default(), 0, 0);
    for row in parsed.rows {
        let Some(row) = judge.clean(row, &mut kept.dropped) else { continue };
        if !said.take_up(&row) {
            repeated += 1;
            kept.drop(&row, SAID_AGAIN);
            continue;
        }
        let count = tokens(&row);
        if kept.rows.len() == options.max_rows {
            kept.drop(&row, &format!("beyond the {} rows that are kept", options.max_rows));
        } else if used + count > options.max_tokens {
            kept.drop(&row, &format!("beyond the {} tokens that are kept", options.max_tokens));
        } else {
            used += count;
            kept.rows.push(row);
        }
    }
    let looped = total >= REPEATED_FROM && repeated as f64 > REPEATED_SHARE * total as f64;
    if looped && kept.rows.len() < WORTH_KEEPING {
        kept.rows.clear();
        kept.discarded = Some(format!("repeats itself: {repeated} of {total} lines said nothing new"));
    } else if kept.rows.is_empty() {
        let reason = kept.dropped.last().map_or("", |line| line.reason.as_str());
        kept.discarded = Some(format!("no line is left of {total}; the last one {reason}"));
    }
    kept
}

impl Filtered {
    fn drop(&mut self, row: &RowText, reason: &str) {
        self.dropped.push(DroppedLine { line: shown(row), reason: reason.into() });
    }
}

/// Judges rows one at a time.
struct Judge<'a> {
    source: Source,
    examples: &'static [Example],
    leaks: Leaks,
    title: &'a str,
}

impl Judge<'_> {
    /// The row, or what is left of it.
    fn clean(&self, row: RowText, dropped: &mut Vec<DroppedLine>) -> Option<RowText> {
        let reason = match &row {
            RowText::Text(text) => return self.clean_text(text, dropped).map(RowText::Text),
            RowText::Turn { question, answer } => self.turn_fault(question, answer),
        };
        match (reason, row) {
            (Some(reason), row) => {
                dropped.push(DroppedLine { line: shown(&row), reason });
                None
            }
            (None, RowText::Turn { question, answer }) => {
                Some(RowText::Turn { question, answer: self.source.spelling(&answer) })
            }
            (None, row) => Some(row),
        }
    }

    fn turn_fault(&self, question: &str, answer: &str) -> Option<String> {
        if repeats_itself(answer) {
            return Some("repeats itself".into());
        }
        if let Some(reason) = self.borrowed(question).or_else(|| self.borrowed(answer)) {
            return Some(reason);
        }
        let ungrounded =
            self.source.ungrounded(question).or_else(|| self.source.ungrounded_answer(question, answer));
        let denied = || self.source.denied(question, answer).then(|| DENIED.to_string());
        ungrounded
            .or_else(denied)
            .or_else(|| self.leaks.of_turn(exam::without_subject(question, self.title), answer))
    }

    /// Sentence by sentence; a sentence that an earlier one of the same row said goes too, so that a loop at its end
    /// leaves what came before. After a question that leaks goes its answer, the sentence behind it.
    fn clean_text(&self, text: &str, dropped: &mut Vec<DroppedLine>) -> Option<String> {
        let mut kept: Vec<String> = Vec::new();
        let mut said = Said::default();
        let mut says = false;
        for line in text.split('\n') {
            if line.trim() == self.title.trim() {
                kept.push(line.to_string());
                continue;
            }
            let (mut left, mut cut_answer) = (String::new(), false);
            for sentence in sentences::in_line(line) {
                let fault = match std::mem::take(&mut cut_answer) {
                    true => Some("answers a question that was left out".to_string()),
                    false => self.sentence_fault(sentence).or_else(|| said_again(&mut said, sentence)),
                };
                match fault {
                    Some(reason) => {
                        cut_answer = sentence.trim_end().ends_with('?');
                        dropped.push(DroppedLine { line: sentence.trim().into(), reason });
                    }
                    None => left.push_str(sentence),
                }
            }
            if left.contains(char::is_alphanumeric) {
                says = true;
                kept.push(left.trim().to_string());
            }
        }
        says.then(|| kept.join("\n"))
    }

    fn sentence_fault(&self, sentence: &str) -> Option<String> {
        if repeats_itself(sentence) {
            return Some("repeats itself".into());
        }
        let borrowed = self.borrowed(sentence);
        borrowed.or_else(|| self.source.ungrounded(sentence)).or_else(|| self.leaks.of_statement(sentence))
    }

    fn borrowed(&self, text: &str) -> Option<String> {
        self.examples.iter().find_map(|example| example.lent(text, &self.source))
    }
}

/// Why a sentence adds nothing to those before it. Headings and short answers may stand twice.
fn said_again(said: &mut Said, sentence: &str) -> Option<String> {
    let long = sentence.split_whitespace().nth(3).is_some();
    (long && !said.take_up(&RowText::Text(sentence.to_string()))).then(|| SAID_AGAIN.to_string())
}

/// A row as one shows it to a person.
fn shown(row: &RowText) -> String {
    match row {
        RowText::Text(text) => text.clone(),
        RowText::Turn { question, answer } => format!("{question} {answer}"),
    }
}

#[cfg(test)]
mod tests;
