//! Question marks, blanks and the other signs by which a line asks.

use super::lines::{BLANK, starts_with};

/// Whether a sign is a question mark: ASCII, full-width, Arabic.
pub(super) fn is_question_mark(c: char) -> bool {
    matches!(c, '?' | '？' | '؟')
}

/// Whether a line asks at its end.
pub(super) fn ends_asking(text: &str) -> bool {
    text.trim_end_matches(['"', '\'', '”', '’', ')', '）', '」', '»', ' ']).ends_with(is_question_mark)
}

/// Whether a line asks: with a mark, a blank to fill in, or `True or False:`.
pub(super) fn asks(text: &str) -> bool {
    question_end(text).is_some() || has_blank(text) || is_true_or_false(text)
}

/// The place behind the first question mark that ends a question: what follows the marks is white space, the end, or
/// another script; a mark within quotation marks ends no question where the sentence goes on.
pub(super) fn question_end(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    while let Some((_, c)) = chars.next() {
        if !is_question_mark(c) {
            continue;
        }
        while chars.next_if(|(_, c)| is_question_mark(*c) || *c == '!').is_some() {}
        let mut closed = false;
        while chars.next_if(|(_, c)| matches!(c, '"' | '\'' | '”' | '’' | '»' | '」' | '』')).is_some()
        {
            closed = true;
        }
        let Some(&(at, next)) = chars.peek() else { return Some(text.len()) };
        if next.is_alphanumeric() && next.is_ascii() && c == '?' {
            continue; // `?id=5`
        }
        let goes_on = text[at..].trim_start().starts_with(char::is_lowercase);
        if !(closed && goes_on) {
            return Some(at);
        }
    }
    None
}

/// Whether there is a blank to fill in.
pub(super) fn has_blank(text: &str) -> bool {
    text.contains(&"_".repeat(BLANK))
        || text.contains("[blank]")
        || text.contains("(blank)")
        || text.contains("……")
}

/// Whether it is to be said if a statement is true.
pub(super) fn is_true_or_false(text: &str) -> bool {
    let begins =
        ["true or false", "true/false", "t/f", "richtig oder falsch", "vrai ou faux", "verdadero o falso"];
    begins.into_iter().any(|words| starts_with(text, words).is_some())
        || ["(true/false)", "(t/f)", "(true or false)"].into_iter().any(|words| ends_with(text, words))
}

fn ends_with(text: &str, end: &str) -> bool {
    let from = text.len().saturating_sub(end.len());
    text.get(from..).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Whether it tells to answer: `Name the two generals.`
pub(super) fn tells_to_answer(text: &str) -> bool {
    let verbs = [
        "name", "list", "identify", "state", "give", "explain", "describe", "complete", "define", "specify",
        "mention", "fill in", "nenne", "citez", "nommez", "nombra", "menciona",
    ];
    verbs.into_iter().any(|verb| starts_with(text, verb).is_some_and(|rest| rest.starts_with(' ')))
}
