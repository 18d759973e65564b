//! Numbers in a text, each with what it counts.

use super::function_words::function_word;
use super::spans::{Found, Kind, capital};
use super::tokens::{Token, is_number};

/// Words behind a number that are looked at for what it counts: two adjectives and a noun.
const MAX_COUNTED: usize = 3;

/// Words that count or measure, with what they count.
pub(super) fn numbers(tokens: &[Token<'_>]) -> Found {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if !is_number(tokens[at].text) && !number_word(tokens[at].text) {
            continue;
        }
        let named = at > 0 && tokens[at].joined && numbered(tokens[at - 1].text);
        let counted = if named { 0 } else { counted(&tokens[at + 1..]) };
        found.push((Kind::Number, at..at + 1 + counted));
    }
    found
}

/// How many of the words behind a number belong to it: those with capitals; up to the first plural of the next three; else the next.
fn counted(tokens: &[Token<'_>]) -> usize {
    let word = |token: &&Token<'_>| {
        let letters = token.text.chars().all(|c| c.is_alphabetic() || c == '%');
        token.joined && letters && !function_word(token.text)
    };
    let run: Vec<&str> = tokens.iter().take_while(word).map(|token| token.text).collect();
    let capitals = run.iter().take_while(|word| capital(word)).count();
    let plural = |word: &&str| {
        matches!(*word, "people" | "men" | "women" | "children")
            || (word.ends_with('s') && !word.ends_with("ss"))
    };
    match run.iter().take(MAX_COUNTED).position(plural) {
        _ if capitals > 0 => capitals.min(MAX_COUNTED),
        Some(last) => last + 1,
        None => run.len().min(1),
    }
}

/// Whether what follows is a number in place of a name: `article 288` counts nothing.
fn numbered(word: &str) -> bool {
    matches!(
        word.to_lowercase().as_str(),
        "article"
            | "chapter"
            | "figure"
            | "flight"
            | "no"
            | "number"
            | "page"
            | "plot"
            | "room"
            | "route"
            | "rule"
            | "section"
            | "standard"
            | "step"
            | "table"
            | "version"
    )
}

fn number_word(word: &str) -> bool {
    matches!(
        word.to_lowercase().as_str(),
        "two"
            | "three"
            | "four"
            | "five"
            | "six"
            | "seven"
            | "eight"
            | "nine"
            | "ten"
            | "eleven"
            | "twelve"
            | "twenty"
            | "thirty"
            | "forty"
            | "fifty"
            | "hundred"
            | "thousand"
            | "million"
            | "billion"
            | "dozen"
            | "half"
    )
}
