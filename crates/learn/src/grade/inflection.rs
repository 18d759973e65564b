//! English words in another form, and words that say nothing of their own.

/// Words that an answer may leave out or put otherwise. Denials and bounds ("not", "before", "least") are not among them.
const FUNCTION_WORDS: [&str; 79] = [
    "a", "an", "the", "of", "in", "on", "at", "by", "for", "to", "from", "with", "as", "into", "onto", "per",
    "via", "and", "or", "both", "either", "also", "so", "such", "than", "then", "that", "these", "those",
    "this", "there", "is", "are", "was", "were", "be", "been", "being", "am", "do", "does", "did", "has",
    "have", "had", "will", "would", "can", "could", "may", "might", "shall", "should", "must", "ca", "wo",
    "it", "its", "he", "his", "she", "her", "they", "their", "them", "him", "we", "our", "you", "your", "i",
    "my", "who", "which", "what", "when", "where", "how", "percent",
];

/// Words before a number that only say how exactly it is meant. Bounds are compared of their own (see `bounds`).
const AROUND_NUMBERS: [&str; 26] = [
    "about",
    "approximately",
    "around",
    "nearly",
    "almost",
    "roughly",
    "some",
    "circa",
    "ca",
    "up",
    "over",
    "under",
    "above",
    "below",
    "least",
    "most",
    "more",
    "less",
    "fewer",
    "many",
    "much",
    "only",
    "just",
    "exactly",
    "estimated",
    "degree",
];

/// Endings of one word's forms, longer ones before those that they end with: plural, tense and adverb, then those that make
/// adjectives and names of one stem (`Arab`, `Arabic`). Not `y`, which makes `silvery` of `silver`, nor `ity`, which makes
/// `university` of `universal`, nor `ian`, which makes `Christian` of `Christ`.
const ENDINGS: [&str; 35] = [
    "izations", "isations", "ization", "isation", "ations", "ation", "izing", "ising", "ized", "ised",
    "izes", "ises", "ize", "ise", "ments", "ment", "ings", "ing", "isms", "ism", "ists", "ist", "ions",
    "ion", "ical", "ally", "ans", "an", "als", "al", "ic", "ly", "ed", "es", "er",
];
/// An ending is cut off where this many letters are left; below that, other words fall together (`bed`, `being`).
const STEM_LETTERS: usize = 4;
/// Endings stand on one another: `catholic`, `catholicism`.
const ENDINGS_IN_A_ROW: usize = 3;

/// Whether a word says nothing of its own.
pub(super) fn functional(word: &str) -> bool {
    FUNCTION_WORDS.contains(&word)
}

/// Whether a word only says how exactly a number is meant.
pub(super) fn around_number(word: &str) -> bool {
    AROUND_NUMBERS.contains(&word)
}

/// What the forms of an English word have in common. Words of other letters stay as they are.
pub(super) fn stem(word: &str) -> String {
    if !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_string();
    }
    let mut stem = word.to_string();
    if let Some(rest) =
        stem.strip_suffix("ies").or_else(|| stem.strip_suffix("ied")).filter(|rest| rest.len() > 1)
    {
        stem = format!("{rest}y");
    } else if let Some(rest) =
        stem.strip_suffix('s').filter(|rest| rest.len() >= 2 && !rest.ends_with(['s', 'u', 'i']))
    {
        stem = rest.to_string();
    }
    drop_vowel(&mut stem);
    for _ in 0..ENDINGS_IN_A_ROW {
        let cut = ENDINGS
            .iter()
            .find_map(|ending| stem.strip_suffix(ending).filter(|rest| rest.len() >= STEM_LETTERS));
        let Some(rest) = cut.map(str::len) else { break };
        stem.truncate(rest);
        // `stopped`, `stopping`
        let letters = stem.as_bytes();
        let twice = letters[rest - 1] == letters[rest - 2] && !matches!(letters[rest - 1], b's' | b'l');
        stem.truncate(rest - usize::from(twice && rest > STEM_LETTERS));
    }
    drop_vowel(&mut stem);
    stem
}

/// Drops the vowel that an ending takes the place of: `Arabia`, `Arabian`; `organise`, `organising`.
fn drop_vowel(stem: &mut String) {
    if stem.len() > STEM_LETTERS && stem.ends_with(['e', 'a']) {
        stem.pop();
    }
}
