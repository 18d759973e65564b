//! Words as a reader parts them.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// A word with what stands around it.
#[derive(Debug)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    pub(super) range: Range<usize>,
    /// Only blanks stand between it and the word before.
    pub(super) joined: bool,
}

/// Words as a reader parts them: at white space, without the signs around them.
pub(super) fn tokens(passage: &str, range: Range<usize>) -> Vec<Token<'_>> {
    let sentence = &passage[range.clone()];
    let mut found: Vec<Token<'_>> = Vec::new();
    let (mut joined, mut currency) = (false, None);
    for (at, piece) in sentence.split_word_bound_indices() {
        if !piece.contains(char::is_alphanumeric) {
            let start = range.start + at;
            if let Some(last) =
                found.last_mut().filter(|last| last.range.end == start && is_number(last.text))
                && matches!(piece, "%" | "‰" | "°" | "€")
            {
                last.range.end += piece.len();
                last.text = &passage[last.range.clone()];
                continue;
            }
            currency = matches!(piece, "$" | "€" | "£" | "¥").then_some(start);
            let glued = matches!(piece, "-" | "/" | "_" | "." | "'" | "’" | ":" | "@" | "+" | "#");
            let behind = found.last().is_some_and(|last| last.range.end == range.start + at);
            let before = sentence[at + piece.len()..].starts_with(char::is_alphanumeric);
            if glued && behind && before {
                continue; // Part of a word: the next piece is joined to it below.
            }
            joined &= piece.chars().all(|c| c == ' ');
            continue;
        }
        let start = match currency.take() {
            Some(sign) if piece.starts_with(|c: char| c.is_ascii_digit()) => sign,
            _ => range.start + at,
        };
        let glue = found.last().map(|last| passage[last.range.end..start].to_string());
        let inside = |glue: &str| {
            glue.chars().count() <= 2
                && !glue.contains(char::is_whitespace)
                && !glue.contains([',', ';', '(', ')', '"', '“', '”', '—'])
                // `15–20 %` is one number; between words the same sign parts sentences.
                && (!glue.contains('–') || piece.starts_with(char::is_numeric))
        };
        match found.last_mut().filter(|_| glue.as_deref().is_some_and(inside)) {
            Some(last) => {
                last.range.end = range.start + at + piece.len();
                last.text = &passage[last.range.clone()];
            }
            None => {
                let whole = start..range.start + at + piece.len();
                found.push(Token { text: &passage[whole.clone()], range: whole, joined });
            }
        }
        joined = true;
    }
    found
}

/// A number as people write it: with signs, separators, a currency, a range.
pub(super) fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_numeric() || matches!(c, '-' | '$' | '€' | '£' | '¥'))
        && word.contains(char::is_numeric)
        && word.chars().all(|c| {
            c.is_numeric() || matches!(c, '.' | ',' | '-' | '–' | '%' | '‰' | '°' | '$' | '€' | '£' | '¥')
        })
}
