//! Heads of items in a list of statements: those over sub-items, and lead-ins before a statement.

use unicode_segmentation::UnicodeSegmentation;

use super::labels;
use super::lines::{Line, ideographic};

/// Characters of a head that is put before each of its sub-items, at most.
const HEAD_CHARS: usize = 120;
/// Words of a lead-in, at most.
const LEAD_IN_WORDS: usize = 6;
/// Words of a statement behind a lead-in, at least; signs of Chinese or Japanese count as words.
const STATEMENT_WORDS: usize = 4;

/// Whether a line is the head of the items below it: it has a list marker itself and ends with a colon, or is short,
/// all in bold and no sentence.
pub(super) fn over_items(line: &Line<'_>, next: Option<&Line<'_>>) -> bool {
    let colon = line.text.ends_with([':', '：']);
    let bold = || all_bold(line) && !line.text.ends_with(['.', '!', '?', '。']);
    line.listed && (colon || bold()) && next.is_some_and(|next| next.below(line))
}

fn all_bold(line: &Line<'_>) -> bool {
    let item = line.raw.trim_start_matches(|c: char| !c.is_alphabetic() && c != '*').trim_start_matches("* ");
    item.starts_with("**") && item.ends_with("**")
}

/// Whether a line is a heading by its looks: all in bold, short, in Title Case, and neither a sentence nor `label:
/// value`.
pub(super) fn looks_like_heading(line: &Line<'_>) -> bool {
    all_bold(line)
        && !line.text.contains([':', '：'])
        && !line.text.ends_with(['.', '!', '?', '。', '！', '？'])
        && line.text.is_ascii()
        && title_case(&line.text)
        && line.text.unicode_words().count() <= LEAD_IN_WORDS
}

/// An item with its head before it: a head that says nothing (`Implication 3:`) or too much is left away.
pub(super) fn joined(head: &Line<'_>, item: &str) -> String {
    let name = head.text.trim_end_matches([':', '：', ' ']);
    let idle = labels::named(name).is_some();
    if idle || name.chars().count() > HEAD_CHARS {
        return item.to_string();
    }
    let colon = if name.ends_with(ideographic) { "：" } else { ": " };
    format!("{name}{colon}{item}")
}

/// Whether a statement leans on the one before it: its subject is a pronoun.
pub(super) fn leans(text: &str) -> bool {
    let pronouns = [
        "he", "she", "it", "they", "this", "that", "these", "those", "his", "her", "its", "their", "such",
        "here", "er", "sie", "es", "dies", "diese", "dieser", "dieses", "il", "elle", "ils", "elles", "cela",
        "ce", "ello", "esto",
    ];
    let first = text.unicode_words().next().unwrap_or_default().to_lowercase();
    pronouns.contains(&first.as_str())
        || ["他", "她", "它", "这", "此", "彼", "それ", "これ"].iter().any(|word| text.starts_with(word))
}

/// A statement without the lead-in before it (`**Strategic Advantage**: The Mongols could ..`): at most six words, in
/// bold or in Title Case, and a whole sentence behind it that does not lean on it.
pub(super) fn without_lead_in<'a>(raw: &str, text: &'a str) -> &'a str {
    let Some((head, rest)) = lead_in(raw, text) else { return text };
    let words = head.unicode_words().count();
    let begins = rest.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || ideographic(c));
    let sentence = begins && rest.unicode_words().count() >= STATEMENT_WORDS;
    let idle = (1..=LEAD_IN_WORDS).contains(&words) || head.chars().all(ideographic);
    if idle && sentence && !leans(rest) { rest } else { text }
}

fn lead_in<'a>(raw: &str, text: &'a str) -> Option<(&'a str, &'a str)> {
    if let Some(bold) = bold_beginning(raw)
        && let Some(after) = text.strip_prefix(bold.trim_end_matches([':', '：', '.', ' ']))
    {
        let rest = after.trim_start_matches([' ', ':', '：', '.', '-', '–', '—']);
        let parted = after.trim_start().starts_with([':', '：', '.', '-', '–', '—']);
        return parted.then_some((&text[..text.len() - after.len()], rest));
    }
    let (head, rest) = text.split_once([':', '：'])?;
    (title_case(head) && !head.contains(['.', '!', '?', ','])).then_some((head.trim(), rest.trim()))
}

/// What is in bold at the beginning of an item.
fn bold_beginning(raw: &str) -> Option<&str> {
    let item = raw.trim_start_matches(|c: char| !c.is_alphabetic() && c != '*').trim_start_matches("* ");
    let inner = item.strip_prefix("**")?;
    inner.split_once("**").map(|(bold, _)| bold).filter(|bold| !bold.is_empty())
}

/// Whether all words of four letters and more begin with a capital, and the first one.
fn title_case(text: &str) -> bool {
    let mut words = text.unicode_words().peekable();
    words.peek().is_some_and(|word| word.starts_with(char::is_uppercase))
        && words.all(|word| word.chars().count() < 4 || word.starts_with(char::is_uppercase))
}
