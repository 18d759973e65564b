//! Dates in one form: day, month by name, year.

use super::scan::{Gap, Kind, Token};

/// Names of the months, in small letters.
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A day of a month; year and day may be missing.
struct Date {
    day: Option<u64>,
    month: usize,
    year: Option<u64>,
    /// Tokens that it is written with.
    taken: usize,
}

/// Writes each date of the text as day, month and year, whatever order and form it has there. `month_first` decides where a
/// slashed date is ambiguous: 3/4/2019.
pub(super) fn unify(tokens: Vec<Token>, month_first: bool) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let Some(date) = date(&tokens[at..], month_first) else {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let part = |text: String, kind| Token { text, kind, ..tokens[at].clone() };
        out.extend(date.day.map(|day| part(day.to_string(), Kind::Number)));
        out.push(part(MONTHS[date.month].into(), Kind::Month));
        out.extend(date.year.map(|year| part(year.to_string(), Kind::Number)));
        at += date.taken;
    }
    out
}

fn date(tokens: &[Token], month_first: bool) -> Option<Date> {
    dotted(tokens)
        .or_else(|| figures(tokens, month_first))
        .or_else(|| ideographs(tokens))
        .or_else(|| named(tokens))
}

/// "4 March 2019", "4th of March, 2019", "March 4, 2019", "March 2019", "4 March".
fn named(tokens: &[Token]) -> Option<Date> {
    let day = |at: usize| value(tokens.get(at)?).filter(|day| (1..=31).contains(day));
    let year = |at: usize| value(tokens.get(at)?).filter(|year| (32..=2999).contains(year));
    if let Some(month) = month(tokens.first()?) {
        // "May" is a verb too, and "March" another; a number directly after them makes them months.
        if let Some(first) = day(1).filter(|_| tokens[1].gap == Gap::Space) {
            let year = year(2).filter(|_| tokens[2].gap != Gap::Stop);
            return Some(Date { day: Some(first), month, year, taken: 2 + usize::from(year.is_some()) });
        }
        return year(1).map(|year| Date { day: None, month, year: Some(year), taken: 2 });
    }
    let first = day(0)?;
    let of = usize::from(tokens.get(1)?.text == "of");
    let month = month(tokens.get(1 + of)?).filter(|_| tokens[1].gap != Gap::Stop)?;
    let year = year(2 + of).filter(|_| tokens[2 + of].gap != Gap::Stop);
    Some(Date { day: Some(first), month, year, taken: 2 + of + usize::from(year.is_some()) })
}

/// "2019-03-04", "3/4/2019", "2019/03/04".
fn figures(tokens: &[Token], month_first: bool) -> Option<Date> {
    let [a, b, c] = [value(tokens.first()?)?, value(tokens.get(1)?)?, value(tokens.get(2)?)?];
    let gap = tokens[1].gap;
    if gap != tokens[2].gap || !matches!(gap, Gap::Hyphen | Gap::Slash) {
        return None;
    }
    if tokens[0].text.len() == 4 {
        return calendar(c, b, a, 3);
    }
    if tokens[2].text.len() != 4 {
        return None;
    }
    let (us, other) = (calendar(b, a, c, 3), calendar(a, b, c, 3));
    if month_first { us.or(other) } else { other.or(us) }
}

/// "04.03.2019", the day first wherever it is written with points.
fn dotted(tokens: &[Token]) -> Option<Date> {
    let token = tokens.first().filter(|token| token.kind == Kind::Number)?;
    let mut parts = token.text.split('.').map(|part| part.parse().ok());
    let parsed = [parts.next()??, parts.next()??, parts.next()??];
    let [day, month, year] = parsed;
    if parts.next().is_some() || !(1000..=2999).contains(&year) {
        return None;
    }
    calendar(day, month, year, 1)
}

/// "2019年3月4日".
fn ideographs(tokens: &[Token]) -> Option<Date> {
    let sign = |at: usize, sign: &str| tokens.get(at).is_some_and(|token| token.text.starts_with(sign));
    let year = value(tokens.first()?)?;
    if !sign(1, "年") || !sign(3, "月") {
        return None;
    }
    let month = value(tokens.get(2)?)?;
    let day = tokens.get(4).and_then(value).filter(|_| sign(5, "日"));
    let Some(day) = day else {
        return calendar(1, month, year, 4).map(|date| Date { day: None, ..date });
    };
    calendar(day, month, year, 6)
}

fn calendar(day: u64, month: u64, year: u64, taken: usize) -> Option<Date> {
    let fits = (1..=31).contains(&day) && (1..=12).contains(&month);
    fits.then(|| Date { day: Some(day), month: month as usize - 1, year: Some(year), taken })
}

fn value(token: &Token) -> Option<u64> {
    Some(token).filter(|token| token.kind == Kind::Number)?.text.parse().ok()
}

fn month(token: &Token) -> Option<usize> {
    let text = token.text.as_str();
    let short =
        |month: &&str| text.len() == 3 && month.starts_with(text) || text == "sept" && *month == MONTHS[8];
    MONTHS.iter().position(|month| *month == text || short(month)).filter(|_| token.kind == Kind::Word)
}
