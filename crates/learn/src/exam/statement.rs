//! Statements with a gap: what stands in for a question where a model cannot ask.

use super::spans::{Span, sentence_ranges};

/// Stands where an answer was left out.
const BLANK: &str = "____";

/// Words on each side of a gap that the second form of a statement shows.
const AROUND: usize = 8;

/// A statement with a span left out, in three forms, for where a model cannot ask: two to be examined with, one to be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The whole sentence, and the words next to the gap.
    pub asked: [String; 2],
    /// The sentence up to the gap; from the gap on, where nothing stands before it.
    pub taught: String,
}

/// The statement about a span of a passage; none where the sentence says nothing besides.
pub fn statement(title: &str, passage: &str, span: &Span) -> Option<Statement> {
    let range = sentence_ranges(passage).into_iter().nth(span.sentence)?;
    let before: Vec<&str> = passage[range.start..span.range.start].split_whitespace().collect();
    let after: Vec<&str> = passage[span.range.end.min(range.end)..range.end].split_whitespace().collect();
    if before.len() + after.len() < 3 {
        return None;
    }
    let near = (&before[before.len().saturating_sub(AROUND)..], &after[..after.len().min(AROUND)]);
    let gap = |before: &[&str], after: &[&str]| [before, &[BLANK], after].concat().join(" ");
    let whole =
        format!("Which words are missing in this sentence about \"{title}\"? {}", gap(&before, &after));
    let near = format!("What is said of \"{title}\"? Fill the gap: {}", gap(near.0, near.1));
    let taught = match before.len() {
        0 => format!("How does this sentence about \"{title}\" begin? {}", gap(&[], &after)),
        _ => format!("How does this sentence about \"{title}\" go on? {}", gap(&before, &[])),
    };
    Some(Statement { asked: [whole, near], taught })
}

/// Whether a question is a statement to be completed. It quotes the document, so that it shows what was memorised rather than what is understood.
pub fn is_cloze(question: &str) -> bool {
    question.contains(BLANK)
}
