//! What a passage offers as short answers: numbers, dates, names, code and noun phrases, found by rule.
//!
//! Answers come first and questions are asked for them (PAQ, Lewis et al. 2021, arXiv 2102.07033): a small model asks a fair
//! question for a given answer far more often than it finds both. No tagger: what is no good answer is left to the filters
//! that follow, which ask a model.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::calendar::{is_day_number, is_month, is_stamp, is_weekday, is_year};
use super::function_words::{function_word, opens_phrase};
use crate::grade::words;
use crate::parse::sentences;

/// What sort of answer a span is. Decoys are of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A day, month, year or time of day.
    Date,
    /// A number, with its unit if one follows.
    Number,
    /// Words with capitals.
    Name,
    /// An identifier, option, path or version.
    Code,
    /// Other words between two function words.
    Phrase,
}

/// A span of a passage that could be an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// As the passage writes it.
    pub text: String,
    /// Its sort.
    pub kind: Kind,
    /// Number of its sentence.
    pub sentence: usize,
    /// Where it stands in the passage, bytes.
    pub range: Range<usize>,
}

/// Longest answer, words: SQuAD's answers have 3 on average, 97 % of them 12 or fewer (Rajpurkar et al. 2016, section 3).
const MOST_WORDS: usize = 6;

/// The sentences of a passage with their places; a line end ends one.
pub fn sentence_ranges(passage: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in passage.split_inclusive('\n') {
        let mut start = at;
        for sentence in sentences(line) {
            let range = start..start + sentence.len();
            start = range.end;
            if passage[range.clone()].contains(char::is_alphanumeric) {
                found.push(range);
            }
        }
        at += line.len();
    }
    found
}

/// The spans of a passage in its order, each text once; of two that overlap the first rule's stays.
pub fn spans(passage: &str) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (sentence, range) in sentence_ranges(passage).into_iter().enumerate() {
        let tokens = tokens(passage, range);
        let mut taken = vec![false; tokens.len()];
        for rule in [dates, code, numbers, names, phrases] {
            for (kind, place) in rule(&tokens) {
                if place.is_empty() || taken[place.clone()].iter().any(|taken| *taken) {
                    continue;
                }
                let bytes = tokens[place.start].range.start..tokens[place.end - 1].range.end;
                taken[place].fill(true);
                let text = passage[bytes.clone()].to_string();
                if seen.insert(normal(&text)) {
                    found.push(Span { text, kind, sentence, range: bytes });
                }
            }
        }
    }
    found.sort_by_key(|span| span.range.start);
    found
}

/// The sort of an answer that stands alone.
pub fn kind_of(answer: &str) -> Kind {
    let found = spans(answer);
    let longest = found.iter().max_by_key(|span| span.range.len());
    longest.map_or(Kind::Phrase, |span| span.kind)
}

fn normal(text: &str) -> String {
    words(text).into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

/// A word with what stands around it.
#[derive(Debug)]
struct Token<'a> {
    text: &'a str,
    range: Range<usize>,
    /// Only blanks stand between it and the word before.
    joined: bool,
}

/// Words as a reader parts them: at white space, without the signs around them.
fn tokens(passage: &str, range: Range<usize>) -> Vec<Token<'_>> {
    let sentence = &passage[range.clone()];
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut joined = false;
    for (at, piece) in sentence.split_word_bound_indices() {
        if !piece.contains(char::is_alphanumeric) {
            let glued = matches!(piece, "-" | "/" | "_" | "." | "'" | "’" | ":" | "@" | "+" | "#");
            let behind = found.last().is_some_and(|last| last.range.end == range.start + at);
            let before = sentence[at + piece.len()..].starts_with(char::is_alphanumeric);
            if glued && behind && before {
                continue; // Part of a word: the next piece is joined to it below.
            }
            joined &= piece.chars().all(|c| c == ' ');
            continue;
        }
        let start = range.start + at;
        let glue = found.last().map(|last| passage[last.range.end..start].to_string());
        let inside = |glue: &str| {
            glue.chars().count() <= 2
                && !glue.contains(char::is_whitespace)
                && !glue.contains([',', ';', '(', ')', '"', '“', '”', '—', '–'])
        };
        match found.last_mut().filter(|_| glue.as_deref().is_some_and(inside)) {
            Some(last) => {
                last.range.end = start + piece.len();
                last.text = &passage[last.range.clone()];
            }
            None => found.push(Token { text: piece, range: start..start + piece.len(), joined }),
        }
        joined = true;
    }
    found
}

type Found = Vec<(Kind, Range<usize>)>;

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_numeric() || c == '-')
        && word.contains(char::is_numeric)
        && word.chars().all(|c| c.is_numeric() || matches!(c, '.' | ',' | '-' | '%'))
}

/// `4 March 2019`, `March 4, 2019`, `March 2019`, `March 4`, a weekday, a year, `2019-03-04`, `10:30`.
fn dates(tokens: &[Token<'_>]) -> Found {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let word = |ahead: usize| tokens.get(at + ahead).map_or("", |t| t.text);
        let length = if is_month(word(0)) {
            match (is_day_number(word(1)), is_year(word(1)), is_year(word(2))) {
                (true, _, true) => 3,
                (true, _, _) | (_, true, _) => 2,
                _ if word(0) == "May" => 0,
                _ => 1,
            }
        } else if is_day_number(word(0)) && is_month(word(1)) {
            if is_year(word(2)) { 3 } else { 2 }
        } else {
            usize::from(is_year(word(0)) || is_weekday(word(0)) || is_stamp(word(0)))
        };
        if length > 0 {
            found.push((Kind::Date, at..at + length));
        }
        at += length.max(1);
    }
    found
}

/// Words that are no words: `--port`, `state/seald.db`, `snake_case`, `v1.10`, `Type2`.
fn code(tokens: &[Token<'_>]) -> Found {
    let looks = |word: &str| {
        let letters = word.contains(char::is_alphabetic);
        let signs =
            word.contains(['_', '/', '@', '#', '=']) || word.contains("::") || word.matches('.').count() > 1;
        let digits = word.contains(|c: char| c.is_ascii_digit());
        let inner_capital = word.chars().skip(1).any(char::is_uppercase) && word.contains(char::is_lowercase);
        letters
            && (signs
                || (digits && word.contains(['.', '-']))
                || (inner_capital && !word.contains(['-', '’', '\''])))
            || (letters
                && word.contains('.')
                && !word.ends_with('.')
                && word.split('.').all(|part| part.len() > 1))
    };
    let each = tokens.iter().enumerate().filter(|(_, t)| looks(t.text));
    each.map(|(at, _)| (Kind::Code, at..at + 1)).collect()
}

/// Words that count or measure: what may follow a number as its unit is any other word.
fn numbers(tokens: &[Token<'_>]) -> Found {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        if !is_number(tokens[at].text) && !number_word(tokens[at].text) {
            continue;
        }
        let unit = tokens.get(at + 1).filter(|next| {
            next.joined
                && next.text.chars().all(|c| c.is_alphabetic() || c == '%')
                && !function_word(next.text)
        });
        found.push((Kind::Number, at..at + 1 + usize::from(unit.is_some())));
    }
    found
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

fn capital(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}

/// Runs of words with capitals. One at the beginning of a sentence says nothing unless others follow it.
fn names(tokens: &[Token<'_>]) -> Found {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !capital(tokens[at].text)
            || (function_word(tokens[at].text)
                && !tokens.get(at + 1).is_some_and(|next| next.joined && capital(next.text)))
        {
            at += 1;
            continue;
        }
        let start = if function_word(tokens[at].text) { at + 1 } else { at };
        let mut end = start + 1;
        while end < tokens.len() && end - start < MOST_WORDS && tokens[end].joined {
            let link = matches!(
                tokens[end].text,
                "of" | "de" | "van" | "von" | "der" | "the" | "and" | "del" | "la"
            );
            let next = tokens.get(end + 1).filter(|next| next.joined && capital(next.text));
            if capital(tokens[end].text) && !function_word(tokens[end].text) {
                end += 1;
            } else if link && tokens[end].text != "and" && next.is_some() {
                end += 2;
            } else {
                break;
            }
        }
        if start > 0 || end - start > 1 {
            found.push((Kind::Name, start..end));
        }
        at = end;
    }
    found
}

/// Up to four words without capitals behind a determiner or a preposition, up to the next function word.
fn phrases(tokens: &[Token<'_>]) -> Found {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let opens = opens_phrase(tokens[at].text);
        let start = at + 1;
        let mut end = start;
        while opens && end < tokens.len() && end - start < 4 && tokens[end].joined && plain(tokens[end].text)
        {
            end += 1;
        }
        // What was cut off by the limit is the beginning of a longer phrase.
        let whole = end < tokens.len() && end - start == 4 && tokens[end].joined && plain(tokens[end].text);
        if end > start && !whole && (end - start > 1 || tokens[start].text.chars().count() > 3) {
            found.push((Kind::Phrase, start..end));
        }
        at = end.max(at + 1);
    }
    found
}

fn plain(word: &str) -> bool {
    word.starts_with(char::is_lowercase) && !function_word(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(passage: &str) -> Vec<(Kind, String)> {
        spans(passage).into_iter().map(|span| (span.kind, span.text)).collect()
    }

    #[test]
    fn every_sort_of_answer_is_found() {
        use Kind::{Code, Date, Name, Number, Phrase};
        let text = "On 4 March 2019 the ferry Halden carried 1,250 passengers from Port Ellis to the outer islands. \
                    Dr. Ruth Calder of the University of Lindow repaired it in 1874.\nRun it with `seald --root demo` at 10:30.";
        let got = found(text);
        for expected in [
            (Date, "4 March 2019"),
            (Name, "Halden"),
            (Number, "1,250 passengers"),
            (Name, "Port Ellis"),
            (Phrase, "outer islands"),
            (Name, "University of Lindow"),
            (Date, "1874"),
            (Date, "10:30"),
        ] {
            assert!(got.contains(&(expected.0, expected.1.to_string())), "no {expected:?} in {got:?}");
        }
        assert_eq!(found("Set max_tokens in config.toml.").first(), Some(&(Code, "max_tokens".to_string())));
        assert_eq!(kind_of("1852"), Date);
        assert_eq!(kind_of("31 metres"), Number);
        assert_eq!(kind_of("the Port Ellis"), Name);
        assert_eq!(kind_of("silver gas"), Phrase);
    }

    #[test]
    fn spans_lie_where_they_say_and_do_not_overlap() {
        let text = "The harbour's lighthouse was built in 1874. It is 31 metres tall; the lamp is from Breuer & Sons.";
        let spans = spans(text);
        assert!(!spans.is_empty());
        for (one, next) in spans.iter().zip(spans.iter().skip(1)) {
            assert!(one.range.end <= next.range.start, "{one:?} {next:?}");
        }
        for span in &spans {
            assert_eq!(text[span.range.clone()], span.text);
        }
        assert_eq!(spans.last().unwrap().sentence, 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_has_its_spans(text in "\\PC{0,120}", more in "[A-Za-z0-9 .,'’\n/_-]{0,120}") {
            for text in [text, more] {
                for span in spans(&text) {
                    proptest::prop_assert_eq!(&text[span.range.clone()], span.text.as_str());
                }
            }
        }
    }
}
