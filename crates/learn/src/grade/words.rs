//! The words of a text in one form: what probes, filters and the grader compare.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::numbers::{self, Phrase};

/// One word after normalisation: lower case, no marks above letters, numbers in one form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// The word.
    pub text: String,
    /// Whether it is a number or holds a digit: such words cannot be replaced by others.
    pub number: bool,
}

/// The words of a text in one form, in order: compatibility forms folded (NFKD), lower case, no marks above letters, possessive
/// `'s` taken off, numbers in one form (`1,234.50` is `1234.5`, `twenty-five` is `25`), a unit cut off its number (`10km`), no
/// full stops in abbreviations (`U.S.` is `us`). Words are those of Unicode's annex 29; a text that has none, such as `+`, is
/// cut at white space. What is written in digits stays a word of its own, whatever stands beside it (`2.5 million`).
pub fn words(text: &str) -> Vec<Word> {
    let plain = plain(text).to_lowercase();
    let mut parts = Vec::new();
    let mut end = 0;
    for (at, word) in plain.unicode_word_indices() {
        let joined = matches!(plain[end..at].trim(), "" | "-");
        end = at + word.len();
        let parted = word.split('_').filter(|part| !part.is_empty());
        parts.extend(parted.enumerate().map(|(index, part)| (joined && index == 0, own(part))));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < parts.len() {
        if let Some(Phrase { value, taken }) = numbers::phrase(&parts[at..]) {
            found.push(Word { text: value.to_string(), number: true });
            at += taken;
            continue;
        }
        let forms = numbers::forms(&initials(parts[at].1), numbers::Style::default());
        found.extend(forms.into_iter().map(|(text, number)| Word { text, number }));
        at += 1;
    }
    if found.is_empty() {
        found.extend(plain.split_whitespace().map(|text| Word { text: text.into(), number: false }));
    }
    found
}

/// The text with compatibility forms folded, no marks above letters and one kind of apostrophe.
pub(super) fn plain(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).collect();
    plain.replace(['\u{2019}', '\u{2bc}'], "'")
}

/// A word without the possessive `'s`.
pub(super) fn own(word: &str) -> &str {
    word.strip_suffix("'s").filter(|rest| !rest.is_empty()).unwrap_or(word)
}

/// An abbreviation of single letters without its full stops: `u.s` is `us`.
pub(super) fn initials(word: &str) -> String {
    let mut parts = word.split('.');
    let single = |part: &str| part.chars().count() == 1 && part.chars().all(char::is_alphabetic);
    if word.contains('.') && parts.all(single) { word.replace('.', "") } else { word.to_string() }
}
