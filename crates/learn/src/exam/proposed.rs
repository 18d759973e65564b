//! Answers that the model proposes, besides those that rules find: a list in the form of worked examples, of which only what stands in the passage counts.

use super::spans::{MAX_WORDS, Span};
use super::worked::WORKED;
use super::{FORM, examples, kind_of};
use crate::author::Author;
use crate::probes::Reading;
use crate::session::{Session, Writing};
use seald_core::error::Result;
use seald_core::sentences;

/// Ends the request.
const CUE: &str = "Answers:";
/// Between two answers.
const BETWEEN: &str = "; ";
/// Tokens of the list: some eight answers.
const LIST_TOKENS: usize = 64;

/// For each passage, the answers that the author proposes: the likeliest list.
///
/// # Errors
/// From the engine; those of an author elsewhere.
pub(super) fn proposed(
    session: &Session<'_>,
    document: Reading<'_>,
    seed: u64,
    author: Author<'_>,
) -> Result<Vec<Vec<Span>>> {
    let mut form = FORM.to_string();
    for (worked, _) in examples(seed) {
        let answers: Vec<&str> = worked.pairs.iter().map(|(answer, _)| *answer).collect();
        form.push_str(&format!(
            "Text: {}: {}\n{CUE} {}\n\n",
            worked.title,
            worked.text,
            answers.join(BETWEEN)
        ));
    }
    let prompt = |passage: &String| {
        let passage = passage.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{form}Text: {}: {passage}\n{CUE}", document.title)
    };
    let prompts: Vec<String> = document.passages.iter().map(prompt).collect();
    let writing = Writing { max_tokens: LIST_TOKENS, temperature: 0.0, top_p: None, seed };
    let lists = author.complete(session, &prompts, writing, &["\n"])?;
    Ok(document.passages.iter().zip(&lists).map(|(passage, list)| found_in(passage, list)).collect())
}

/// The answers of a list that a passage holds word for word, each once.
fn found_in(passage: &str, list: &str) -> Vec<Span> {
    let sentences = sentences::ranges(passage);
    let mut found: Vec<Span> = Vec::new();
    for text in list.lines().next().unwrap_or_default().split(BETWEEN.trim()).map(str::trim) {
        let text = text.trim_end_matches('.');
        let worked = || WORKED.iter().flat_map(|worked| worked.pairs).any(|(answer, _)| *answer == text);
        let words = text.split_whitespace().count();
        if !(1..=MAX_WORDS).contains(&words) || !text.contains(char::is_alphanumeric) || worked() {
            continue;
        }
        let Some(start) = whole_words(passage, text) else { continue };
        let range = start..start + text.len();
        let sentence =
            sentences.iter().position(|sentence| sentence.start <= start && range.end <= sentence.end);
        if let Some(sentence) = sentence.filter(|_| found.iter().all(|one| one.text != text)) {
            found.push(Span { text: text.to_string(), kind: kind_of(text), sentence, range });
        }
    }
    found
}

/// Where a text first stands in a passage as whole words.
fn whole_words(passage: &str, text: &str) -> Option<usize> {
    let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let alone = |start: &usize| {
        let (before, after) =
            (passage[..*start].chars().next_back(), passage[start + text.len()..].chars().next());
        !(part(before) && part(text.chars().next()) || part(after) && part(text.chars().next_back()))
    };
    passage.match_indices(text).map(|(start, _)| start).find(alone)
}

/// The answers found by rule, and of the proposed ones those beside them, up to half as many again: what overlaps an answer by rule asks for it twice.
pub(super) fn beside(by_rule: Vec<Span>, proposed: Vec<Span>, facts: usize) -> Vec<Span> {
    let overlaps =
        |one: &Span, other: &Span| one.range.start < other.range.end && other.range.start < one.range.end;
    let mut all = by_rule;
    let new: Vec<Span> = proposed
        .into_iter()
        .filter(|one| all.iter().all(|other| !overlaps(one, other)))
        .take(facts.div_ceil(2))
        .collect();
    all.extend(new);
    all.sort_by_key(|span| span.range.start);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str =
        "The ferry Halden carries 120 cars. It was built in Port Ellis in 1988, and it runs on whale oil.";

    fn texts(spans: &[Span]) -> Vec<&str> {
        spans.iter().map(|span| span.text.as_str()).collect()
    }

    #[test]
    fn of_a_proposed_list_only_what_the_passage_says_counts() {
        let list = " Port Ellis; whale oil; 1989; car; 120 cars; whale oil; Ruth Calder; ; it was built somewhere else and runs on\nAnswers: Halden";
        let found = found_in(PASSAGE, list);
        assert_eq!(texts(&found), ["Port Ellis", "whale oil", "120 cars"]);
        for span in &found {
            assert_eq!(&PASSAGE[span.range.clone()], span.text);
        }
        assert_eq!(found[1].sentence, 1);
    }

    #[test]
    fn what_overlaps_an_answer_by_rule_is_not_asked_twice() {
        let by_rule = found_in(PASSAGE, "120 cars; 1988");
        let proposed = found_in(PASSAGE, "carries 120 cars; Port Ellis; whale oil");
        assert_eq!(
            texts(&beside(by_rule.clone(), proposed.clone(), 8)),
            ["120 cars", "Port Ellis", "1988", "whale oil"]
        );
        assert_eq!(
            texts(&beside(by_rule, proposed, 2)),
            ["120 cars", "Port Ellis", "1988"],
            "half as many again at most"
        );
    }
}
