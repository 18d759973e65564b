//! Statements with a gap: what stands in for a question where a model cannot ask.

use super::content;
use super::spans::{Span, sentence_ranges};

/// Stands where an answer was left out.
const BLANK: &str = "____";

/// Words on each side of a gap that the second form of a statement shows.
const AROUND: usize = 8;

/// Letters at the beginning that two forms of a word share.
const STEM: usize = 5;

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

/// Whether the rest of the passage, or its title, says every word of a span too, be it in another form (`Mongol`, `Mongolian`): then a gap in its place
/// is filled by whoever knows what the passage is about.
pub fn said_elsewhere(title: &str, passage: &str, span: &Span) -> bool {
    let rest = [title, &passage[..span.range.start], &passage[span.range.end..]].map(content);
    let like = |word: &str, other: &str| {
        let common = word.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        word == other || common >= STEM
    };
    content(&span.text).iter().all(|word| rest.iter().flatten().any(|other| like(word, other)))
}

#[cfg(test)]
mod tests {
    use super::super::spans;
    use super::*;

    #[test]
    fn what_the_rest_says_too_is_known() {
        let passage = "He kept many Mongol customs. The traditional Mongolian script is of 1204. Its first law was the Ikh Zasag, and the Ikh Zasag was strict.";
        let known = |text: &str| {
            let span = spans(passage).into_iter().find(|span| span.text == text);
            said_elsewhere("Genghis Khan", passage, &span.unwrap_or_else(|| panic!("{text} is no span")))
        };
        assert!(known("Ikh Zasag"));
        assert!(!known("1204"));
        let mongolian = |passage: &str| {
            let start = passage.find("Mongolian").unwrap();
            let span = Span { text: "Mongolian".into(), range: start..start + 9, ..spans("1204").remove(0) };
            said_elsewhere("", passage, &span)
        };
        assert!(mongolian(passage) && !mongolian("The Mongolian script is of 1204."));
    }
}
