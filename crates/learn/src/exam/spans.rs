//! What a passage offers as short answers: numbers, dates, names, code and noun phrases, found by rule.
//!
//! Answers come first and questions are asked for them (PAQ, Lewis et al. 2021, arXiv 2102.07033): a small model asks a fair
//! question for a given answer far more often than it finds both. No tagger: what is no good answer is left to the filters
//! that follow, which ask a model.

use std::ops::Range;

use super::calendar::{is_day_number, is_month, is_stamp, is_weekday, is_year};
use super::function_words::{function_word, opens_phrase};
use super::quantities::numbers;
use super::tokens::{Token, tokens};
use crate::grade::words;
use seald_core::sentences;

/// What sort of answer a span is. Decoys are of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
pub(crate) const MAX_WORDS: usize = 6;

/// The spans of a passage in its order, each text once; of two that overlap the first rule's stays.
pub fn spans(passage: &str) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (sentence, range) in sentences::ranges(passage).into_iter().enumerate() {
        let tokens = tokens(passage, range);
        let mut taken = vec![false; tokens.len()];
        let rules = [dates, code, numbers, names, phrases].into_iter().map(|rule| rule(&tokens));
        for found_by_rule in std::iter::once(quoted(passage, &tokens)).chain(rules) {
            for (kind, place) in found_by_rule {
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

/// Sorts and places, in tokens.
pub(super) type Found = Vec<(Kind, Range<usize>)>;

/// What stands between quotation marks: terms, titles, what somebody said.
fn quoted(passage: &str, tokens: &[Token<'_>]) -> Found {
    let opens = |token: &Token<'_>| passage[..token.range.start].ends_with(['"', '“', '„', '«', '‘']);
    let closes = |token: &Token<'_>| {
        let rest = passage[token.range.end..].trim_start_matches(['.', ',', '!', '?']);
        rest.starts_with(['"', '”', '“', '»'])
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let end = (at..tokens.len().min(at + MAX_WORDS)).find(|last| closes(&tokens[*last]));
        match end.filter(|_| opens(&tokens[at])) {
            Some(end) => {
                let kind = if capital(tokens[at].text) { Kind::Name } else { Kind::Phrase };
                found.push((kind, at..end + 1));
                at = end + 1;
            }
            None => at += 1,
        }
    }
    found
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

pub(super) fn capital(word: &str) -> bool {
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
        while end < tokens.len() && end - start < MAX_WORDS && tokens[end].joined {
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
        // "a potentially more serious form": what was meant comes later.
        let adverb = end > start && tokens[end - 1].text.ends_with("ly");
        if end > start && !whole && !adverb && (end - start > 1 || tokens[start].text.chars().count() > 3) {
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
        let text = "In 15–20% of cases, for $1,200 each, it is \"osseous tuberculosis\", a potentially more serious form.";
        let expected = [(Number, "15–20%"), (Number, "$1,200"), (Phrase, "osseous tuberculosis")]
            .map(|(k, t)| (k, t.to_string()));
        let got = found(text);
        assert!(expected.iter().all(|one| got.contains(one)), "{got:?}");
        assert!(!got.iter().any(|(_, text)| text == "potentially"), "{got:?}");
        for (text, number) in [
            ("There are five large exceptions to it.", "five large exceptions"),
            ("It has two cyanobacterial membranes, and", "two cyanobacterial membranes"),
            ("In it three Advocate Generals argued against it.", "three Advocate Generals"),
            ("They gave 20,000 men and a day.", "20,000 men"),
            ("By law 4 weeks paid holidays are granted.", "4 weeks"),
            ("The TFEU article 288 says directives bind.", "288"),
            ("It is 31 metres tall.", "31 metres"),
            ("It costs 5 percent more.", "5 percent"),
        ] {
            assert!(found(text).contains(&(Number, number.to_string())), "{text} {:?}", found(text));
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
