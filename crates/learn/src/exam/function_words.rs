//! English words that join others: where phrases begin, and what is no answer by itself.

const DETERMINERS: &[&str] =
    &["a", "an", "the", "its", "his", "her", "their", "this", "these", "each", "every", "our", "your"];
const PREPOSITIONS: &[&str] = &[
    "of", "in", "by", "with", "from", "for", "on", "at", "into", "through", "during", "under", "over",
    "between", "against", "without", "called", "named", "as", "uses",
];
const OTHERS: &[&str] = &[
    "and", "or", "but", "not", "no", "is", "are", "was", "were", "be", "been", "being", "has", "have", "had",
    "do", "does", "did", "will", "would", "can", "could", "may", "might", "must", "shall", "should", "to",
    "that", "which", "who", "whom", "whose", "what", "when", "where", "why", "how", "if", "then", "than",
    "so", "also", "it", "he", "she", "they", "we", "you", "i", "them", "him", "us", "me", "there", "here",
    "all", "any", "some", "more", "most", "many", "much", "other", "such", "only", "about", "after",
    "before", "while", "because", "since", "until", "once", "both", "either", "neither", "up", "out", "off",
    "down", "very", "too", "my", "those", "however", "although", "though", "among", "within", "per", "via",
    "upon", "across", "around", "one", "ones", "itself", "himself",
];

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.contains(&word.to_lowercase().as_str())
}

/// Whether a noun may follow.
pub(super) fn opens_phrase(word: &str) -> bool {
    is_one_of(word, DETERMINERS) || is_one_of(word, PREPOSITIONS)
}

/// Whether a word only joins others.
pub(crate) fn function_word(word: &str) -> bool {
    opens_phrase(word) || is_one_of(word, OTHERS)
}
