//! Signs that carry meaning: minus, currencies, operators, and what separates words.

use super::scan::Gap;

/// What stands directly before a word.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    pub quoted: bool,
    pub negative: bool,
    pub currency: Option<&'static str>,
}

/// Operators of the common programming languages that prose does not use. A single `+`, `-`, `*` or `/` is as often a bullet,
/// a dash, emphasis or "or".
const OPERATORS: [&str; 26] = [
    "=", "==", "===", "!=", "!==", "<", ">", "<=", ">=", "<>", "&&", "||", "->", "<-", "=>", "+=", "-=",
    "*=", "/=", "%=", ":=", "<<", ">>", "|>", "~=", "=~",
];

/// What a text between two words amounts to.
pub(super) fn gap(between: &str) -> Gap {
    if between.contains(['.', '!', '?', '\n', '(', ')', '[', ']', '。', '！', '？', '…']) {
        return Gap::Stop;
    }
    if between.contains([',', ';', ':', '、', '，', '；', '：', '،']) {
        return Gap::Comma;
    }
    match between {
        "" => Gap::Nothing,
        "-" | "\u{2010}" | "\u{2011}" | "\u{2013}" => Gap::Hyphen,
        "/" => Gap::Slash,
        _ => Gap::Space,
    }
}

/// Whether a clause ends here.
pub(super) fn ends_clause(between: &str) -> bool {
    let dash = between.contains(['\u{2014}', '\u{2013}']) && between.contains(char::is_whitespace);
    matches!(gap(between), Gap::Stop | Gap::Comma) || dash
}

/// How many bytes of what follows a word belong to it: the signs of `C++`, `C#`, `A+`. Names of one or two letters alone have
/// such signs.
pub(super) fn attached(word: &str, between: &str, more: bool) -> usize {
    let letters = word.chars().count() <= 2 && word.chars().all(char::is_alphabetic);
    let signs = between.find(|c| !matches!(c, '+' | '#')).unwrap_or(between.len());
    // `a+b` adds.
    let ends = signs < between.len() || !more;
    if letters && ends { signs } else { 0 }
}

/// The operators of what stands between two words, in order.
pub(super) fn operators(between: &str) -> impl Iterator<Item = &'static str> {
    let sign =
        |c: char| matches!(c, '=' | '!' | '<' | '>' | '&' | '|' | '-' | '+' | '*' | '/' | '%' | ':' | '~');
    between.split(move |c| !sign(c)).filter_map(|run| OPERATORS.iter().find(|known| **known == run).copied())
}

/// What stands directly before `next`, which may be the first word of its text. A minus that follows a word without a space is a
/// hyphen or a range.
pub(super) fn before(between: &str, next: Option<&str>, first: bool) -> Before {
    let quoted = between.ends_with(['"', '\u{201c}', '\u{201e}', '\u{ab}', '\u{300c}']);
    let mut before = Before { quoted, ..Before::default() };
    if !next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit())) {
        return before;
    }
    let mut rest = between;
    while let Some(sign) = rest.chars().next_back() {
        let cut = rest.len() - sign.len_utf8();
        if let Some(currency) = self::currency(sign) {
            before.currency = Some(currency);
        } else if matches!(sign, '-' | '\u{2212}') && !before.negative {
            let ahead = rest[..cut].chars().next_back();
            let free = |c: char| c.is_whitespace() || self::currency(c).is_some() || "([=<>\"'".contains(c);
            before.negative = ahead.map_or(first, free);
        } else {
            break;
        }
        rest = &rest[..cut];
    }
    before
}

/// The currency that a sign stands for.
pub(super) fn currency(sign: char) -> Option<&'static str> {
    Some(match sign {
        '$' => "dollar",
        '€' => "euro",
        '£' => "pound",
        '¥' => "yen",
        '₹' => "rupee",
        '₽' => "ruble",
        _ => return None,
    })
}

/// A version without its letter: `v1.10` is `1.10`.
pub(super) fn versionless(word: &str) -> &str {
    word.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(word)
}

/// Whether a text speaks of versions, so that 1.10 is not 1.1: `v1.10`, "version 1.10", "release 1.10".
pub(super) fn tells_versions(text: &str) -> bool {
    let mut before = String::new();
    for word in text.split_whitespace() {
        let word = word.trim_start_matches(['(', '"', '`', '*']).to_lowercase();
        let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let told = matches!(before.as_str(), "version" | "versions" | "release" | "releases");
        if word.strip_prefix('v').is_some_and(digit) || (told && digit(&word)) {
            return true;
        }
        before = word;
    }
    false
}

/// Whether a text is likely to write numbers as on the continent of Europe: umlauts, a euro, small words of its languages.
pub(super) fn tells_continental(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["der", "die", "das", "und", "ist", "les", "des", "los", "las", "della", "het", "een"];
    let sign = |c: char| matches!(c, 'ä' | 'ö' | 'ü' | 'Ä' | 'Ö' | 'Ü' | 'ß' | '€');
    text.contains(sign) || text.split_whitespace().any(|word| WORDS.contains(&word.to_lowercase().as_str()))
}
