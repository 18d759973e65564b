//! Multiple choice: the options below a question, and which of them an answer means.

use std::borrow::Cow;

use super::lines::{Line, starts_with};

/// Options of a question, at most.
const OPTIONS: u8 = 8;

/// The options that stand below a question.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Options {
    /// Their texts, without letters.
    pub(super) texts: Vec<String>,
    /// Which of them is marked as right.
    pub(super) right: Option<usize>,
}

/// A letter, the sign behind it, and the option.
struct Lettered<'a> {
    letter: char,
    sign: char,
    text: &'a str,
}

/// `A) ..`, `(A) ..`, `A. ..`, `A: ..`, `[A] ..`.
fn lettered(text: &str) -> Option<Lettered<'_>> {
    let inner = text.strip_prefix(['(', '（', '[']).unwrap_or(text);
    let mut chars = inner.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic)?;
    let sign = chars.next().filter(|c| matches!(c, ')' | '）' | '.' | ':' | '：' | ']' | '、' | '．'))?;
    let rest = chars.as_str();
    let apart = rest.is_empty()
        || rest.starts_with(char::is_whitespace)
        || !sign.is_ascii()
        || matches!(sign, ')' | ']');
    apart.then(|| Lettered { letter: letter.to_ascii_uppercase(), sign, text: rest.trim() })
}

fn letter_of<'l>(line: &'l Line<'_>) -> Option<(char, &'l str)> {
    match line.letter {
        Some(letter) => Some((letter, &line.text)),
        None => lettered(&line.text).map(|option| (option.letter, option.text)),
    }
}

/// The options that begin here, and how many lines they take; none where there are not two or more, A first.
pub(super) fn options(lines: &[Line<'_>]) -> Option<(usize, Options)> {
    let first = lines.first()?;
    let whole = match first.letter {
        Some(letter) => Cow::Owned(format!("{}) {}", letter.to_ascii_lowercase(), first.text)),
        None => Cow::Borrowed(first.text.as_str()),
    };
    if let Some(texts) = in_one_line(&whole) {
        return Some((1, marked(texts, None)));
    }
    let mut texts = Vec::new();
    let mut bold = Vec::new();
    for (line, letter) in lines.iter().zip(b'A'..b'A' + OPTIONS) {
        let Some((_, text)) = letter_of(line).filter(|(found, _)| *found == char::from(letter)) else {
            break;
        };
        if line.raw.contains("**") {
            bold.push(texts.len());
        }
        texts.push(text.to_string());
    }
    let bold = bold.first().copied().filter(|_| bold.len() == 1);
    (texts.len() >= 2).then(|| (texts.len(), marked(texts, bold)))
}

/// `A) Samarkand B) Otrar C) Merv`: the options of one line.
pub(super) fn in_one_line(text: &str) -> Option<Vec<String>> {
    let first = lettered(text).filter(|option| option.letter == 'A')?;
    let open = if text.starts_with('(') { "(" } else { "" };
    let lower = text.trim_start_matches('(').starts_with('a');
    let (mut texts, mut rest) = (Vec::new(), first.text);
    for letter in b'B'..b'A' + OPTIONS {
        let letter = if lower { letter.to_ascii_lowercase() } else { letter };
        let Some((option, after)) = rest.split_once(&format!(" {open}{}{}", char::from(letter), first.sign))
        else {
            break;
        };
        texts.push(option.trim().trim_end_matches([',', ';']).to_string());
        rest = after.trim_start();
    }
    texts.push(rest.trim().to_string());
    (texts.len() >= 2).then_some(texts)
}

/// Takes the marks of the right option off.
fn marked(texts: Vec<String>, bold: Option<usize>) -> Options {
    let marks = ["(correct answer)", "(correct)", "(right)", "✓", "✔", "✅", "☑", "(richtig)", "(correcta)"];
    let mut options = Options { texts, right: bold };
    for (index, text) in options.texts.iter_mut().enumerate() {
        let bare = text.trim_start_matches(['✓', '✔', '✅', '☑', ' ']);
        let cut = marks.into_iter().find_map(|mark| {
            let from = bare.len().checked_sub(mark.len())?;
            bare.get(from..).filter(|tail| tail.eq_ignore_ascii_case(mark)).map(|_| bare[..from].trim_end())
        });
        if cut.is_some() || bare.len() < text.len() {
            options.right = Some(index);
            *text = cut.unwrap_or(bare).to_string();
        }
    }
    options
}

/// What an answer says, where it names an option: `B) Otrar`, `B`, `Option B`. Without options only a letter in brackets
/// is taken off: `A. Smith` may be a name.
pub(super) fn chosen(answer: &str, options: &[String]) -> String {
    let bare = starts_with(answer, "option ").unwrap_or(answer).trim();
    let alone = || {
        let letter = bare.trim_matches(['(', ')', '.', '[', ']']);
        let mut chars = letter.chars();
        chars
            .next()
            .filter(|c| c.is_ascii_alphabetic() && chars.next().is_none())
            .map(|letter| (letter.to_ascii_uppercase(), ""))
    };
    let dashed = || {
        let (letter, text) = bare.split_once(" - ").or_else(|| bare.split_once(" – "))?;
        (letter.len() == 1)
            .then(|| (letter.chars().next().unwrap_or_default().to_ascii_uppercase(), text.trim()))
    };
    let bracketed = |option: &Lettered<'_>| !options.is_empty() || matches!(option.sign, ')' | '）');
    let found =
        alone().or_else(|| lettered(bare).filter(bracketed).map(|option| (option.letter, option.text)));
    let Some((letter, text)) = found.or_else(|| dashed().filter(|_| !options.is_empty())) else {
        return answer.to_string();
    };
    let option = (letter as usize).checked_sub('A' as usize).and_then(|index| options.get(index));
    match option {
        Some(option) if text.is_empty() || starts_with(text, option.trim_end_matches('.')).is_some() => {
            option.trim_end_matches('.').to_string()
        }
        _ if text.is_empty() => answer.to_string(),
        _ => text.to_string(),
    }
}
