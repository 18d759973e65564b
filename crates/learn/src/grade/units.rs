//! Measures in one form: `kg` after a number is `kilogram`, `5 bn` is five thousand million.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::inflection::stem;
use super::numbers;
use super::scan::{Gap, Kind, Token};

/// Signs of units after a number, and what they stand for; words that are parted by a space are two.
const SIGNS: [(&str, &str); 52] = [
    ("kg", "kilogram"),
    ("kgs", "kilogram"),
    ("kilo", "kilogram"),
    ("g", "gram"),
    ("mg", "milligram"),
    ("t", "tonne"),
    ("km", "kilometer"),
    ("m", "meter"),
    ("cm", "centimeter"),
    ("mm", "millimeter"),
    ("nm", "nanometer"),
    ("mi", "mile"),
    ("ft", "foot"),
    ("in", "inch"),
    ("yd", "yard"),
    ("lb", "pound"),
    ("lbs", "pound"),
    ("oz", "ounce"),
    ("l", "liter"),
    ("ml", "milliliter"),
    ("ha", "hectare"),
    ("h", "hour"),
    ("hr", "hour"),
    ("hrs", "hour"),
    ("min", "minute"),
    ("mins", "minute"),
    ("s", "second"),
    ("sec", "second"),
    ("secs", "second"),
    ("ms", "millisecond"),
    ("yr", "year"),
    ("yrs", "year"),
    ("c", "celsius"),
    ("f", "fahrenheit"),
    ("k", "kelvin"),
    ("hz", "hertz"),
    ("khz", "kilohertz"),
    ("mhz", "megahertz"),
    ("ghz", "gigahertz"),
    ("w", "watt"),
    ("kw", "kilowatt"),
    ("mw", "megawatt"),
    ("kwh", "kilowatt hour"),
    ("v", "volt"),
    ("kb", "kilobyte"),
    ("mb", "megabyte"),
    ("gb", "gigabyte"),
    ("tb", "terabyte"),
    ("mph", "mile hour"),
    ("kph", "kilometer hour"),
    ("km2", "square kilometer"),
    ("m2", "square meter"),
];

/// Spellings of whole words that fall together anywhere.
const SPELLINGS: [(&str, &str); 16] = [
    ("kilometre", "kilometer"),
    ("metre", "meter"),
    ("centimetre", "centimeter"),
    ("millimetre", "millimeter"),
    ("litre", "liter"),
    ("millilitre", "milliliter"),
    ("tonne", "tonne"),
    ("ton", "tonne"),
    ("feet", "foot"),
    ("inches", "inch"),
    ("kilogramme", "kilogram"),
    ("kilograms", "kilogram"),
    ("sq", "square"),
    ("bce", "bc"),
    ("ce", "ad"),
    ("kmh", "kilometer hour"),
];

/// Every way to write a unit that is written so: `mb`, `megabyte` and `megabytes` for each of them, in small letters.
pub(crate) fn unit_spellings(word: &str) -> Vec<&'static str> {
    static PLURALS: LazyLock<Vec<String>> =
        LazyLock::new(|| SIGNS.iter().map(|(_, unit)| format!("{unit}s")).collect());
    let whole = |text: &str| SPELLINGS.iter().find(|(other, _)| *other == text).map(|(_, unit)| *unit);
    let single = word.strip_suffix('s').unwrap_or(word);
    let unit = whole(word).or_else(|| whole(single));
    let meant = |sign: &str, name: &str| sign == word || name == word || name == single || unit == Some(name);
    let Some((_, unit)) = SIGNS.iter().find(|(sign, name)| meant(sign, name)) else { return Vec::new() };
    let same = SIGNS.iter().zip(PLURALS.iter()).filter(|((_, name), _)| name == unit);
    let spelled = SPELLINGS.iter().filter(|(_, name)| name == unit).map(|(other, _)| *other);
    same.flat_map(|((sign, name), plural)| [*sign, *name, plural.as_str()]).chain(spelled).collect()
}

/// Words for money. Whoever leaves one out has still told the amount.
const CURRENCIES: [(&str, &str); 18] = [
    ("dollar", "dollar"),
    ("dollars", "dollar"),
    ("usd", "dollar"),
    ("euro", "euro"),
    ("euros", "euro"),
    ("eur", "euro"),
    ("gbp", "pound"),
    ("sterling", "pound"),
    ("yen", "yen"),
    ("jpy", "yen"),
    ("rupee", "rupee"),
    ("rupees", "rupee"),
    ("inr", "rupee"),
    ("yuan", "yuan"),
    ("rmb", "yuan"),
    ("ruble", "ruble"),
    ("rubles", "ruble"),
    ("roubles", "ruble"),
];

/// Powers of ten that are written after digits: "2.5 million", "5bn".
fn zeros(word: &str) -> Option<u32> {
    numbers::zeros(word).or(match word {
        "bn" => Some(9),
        "mn" | "mln" => Some(6),
        "hundred" => Some(2),
        _ => None,
    })
}

/// What the amounts of a text are in: currencies, and units that follow a number.
pub(super) fn measures(tokens: &[Token]) -> HashSet<String> {
    static NAMES: LazyLock<HashSet<String>> =
        LazyLock::new(|| SIGNS.iter().flat_map(|(_, unit)| unit.split(' ')).map(stem).collect());
    let measure = |(at, token): (usize, &Token)| {
        let name = stem(&token.text);
        let unit = at > 0 && tokens[at - 1].kind == Kind::Number && NAMES.contains(&name);
        (unit || token.kind == Kind::Currency).then_some(name)
    };
    tokens.iter().enumerate().filter_map(measure).collect()
}

/// Puts scales, units and currencies into one form. `spaces` reads `1 234` as 1,234.
pub(super) fn unify(tokens: Vec<Token>, spaces: bool) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    // Whether the last number was put together from parts.
    let mut parts = false;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        if percent(token, next)
            || (token.text == "cent" && tokens[..at].last().is_some_and(|last| last.text == "per"))
        {
            continue;
        }
        parts &= token.kind == Kind::Number;
        // "$5 million": the currency, which follows its number here, stands between them.
        if let [.., amount, money] = out.as_mut_slice()
            && (amount.kind, money.kind) == (Kind::Number, Kind::Currency)
            && let Some(text) = zeros(&token.text).and_then(|zeros| numbers::shifted(&amount.text, zeros))
        {
            amount.text = text;
            continue;
        }
        let last = out.last_mut().filter(|last| last.kind == Kind::Number && joins(token.gap));
        let Some(last) = last else {
            out.extend(spelled(token));
            continue;
        };
        if let Some(text) = zeros(&token.text).and_then(|zeros| numbers::shifted(&last.text, zeros)) {
            last.text = text;
        } else if spaces && token.gap == Gap::Space && thousands(&last.text, token, parts) {
            last.text.push_str(&format!("{:0>3}", token.text));
            parts = true;
        } else if let Some((_, unit)) =
            SIGNS.iter().find(|(sign, _)| *sign == token.text && unit_here(token, next))
        {
            out.extend(unit.split(' ').map(|unit| Token {
                text: unit.into(),
                kind: Kind::Word,
                ..token.clone()
            }));
        } else {
            out.extend(spelled(token));
        }
    }
    out
}

/// Whether a sign is a unit, where it could be a word: "in", "a 5 m race" but not "5 in 10".
fn unit_here(token: &Token, next: Option<&Token>) -> bool {
    token.text != "in" || next.is_none_or(|next| next.gap == Gap::Stop || next.gap == Gap::Comma)
}

fn joins(gap: Gap) -> bool {
    matches!(gap, Gap::Nothing | Gap::Space | Gap::Hyphen)
}

/// Percent is understood; "half" is fifty of them.
fn percent(token: &Token, next: Option<&Token>) -> bool {
    token.text == "percent" || (token.text == "per" && next.is_some_and(|next| next.text == "cent"))
}

/// Digits of the longest number that is put together: beyond a trillion numbers are written otherwise.
const LONGEST_DIGITS: usize = 15;

/// Whether the digits go on after a space: `12 345`. More than three digits before the first space are another number.
fn thousands(before: &str, token: &Token, parts: bool) -> bool {
    let first = before.trim_start_matches('-');
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let fits = first.len() <= 3 || (parts && first.len() < LONGEST_DIGITS);
    token.digits == 3 && fits && plain(first) && !first.starts_with('0')
}

/// Numbers in words, as digits. `one` and ordinals below the third are numbers that may be left out: they are other words too.
pub(super) fn spoken(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        // "half a million" is five hundred thousand.
        if rest[0].text == "half" {
            let of = half(rest, out.last());
            out.push(Token { text: of.0, kind: of.1, ..rest[0].clone() });
            at += of.2;
            continue;
        }
        let words: Vec<(bool, &str)> = rest
            .iter()
            .take(LONGEST_NUMBER)
            .take_while(|token| token.kind == Kind::Word)
            .map(|token| (joins(token.gap), token.text.as_str()))
            .collect();
        if let Some(phrase) = numbers::phrase(&words) {
            out.push(Token { text: phrase.value.to_string(), kind: Kind::Number, ..rest[0].clone() });
            at += phrase.taken;
            continue;
        }
        let text = match rest[0].text.as_str() {
            "one" | "first" => "1",
            "second" if !out.last().is_some_and(|last| last.kind == Kind::Number) => "2",
            other => other,
        };
        out.push(Token { text: text.into(), ..rest[0].clone() });
        at += 1;
    }
    minus(out)
}

/// "minus 5" is -5.
fn minus(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    for mut token in tokens {
        if token.kind == Kind::Number
            && let Some(sign) = out.pop_if(|last| last.text == "minus")
        {
            token.text = format!("-{}", token.text);
            token.gap = sign.gap;
        }
        out.push(token);
    }
    out
}

/// Words of the longest number that anyone writes out, "nine hundred ninety-nine thousand nine hundred and ninety-nine" with
/// a scale or two more.
const LONGEST_NUMBER: usize = 16;

/// What "half" says: a part of a number that follows, fifty percent, or a part of something else ("the second half").
fn half(rest: &[Token], before: Option<&Token>) -> (String, Kind, usize) {
    let article = usize::from(rest.get(1).is_some_and(|token| matches!(token.text.as_str(), "a" | "an")));
    let next = rest.get(1 + article).map(|token| token.text.as_str());
    if next == Some("dozen") {
        return ("6".into(), Kind::Number, 2 + article);
    }
    if let Some(zeros) = next.and_then(numbers::zeros) {
        return (format!("5{}", "0".repeat(zeros as usize - 1)), Kind::Number, 2 + article);
    }
    let counted = before.is_some_and(|last| {
        last.kind == Kind::Number
            || matches!(last.text.as_str(), "1" | "2" | "latter" | "other" | "and" | "later")
    });
    if article == 1 || counted { ("half".into(), Kind::Word, 1) } else { ("50".into(), Kind::Number, 1) }
}

/// A word in its one spelling.
fn spelled(token: &Token) -> Vec<Token> {
    if token.kind != Kind::Word {
        return vec![token.clone()];
    }
    let text = token.text.as_str();
    if let Some((_, currency)) = CURRENCIES.iter().find(|(word, _)| *word == text) {
        return vec![Token { text: (*currency).into(), kind: Kind::Currency, ..token.clone() }];
    }
    let single = text.strip_suffix('s').unwrap_or(text);
    let known = SPELLINGS.iter().find(|(word, _)| *word == text || *word == single);
    let spelling = known.map_or(text, |(_, spelling)| *spelling);
    spelling.split(' ').map(|word| Token { text: word.into(), ..token.clone() }).collect()
}
