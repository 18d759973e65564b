//! What a text took from a worked example: words that the example is about, where neither title nor passage has them.
//!
//! A weak model that is shown an invented text about a coffee grinder writes of a dishwasher whatever it was asked about. Names and numbers that the passage lacks are
//! found anyway ([`super::grounding`]); these words are ordinary ones.

use std::collections::HashSet;

use super::forms::same_stem;
use super::grounding::Source;
use crate::controls;
use crate::exam::function_word;
use crate::grade::words;

/// Times that an example has a word that it is about, at least, in whatever form.
const SALIENT: usize = 2;
/// How many words behind the first the second word of a pair stands, at most: `notes between two folders`.
const WITHIN: usize = 3;
/// Letters of a word that tells anything, at least.
const LONG: usize = 4;

/// A worked example that stood before what a model wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Words that it is about: it has them more than once, and neither another example nor a control text has any form of them. One of them alone tells that a text was
    /// taken from here. Of 3,889 published implications of SEAL, about other things, a filter by
    /// those of the study forms drops 7 (.18 %), by those of one exam's example 28 (.72 %, all for `changes`), by another's 4, by those of the four others none.
    about: HashSet<String>,
    /// Two of its words that stand near one another. Of those implications none has such a pair that its passage lacks.
    pairs: HashSet<(String, String)>,
}

/// Examples, each given by its texts.
pub(crate) fn examples(texts: &[Vec<&str>]) -> Vec<Example> {
    let telling = |texts: &[&str]| -> Vec<String> {
        texts.iter().flat_map(|text| telling_words(text)).map(|(_, word)| word).collect()
    };
    let each: Vec<Vec<String>> = texts.iter().map(|texts| telling(texts)).collect();
    let mut ordinary: Vec<String> = Vec::new();
    for text in controls::texts() {
        let asked = text.questions.iter().flat_map(|one| [one.question.as_str(), &one.answer]);
        let all: Vec<&str> = asked.chain([text.title.as_str(), &text.passage]).collect();
        ordinary.extend(telling(&all));
    }
    let like = |word: &str, others: &[String]| {
        others.iter().filter(|one| same_stem(one, word) || *one == word).count()
    };
    let about = |place: usize| {
        let own = |word: &&String| {
            let others = each.iter().enumerate().filter(|(other, _)| *other != place);
            like(word, &each[place]) >= SALIENT
                && like(word, &ordinary) == 0
                && others.into_iter().all(|(_, words)| like(word, words) == 0)
        };
        each[place].iter().filter(own).cloned().collect()
    };
    let pairs = |texts: &[&str]| texts.iter().flat_map(|text| pairs(telling_words(text))).collect();
    texts
        .iter()
        .enumerate()
        .map(|(place, texts)| Example { about: about(place), pairs: pairs(texts) })
        .collect()
}

/// Why a text is no text about a passage but about one of the examples that stood before it.
pub(crate) fn borrowed<'e>(
    text: &str,
    title: &str,
    passage: &str,
    examples: impl IntoIterator<Item = &'e Example>,
) -> Option<String> {
    let source = Source::new(title, passage);
    examples.into_iter().find_map(|example| example.lent(text, &source))
}

impl Example {
    /// Why a text comes from here: it has a word that this example is about, or two others that stand side by side here, and the passage has no form of them.
    pub(super) fn lent(&self, text: &str, source: &Source) -> Option<String> {
        let foreign: Vec<(usize, String)> =
            telling_words(text).into_iter().filter(|(_, word)| !source.says(word)).collect();
        let one = foreign.iter().map(|(_, word)| word).find(|word| self.about.contains(*word));
        let two = || pairs(foreign.clone()).into_iter().find(|pair| self.pairs.contains(pair));
        let words = one.cloned().or_else(|| two().map(|(one, other)| format!("{one} .. {other}")))?;
        Some(format!("{words:?} comes from a worked example"))
    }
}

/// The words of a text that tell what it is about, with their places.
fn telling_words(text: &str) -> Vec<(usize, String)> {
    let tells = |word: &str| word.chars().count() >= LONG && !function_word(word);
    let all = words(text).into_iter().enumerate();
    all.filter(|(_, word)| !word.number && tells(&word.text)).map(|(at, word)| (at, word.text)).collect()
}

/// Two words, the second at most [`WITHIN`] behind the first.
fn pairs(words: Vec<(usize, String)>) -> Vec<(String, String)> {
    let behind = |at: usize| {
        let (place, one) = &words[at];
        let near = words[at + 1..].iter().take_while(move |(other, _)| other - place <= WITHIN);
        near.map(|(_, other)| (one.clone(), other.clone()))
    };
    (0..words.len()).flat_map(behind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSAGE: &str = "tidyscan reads a folder and lists files that stand in it twice.";

    fn shown() -> Vec<Example> {
        examples(&[
            vec![
                "The grinder",
                "Never put the hopper into the dishwasher; its seal melts.",
                "What must not go into the dishwasher?",
            ],
            vec!["quillsync", "quillsync copies notes between two folders.", "What does quillsync copy?"],
        ])
    }

    fn reason(text: &str) -> Option<String> {
        borrowed(text, "tidyscan", PASSAGE, &shown())
    }

    #[test]
    fn what_an_example_is_about_ends_a_text() {
        let reason = |text: &str| reason(text).unwrap_or_else(|| panic!("{text} is let through"));
        assert_eq!(
            reason("Do not put tidyscan into the dishwasher."),
            "\"dishwasher\" comes from a worked example"
        );
        assert_eq!(
            reason("tidyscan copies notes between two folders."),
            "\"copies .. notes\" comes from a worked example"
        );
        assert_eq!(
            reason("Its hopper lists a seal that melts."),
            "\"seal .. melts\" comes from a worked example"
        );
    }

    #[test]
    fn ordinary_words_and_those_of_the_passage_are_the_documents_own() {
        assert_eq!(reason("tidyscan never puts two notes into one folder."), None);
        let passage = "Wash the lid in the dishwasher. It copies notes between folders.";
        let text = "The lid goes into the dishwasher, and notes between two folders are copied.";
        assert_eq!(borrowed(text, "A lid", passage, &shown()), None);
        assert_eq!(borrowed("It is no dishwasher.", "Dishwashers", "", &shown()), None);
    }
}
