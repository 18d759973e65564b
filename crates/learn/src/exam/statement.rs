//! Statements with a gap: what stands in for a question where a model cannot ask.

use super::spans::Span;
use super::{content, normal};
use crate::grade::{denied_at, denies};
use seald_core::sentences;

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
    /// The sentence up to the gap; from the gap on, where nothing stands before it; never the words of an asked form.
    pub taught: String,
}

/// The statement about a span of a passage; none where the sentence says nothing besides, or where a form would leave out that the sentence denies what it says.
pub fn statement(title: &str, passage: &str, span: &Span) -> Option<Statement> {
    let range = sentences::ranges(passage).into_iter().nth(span.sentence)?;
    let before: Vec<&str> = passage[range.start..span.range.start].split_whitespace().collect();
    let after: Vec<&str> = passage[span.range.end.min(range.end)..range.end].split_whitespace().collect();
    if said(&before) + said(&after) < 2 {
        return None;
    }
    let near = (&before[before.len().saturating_sub(AROUND)..], &after[..after.len().min(AROUND)]);
    let gaps = [gap(&before, &after), gap(near.0, near.1)];
    let denied = is_denied(passage, span);
    let (head, part) = taught(&before, &after, &gaps, denied)?;
    let statement = Statement {
        asked: [
            format!("Which words are missing in this sentence about \"{title}\"? {}", gaps[0]),
            format!("What is said of \"{title}\"? Fill the gap: {}", gaps[1]),
        ],
        taught: format!("How does this sentence about \"{title}\" {head}? {part}"),
    };
    let parts = [&gaps[0], &gaps[1], &part];
    (!denied || parts.into_iter().all(|part| denies(part))).then_some(statement)
}

/// What is trained on: what stands before the gap; what stands after it, where nothing stands before that tells one sentence from another (`The ____`). Where that is all that an asked form shows, too, the half of it next to the
/// gap, so that whoever is asked has not been taught that very line.
/// Of a `denied` span the most that holds the denial. None where what is left could be any sentence.
fn taught(
    before: &[&str],
    after: &[&str],
    asked: &[String; 2],
    denied: bool,
) -> Option<(&'static str, String)> {
    let begins = content(&before.join(" ")).is_empty();
    let (head, all) = if begins { ("begin", after) } else { ("go on", before) };
    let part = |shown: usize| match begins {
        true => gap(before, &all[..shown]),
        false => gap(&all[all.len() - shown..], &[]),
    };
    let less = if denied { all.len().saturating_sub(1) } else { all.len().div_ceil(2) };
    let shown = std::iter::once(all.len()).chain((1..=less).rev());
    let parts: Vec<String> = shown.map(part).filter(|part| !content(part).is_empty()).collect();
    let other = |part: &&String| asked.iter().all(|asked| normal(asked) != normal(part));
    let found = parts.iter().find(other).or(parts.first())?;
    Some((head, found.clone()))
}

fn gap(before: &[&str], after: &[&str]) -> String {
    [before, &[BLANK], after].concat().join(" ")
}

/// How many of these are words.
fn said(words: &[&str]) -> usize {
    words.iter().filter(|word| word.contains(char::is_alphanumeric)).count()
}

/// Whether the sentence of a span denies it: of `There is no version for Windows` nobody may learn that there is one for Windows.
pub(super) fn is_denied(passage: &str, span: &Span) -> bool {
    let sentence = sentences::ranges(passage)
        .into_iter()
        .find(|sentence| sentence.start <= span.range.start && span.range.end <= sentence.end);
    sentence.is_some_and(|sentence| {
        let place = span.range.start - sentence.start..span.range.end - sentence.start;
        denied_at(&passage[sentence], place)
    })
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

    fn of(passage: &str, text: &str) -> Option<Statement> {
        let span = spans(passage).into_iter().find(|span| span.text == text);
        statement("It", passage, &span.unwrap_or_else(|| panic!("{text} is no span of {passage}")))
    }

    #[test]
    fn what_is_trained_on_is_never_what_is_asked() {
        // Half of what stands behind it is the very eight words that an asked form shows.
        let long = "Port Ellis sold its old ferry to a man who had it mended and kept it for years.";
        for (passage, text, taught) in [
            ("The ferry was built in Port Ellis in 1988.", "1988", "in Port Ellis in ____"),
            ("The ferry was built in Port Ellis in 1988.", "Port Ellis", "The ferry was built in ____"),
            ("There it stands in 1988.", "1988", "stands in ____"),
            ("Port Ellis built the ferry.", "Port Ellis", "____ built the"),
            (long, "Port Ellis", "____ sold its old ferry to a man"),
        ] {
            let statement = of(passage, text).unwrap();
            let part =
                |form: &str| normal(form.split_once("? ").unwrap().1.trim_start_matches("Fill the gap: "));
            assert!(statement.taught.ends_with(&format!("? {taught}")), "{}", statement.taught);
            assert!(
                statement.asked.iter().all(|asked| part(asked) != part(&statement.taught)),
                "{statement:?}"
            );
        }
        assert_eq!(of("It is Port Ellis.", "Port Ellis"), None, "a stop is no word");
        let many = "When two dates are found on it, the earlier wins.";
        let taught = of(many, "two dates").unwrap().taught;
        assert!(taught.ends_with("begin? When ____ are found on it,"), "{taught}");
    }

    #[test]
    fn a_statement_does_not_leave_a_denial_out() {
        let near = "There is no version for old Windows.";
        assert!(of(near, "Windows").unwrap().taught.contains("no version"));
        let far =
            "There is no version of it that was made or sold or given away for use at home with Windows.";
        assert_eq!(of(far, "Windows"), None);
    }

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
