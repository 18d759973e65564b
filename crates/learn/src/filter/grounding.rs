//! Whether a passage says what an answer or a statement says: its numbers, names and content words are there.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::grade::words;

/// An answer of up to this many words is looked up word by word; a longer one is judged as a statement.
const SHORT_ANSWER_WORDS: usize = 12;
/// Letters that two forms of a word share at their beginning, at least: `Roman` grounds `Romans`, `established` `establishment`.
const STEM_CHARS: usize = 4;

/// Words that say nothing about the passage.
const FUNCTION_WORDS: &[&str] = &[
    "a", "about", "after", "also", "an", "and", "are", "as", "at", "be", "because", "been", "before", "but",
    "by", "can", "did", "do", "does", "during", "for", "from", "had", "has", "have", "he", "her", "his",
    "if", "in", "into", "is", "it", "its", "no", "not", "of", "on", "or", "she", "so", "than", "that", "the",
    "their", "them", "then", "there", "they", "this", "to", "was", "were", "what", "when", "where", "which",
    "while", "who", "will", "with", "would", "percent",
];

/// The words of a passage and its title.
pub(super) struct Source {
    text: String,
    words: BTreeSet<String>,
}

/// Whether every content word and every number of a short answer occurs in `passage`; numbers exactly, words also in
/// another form (`Roman`, `Romans`). An answer without any content word is not grounded, but for yes and no.
pub fn grounded(answer: &str, passage: &str) -> bool {
    Source::new("", passage).ungrounded_words("", answer).is_none()
}

impl Source {
    pub(super) fn new(title: &str, passage: &str) -> Self {
        let text = format!("{title}\n{passage}");
        let words = words(&text).into_iter().map(|word| word.text).collect();
        Self { text, words }
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
        if let [only] = said.as_slice()
            && matches!(only.text.as_str(), "yes" | "no")
        {
            return None;
        }
        said.retain(|word| !FUNCTION_WORDS.contains(&word.text.as_str()));
        if said.is_empty() {
            return Some("the answer says nothing".into());
        }
        let asked = words(question);
        let missing =
            said.iter().find(|word| !asked.contains(word) && !self.holds(&word.text, word.number))?;
        Some(absent(&missing.text))
    }

    /// Why a statement or a question is ungrounded: it has a number in digits, or a name, that title and passage lack. A
    /// word counts as a name if it begins with a capital where grammar does not ask for one: not at the beginning of a
    /// sentence.
    pub(super) fn ungrounded(&self, statement: &str) -> Option<String> {
        let missing = statement.unicode_word_indices().find(|(at, word)| {
            let number = word.contains(|c: char| c.is_ascii_digit());
            let before =
                statement[..*at].trim_end_matches(|c: char| c.is_whitespace() || "\"'“‘(«".contains(c));
            let opens = before.is_empty() || before.ends_with(['.', '!', '?', ':', '\n', '…']);
            let name = word.starts_with(char::is_uppercase) && *word != "I" && !opens;
            let function = || FUNCTION_WORDS.contains(&word.to_lowercase().as_str());
            (number || (name && !function())) && !self.holds_all(word, number)
        });
        missing.map(|(_, word)| absent(word))
    }

    fn holds_all(&self, word: &str, number: bool) -> bool {
        words(word).iter().all(|part| self.holds(&part.text, number && part.number))
    }

    fn holds(&self, word: &str, number: bool) -> bool {
        if self.words.contains(word) {
            return true;
        }
        // In order, the words that share the most with this one stand beside it.
        let before = self.words.range(..word.to_string()).next_back();
        let after = self.words.range(word.to_string()..).next();
        !number && before.into_iter().chain(after).any(|other| same_stem(word, other))
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
        let whole = |(at, _): (usize, &str)| {
            let end = at + text.len();
            !self.text[..at].ends_with(char::is_alphanumeric)
                && !self.text[end..].starts_with(char::is_alphanumeric)
        };
        self.text.match_indices(text).any(whole)
    }
}

/// Whether two words are forms of one: alike in [`STEM_CHARS`] letters and more than two thirds of the longer one, or in
/// the whole of the shorter one and half of the longer.
fn same_stem(one: &str, other: &str) -> bool {
    let (one_chars, other_chars) = (one.chars().count(), other.chars().count());
    let (shorter, longer) = (one_chars.min(other_chars), one_chars.max(other_chars));
    let shared = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    shared >= STEM_CHARS && (3 * shared > 2 * longer || (shared == shorter && 2 * shared >= longer))
}

fn absent(word: &str) -> String {
    format!("{word:?} is not in the passage")
}
