//! Numbers in one form, whether in digits or in words.

/// How the digits of a text are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// `1,5` is one and a half, as most of the continent of Europe writes it.
    pub comma_decimals: bool,
    /// `1.234` is 1,234. Without this flag only `1.234.567` and `1.234,5` are read so: they can be nothing else.
    pub dot_thousands: bool,
    /// Zeros after the point stay: the text tells versions, and 1.10 is not 1.1.
    pub versions: bool,
}

/// A number written in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// What it says.
    pub value: u64,
    /// Words that it takes, 1 at least.
    pub taken: usize,
}

/// A word of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Zero to nineteen, and tens.
    Plain(u64),
    /// One of a row: ends the number.
    Ordinal(u64),
    Dozen,
    Hundred,
    /// A thousand and its powers.
    Scale(u64),
}

const CARDINALS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const ORDINALS: [&str; 20] = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(&str, u32); 4] = [("thousand", 3), ("million", 6), ("billion", 9), ("trillion", 12)];

fn part(word: &str) -> Option<Part> {
    let at = |list: &[&str]| list.iter().position(|other| *other == word).map(|at| at as u64);
    if let Some(value) = at(&CARDINALS) {
        return Some(Part::Plain(value));
    }
    if let Some(value) = at(&TENS) {
        return Some(Part::Plain(10 * value + 20));
    }
    if let Some(value) = at(&ORDINALS) {
        return Some(Part::Ordinal(value));
    }
    if let Some(tens) = word.strip_suffix("ieth") {
        return TENS
            .iter()
            .position(|ten| ten.strip_suffix('y') == Some(tens))
            .map(|at| Part::Ordinal(10 * at as u64 + 20));
    }
    match word {
        "hundred" => Some(Part::Hundred),
        "dozen" => Some(Part::Dozen),
        _ => zeros(word).map(|zeros| Part::Scale(10_u64.pow(zeros))),
    }
}

/// The zeros that a scale word stands for: 6 for `million`.
pub(super) fn zeros(word: &str) -> Option<u32> {
    SCALES.iter().find(|(scale, _)| *scale == word).map(|(_, zeros)| *zeros)
}

/// The number that `words` begin with, if it is written in words. Each word comes with whether it follows the one before it
/// with nothing but space or a hyphen between them. `one`, `first` and `second` are left where they stand alone: they are a
/// pronoun, an adverb and a unit more often than numbers. So are `hundred`, `dozen` and the like without a number before them.
pub(super) fn phrase(words: &[(bool, &str)]) -> Option<Phrase> {
    let mut number = Spoken::default();
    let mut at = 0;
    if words.len() > 1 && matches!(words[0].1, "a" | "an") && words[1].0 {
        if !matches!(part(words[1].1), Some(Part::Hundred | Part::Scale(_) | Part::Dozen)) {
            return None;
        }
        number.current = Some(1);
        at = 1;
    }
    while let Some((joined, word)) = words.get(at) {
        if at > 0 && !joined {
            break;
        }
        // "two hundred and five"
        let and = *word == "and" && number.open();
        let next = if and { words.get(at + 1).filter(|next| next.0).map(|next| next.1) } else { Some(*word) };
        let Some(part) =
            next.and_then(part).filter(|part| !and || matches!(part, Part::Plain(1..) | Part::Ordinal(1..)))
        else {
            break;
        };
        if number.ended || !number.take(part) {
            break;
        }
        at += 1 + usize::from(and);
    }
    let alone = at == 1 && matches!(words[0].1, "one" | "first" | "second" | "zeroth");
    (at > 0 && !alone).then(|| number.value().map(|value| Phrase { value, taken: at })).flatten()
}

/// A number while it is being read.
#[derive(Debug, Default)]
struct Spoken {
    total: u64,
    /// What stands since the last scale word.
    current: Option<u64>,
    /// The last scale word; a later one is smaller.
    scale: Option<u64>,
    ended: bool,
}

impl Spoken {
    /// Whether "and" may follow.
    fn open(&self) -> bool {
        !self.ended
            && (self.total > 0 && self.current.is_none()
                || self.current.is_some_and(|c| c > 0 && c % 100 == 0))
    }

    /// Whether the word goes on with this number.
    fn take(&mut self, part: Part) -> bool {
        let taken = match part {
            Part::Plain(value) => self.plain(value),
            Part::Ordinal(value) => {
                self.ended = true;
                self.plain(value)
            }
            Part::Hundred => self.times(100, |current| (1..100).contains(&current)),
            Part::Dozen => {
                self.ended = true;
                self.times(12, |current| (1..1000).contains(&current))
            }
            Part::Scale(scale) => {
                let smaller = self.scale.is_none_or(|last| scale < last);
                let current = self.current.filter(|current| *current > 0 && smaller);
                self.total += current.unwrap_or_default() * scale;
                (self.current, self.scale) = (None, Some(scale));
                current.is_some()
            }
        };
        self.ended &= taken;
        taken
    }

    fn plain(&mut self, value: u64) -> bool {
        let Some(current) = self.current else {
            self.current = Some(value);
            return true;
        };
        // "fifty-two", "two hundred fifty", and years: "nineteen eighty-four"
        let fits = current > 0
            && ((value > 0 && value < 10 && current % 10 == 0 && current % 100 != 10)
                || ((10..100).contains(&value) && current % 100 == 0));
        let year = (13..=20).contains(&current) && (10..100).contains(&value) && self.total == 0;
        self.current = if fits {
            Some(current + value)
        } else {
            Some(current * 100 + value).filter(|_| year).or(self.current)
        };
        fits || year
    }

    fn times(&mut self, factor: u64, allowed: impl Fn(u64) -> bool) -> bool {
        let current = self.current.filter(|current| allowed(*current));
        self.current = current.map(|current| current * factor).or(self.current);
        current.is_some()
    }

    fn value(&self) -> Option<u64> {
        (self.current.is_some() || self.total > 0).then(|| self.total + self.current.unwrap_or_default())
    }
}

/// The forms of one word, each with whether it is a number: `10km` is a number and a unit, `21st` a number, `B12` a word that
/// holds a digit. Empty for an empty word.
pub(super) fn forms(word: &str, style: Style) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let digits = word.find(|c: char| !c.is_numeric() && !matches!(c, '.' | ',')).unwrap_or(word.len());
    let (head, unit) = word.split_at(digits);
    if head.is_empty() {
        if !word.is_empty() {
            found.push((word.into(), word.chars().any(char::is_numeric)));
        }
        return found;
    }
    match unit {
        // A decade is another thing than its first year.
        "s" => found.push((word.into(), true)),
        "" | "st" | "nd" | "rd" | "th" => digits_of(head, style, &mut found),
        unit => {
            digits_of(head, style, &mut found);
            found.push((unit.into(), unit.chars().any(char::is_numeric)));
        }
    }
    found
}

/// A number in one form: thousands not separated, no zeros before it or after its decimals (`1,234.50` is `1234.5`, `07` is
/// `7`). A comma that separates neither thousands nor decimals parts two numbers.
fn digits_of(digits: &str, style: Style, found: &mut Vec<(String, bool)>) {
    let digits = digits.trim_matches(['.', ',']);
    let whole = whole(digits, style);
    for part in whole.split(',').filter(|part| !part.is_empty()) {
        let decimal = part.matches('.').count() == 1 && !style.versions;
        let part = if decimal { part.trim_end_matches('0').trim_end_matches('.') } else { part };
        let short = part.trim_start_matches('0');
        let text =
            if short.is_empty() || short.starts_with('.') { format!("0{short}") } else { short.into() };
        found.push((text, true));
    }
}

/// Digits without separators of thousands, the decimals after a point.
fn whole(digits: &str, style: Style) -> String {
    if groups(digits.split('.').next().unwrap_or_default(), ',') {
        return digits.replace(',', "");
    }
    let (dots, commas) = (digits.matches('.').count(), digits.matches(',').count());
    let head = digits.split(',').next().unwrap_or_default();
    let thousands = dots > 0 && groups(head, '.') && !head.starts_with('0');
    // `1.234.567` and `1.234,5`; four groups are an address of the internet.
    let plain = (dots == 2 && commas == 0) || (dots > 0 && commas == 1);
    if thousands && (plain || (dots == 1 && style.dot_thousands)) {
        return head.replace('.', "") + &digits[head.len()..].replace(',', ".");
    }
    if style.comma_decimals && commas == 1 && dots == 0 { digits.replace(',', ".") } else { digits.into() }
}

/// Whether a separator cuts digits into thousands: one to three digits, then three each.
fn groups(digits: &str, separator: char) -> bool {
    let mut groups = digits.split(separator);
    let first = groups.next().is_some_and(|group| (1..=3).contains(&group.chars().count()));
    first && digits.contains(separator) && groups.all(|group| group.chars().count() == 3)
}

/// A number with its decimal point moved to the right: `2.5` by 6 is `2500000`. None for what is not a plain number, or where
/// the number would be longer than any that is meant.
pub(super) fn shifted(digits: &str, zeros: u32) -> Option<String> {
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !plain(whole) || !plain(decimals) || whole.is_empty() || digits.len() > 24 {
        return None;
    }
    let zeros = zeros as usize;
    let (moved, rest) = decimals.split_at(decimals.len().min(zeros));
    let whole = format!("{whole}{moved:0<zeros$}");
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let rest = rest.trim_end_matches('0');
    Some(if rest.is_empty() { whole.into() } else { format!("{whole}.{rest}") })
}
