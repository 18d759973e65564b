//! Words of the calendar: months, weekdays, years, days of a month, dates and times in digits.

use crate::grade::MONTHS;

const DAYS: &[&str] = &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

pub(super) fn is_month(word: &str) -> bool {
    word.starts_with(char::is_uppercase) && MONTHS.contains(&word.to_lowercase().as_str())
}

pub(super) fn is_year(word: &str) -> bool {
    word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()) && matches!(word.as_bytes()[0], b'1' | b'2')
}

pub(super) fn is_day_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_alphabetic());
    !digits.is_empty() && digits.len() <= 2 && digits.parse().is_ok_and(|day: u32| (1..=31).contains(&day))
}

/// `2019-03-04`, `04/03/2019`, `10:30`.
pub(super) fn is_stamp(word: &str) -> bool {
    let parts: Vec<&str> = word.split(['-', '/', ':', '.']).collect();
    let digits =
        |part: &&str| !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
    let signs = word.matches(['-', '/', ':']).count();
    parts.iter().all(digits) && (signs == 2 && parts.len() == 3 || word.contains(':') && parts.len() == 2)
}

pub(super) fn is_weekday(word: &str) -> bool {
    DAYS.contains(&word.to_lowercase().as_str())
}
