//! What an answer says, without what models put around it.

use super::labels::{self, Kind, Label};
use super::lines::starts_with;
use super::marks;

/// A question with a blank, and the answer in brackets behind it.
pub(super) fn bracketed_end(text: &str) -> (&str, Option<&str>) {
    let cut = text.trim_end_matches('.').strip_suffix(')').and_then(|inner| inner.rsplit_once('('));
    match cut {
        Some((question, answer)) if marks::asks(question) && !answer.eq_ignore_ascii_case("t/f") => {
            (question.trim(), Some(answer))
        }
        _ => (text, None),
    }
}

/// An answer behind its question, without the dash, the label or the brackets around it and the full stop behind it.
pub(super) fn inline(text: &str) -> String {
    let text = text.trim_start_matches([' ', '-', '–', '—', ':', '：', '→', '>', '=']).trim();
    let text = text
        .strip_prefix(['(', '（', '['])
        .and_then(|inner| inner.strip_suffix([')', '）', ']']))
        .unwrap_or(text);
    let text = match labels::label(text) {
        Some(Label { kind: Kind::Answer, rest, .. }) => rest,
        _ => text,
    };
    text.strip_suffix(['.', '。']).unwrap_or(text).to_string()
}

/// The entries of a list of answers on one line: `1. Otrar 2. The Shah`, `1-B, 2-C`; fewer than two are none.
pub(super) fn entries(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let sign = text.strip_prefix('1').and_then(|rest| rest.chars().next());
    let Some(sign) = sign.filter(|sign| matches!(sign, '.' | ')' | ':' | '-')) else { return found };
    let mut rest = &text[1 + sign.len_utf8()..];
    for number in 2.. {
        let next = format!(" {number}{sign}");
        let (entry, after) =
            rest.split_once(&next).map_or((rest, None), |(entry, after)| (entry, Some(after)));
        found.push((number - 1, entry.trim().trim_end_matches([',', ';'])));
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    if found.len() > 1 { found } else { Vec::new() }
}

/// An answer without the quotation marks around the whole of it.
pub(super) fn trimmed(text: &str) -> &str {
    let text = text.trim();
    let quoted = text.strip_prefix(['"', '“', '「']).and_then(|inner| inner.strip_suffix(['"', '”', '」']));
    quoted.filter(|inner| !inner.contains(['"', '“', '「'])).unwrap_or(text)
}

/// `True` of `True. The Shah fled.`
pub(super) fn truth(answer: &str) -> Option<String> {
    ["True", "False"].into_iter().find_map(|word| {
        let rest = starts_with(answer, word)?;
        (!rest.starts_with(char::is_alphanumeric)).then(|| word.to_string())
    })
}
