//! Whether a passage says what an answer or a statement says: its numbers, names and content words are there.

use std::collections::BTreeSet;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::forms;
use super::names::Capitals;
use crate::exam::MAX_WORDS;
use crate::grade::{denied_at, denies, unit_spellings, words};
use seald_core::sentences;

/// An answer of up to this many words is looked up word by word; a longer one is judged as a statement.
const SHORT_ANSWER_WORDS: usize = 12;

/// Words that say nothing about the passage.
pub(super) const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "after", "all", "already", "also", "although", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "both", "but", "by", "can", "could", "did", "do", "does", "during",
    "each", "either", "every", "for", "from", "had", "has", "have", "he", "her", "him", "his", "however",
    "if", "in", "into", "is", "it", "its", "may", "might", "more", "most", "must", "no", "not", "of", "on",
    "or", "other", "our", "she", "should", "so", "some", "such", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "through", "to", "under", "until", "upon", "was",
    "we", "were", "what", "when", "where", "whether", "which", "while", "who", "whose", "why", "how", "will",
    "with", "within", "without", "would", "you", "your", "percent",
    // What texts say of anything; answers in other languages.
    "use", "used", "uses", "using", "called", "named", "das", "dem", "den", "der", "des", "die", "ein",
    "eine", "einem", "einen", "einer", "eines", "und", "im", "von", "mit", "la", "le", "les", "un", "une",
    "du", "et", "el", "los", "las", "una", "del", "y", "en", "的", "了", "是", "在", "和", "与", "は", "が",
    "を", "の", "に", "で", "と", "も",
];
/// Answers in one word to a question that is answered so.
const VERDICTS: &[&str] =
    &["yes", "no", "true", "false", "ja", "nein", "oui", "non", "sí", "si", "是", "否", "はい", "いいえ"];

/// The words of a passage and its title.
pub(super) struct Source {
    text: String,
    words: BTreeSet<String>,
    /// What the words are forms of.
    bases: BTreeSet<String>,
}

/// Whether every content word and every number of a short answer occurs in `passage`; numbers exactly, words also in
/// another form (`Roman`, `Romans`). An answer without any content word is not grounded, but for yes and no, true and
/// false.
pub fn grounded(answer: &str, passage: &str) -> bool {
    Source::new("", passage).ungrounded_words("", answer).is_none()
}

impl Source {
    pub(super) fn new(title: &str, passage: &str) -> Self {
        let text = format!("{title}\n{passage}");
        let said = words(&text);
        let units = said.windows(2).filter(|pair| pair[0].number);
        let units: Vec<&str> = units.flat_map(|pair| unit_spellings(&pair[1].text)).collect();
        let mut words: BTreeSet<String> = said.iter().map(|word| word.text.clone()).collect();
        let forms = forms::other_forms(&text, &words);
        words.extend(forms);
        words.extend(units.into_iter().map(str::to_string));
        let bases = words.iter().flat_map(|word| forms::bases(word)).collect();
        Self { text, words, bases }
    }

    /// Why an answer is ungrounded. Words of its question it may use: it says them again.
    pub(super) fn ungrounded_answer(&self, question: &str, answer: &str) -> Option<String> {
        if answer.unicode_words().count() > SHORT_ANSWER_WORDS {
            self.ungrounded(answer)
        } else {
            self.ungrounded_words(question, answer)
        }
    }

    fn ungrounded_words(&self, question: &str, answer: &str) -> Option<String> {
        let mut said = words(answer);
        // `Yes, they are` says something; of `Yes, he fled` the rest is looked up.
        let verdict = said.first().is_some_and(|first| VERDICTS.contains(&first.text.as_str()));
        if verdict {
            said.remove(0);
        }
        said.retain(|word| !FUNCTION_WORDS.contains(&word.text.as_str()));
        if said.is_empty() && !verdict {
            return Some("the answer says nothing".into());
        }
        let asked = words(question);
        let missing =
            said.iter().find(|word| !asked.contains(word) && !self.holds(&word.text, word.number))?;
        Some(absent(&missing.text))
    }

    /// Why a statement or a question is ungrounded: it has a number in digits, or a name ([`Capitals::name`]), that title
    /// and passage lack.
    pub(super) fn ungrounded(&self, statement: &str) -> Option<String> {
        let capitals = Capitals::of(statement);
        let missing = statement.unicode_word_indices().find(|(at, word)| {
            let number = word.contains(|c: char| c.is_ascii_digit() || matches!(c, '０'..='９'));
            (number || capitals.name(statement, *at, word)) && !self.holds_all(word, number)
        });
        missing.map(|(_, word)| absent(word))
    }

    /// Whether the passage or its title has a word, in whatever form.
    pub(super) fn says(&self, word: &str) -> bool {
        self.holds(word, false)
    }

    fn holds_all(&self, word: &str, number: bool) -> bool {
        self.words.contains(&word.to_lowercase())
            || words(word).iter().all(|part| self.holds(&part.text, number && part.number))
    }

    fn holds(&self, word: &str, number: bool) -> bool {
        let word = forms::looked_up(word);
        if self.words.contains(&word) {
            return true;
        }
        if number {
            return false;
        }
        // In order, the words that share the most with this one stand beside it.
        let near = |word: &str| {
            let before = self.words.range(..word.to_string()).next_back();
            let after = self.words.range(word.to_string()..).next();
            before.into_iter().chain(after).any(|other| forms::same_stem(word, other))
        };
        near(&word)
            || forms::bases(&word).iter().any(|base| self.bases.contains(base))
            || forms::counterpart(&word).is_some_and(|other| self.words.contains(other) || near(other))
    }

    /// Whether the passage names a short answer only where it denies it (`There is no version for Windows`), and neither question nor answer does.
    pub(super) fn denied(&self, question: &str, answer: &str) -> bool {
        let bare = answer.trim().trim_end_matches('.');
        let words = bare.split_whitespace().count();
        if !(1..=MAX_WORDS).contains(&words) || denies(question) || denies(answer) {
            return false;
        }
        let sentences = sentences::ranges(&self.text);
        let mut denied = self.whole(bare).map(|place| {
            let holds = |sentence: &&Range<usize>| sentence.start <= place.start && place.end <= sentence.end;
            sentences.iter().find(holds).is_some_and(|sentence| {
                let within = place.start - sentence.start..place.end - sentence.start;
                denied_at(&self.text[sentence.clone()], within)
            })
        });
        denied.next().is_some_and(|first| first && denied.all(|one| one))
    }

    /// The answer as the passage writes it, if that differs only by a full stop or the case of the first letter.
    pub(super) fn spelling(&self, answer: &str) -> String {
        let bare = answer.strip_suffix('.').unwrap_or(answer);
        let mut chars = bare.chars();
        let lower: String = chars.next().into_iter().flat_map(char::to_lowercase).chain(chars).collect();
        let candidates = [answer, bare, &lower];
        let written =
            candidates.into_iter().find(|text| !text.is_empty() && !text.ends_with('.') && self.writes(text));
        written.unwrap_or(answer).to_string()
    }

    /// Whether the text stands in the passage, not as a part of longer words.
    fn writes(&self, text: &str) -> bool {
        self.whole(text).next().is_some()
    }

    /// Where the text stands in the passage, not as a part of longer words.
    fn whole(&self, text: &str) -> impl Iterator<Item = Range<usize>> {
        let places = self.text.match_indices(text).map(|(at, found)| at..at + found.len());
        places.filter(|place| {
            !self.text[..place.start].ends_with(char::is_alphanumeric)
                && !self.text[place.end..].starts_with(char::is_alphanumeric)
        })
    }
}

fn absent(word: &str) -> String {
    format!("{word:?} is not in the passage")
}
