//! Where the sentences of a text end.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// Behind these a full stop ends no sentence, if they begin with a capital.
const SHORTENED: &str = "capt co col dr fig gen inc jr lt ltd mme mr mrs ms mt no nr prof rev sgt sr st vol";
/// Behind these it never does.
const ALWAYS_SHORTENED: &str =
    "a.k.a al approx bspw bzw ca cf d.h e.g evtl fig ggf i.e incl inkl p p.ex pp resp u.a vgl vol vs z.b";
/// Signs of Markdown that may stand between the end of a sentence and the blank behind it.
const EMPHASIS: &[char] = &['*', '_', '~'];

/// Sentences of a line by Unicode's annex 29, not parted behind initials, titles and the like (`Dr. Smith`, `J. Smith`, `U.S. Army`, `No. 5`, `e.g. Linux`) and the number of
/// an item (`1. Install it`), nor within code between backticks, a path, an address or a version. Put end to end they are the line.
pub fn in_line(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut from, mut bound) = (0, 0);
    for piece in line.split_sentence_bounds() {
        bound += piece.len();
        let end = behind_emphasis(line, bound);
        if end > from && (end == line.len() || ends(&line[from..end], &line[end..])) {
            found.push(&line[from..end]);
            from = end;
        }
    }
    found
}

/// The places of a text's sentences, bytes; a line end ends one, and what has neither letter nor figure is none.
pub fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mut start = at;
        for sentence in in_line(line) {
            let range = start..start + sentence.len();
            start = range.end;
            if text[range.clone()].contains(char::is_alphanumeric) {
                found.push(range);
            }
        }
        at += line.len();
    }
    found
}

/// The sentences of a text, without blanks around them.
pub fn of(text: &str) -> impl Iterator<Item = &str> {
    ranges(text).into_iter().map(|range| text[range].trim())
}

/// The bound of a sentence, behind the signs that close an emphasis and the blanks after them: `**It is so.** Then`.
fn behind_emphasis(line: &str, bound: usize) -> usize {
    let rest = &line[bound..];
    let bare = rest.trim_start_matches(EMPHASIS);
    let blank = bare.len() - bare.trim_start().len();
    let closes = bare.len() < rest.len() && !line[..bound].ends_with(char::is_whitespace);
    if closes && blank > 0 { line.len() - bare.len() + blank } else { bound }
}

/// Whether a sentence ends between the two.
fn ends(sentence: &str, rest: &str) -> bool {
    let text = sentence.trim_end();
    let last = text.rsplit(char::is_whitespace).next().unwrap_or_default();
    // Scripts without blanks end a sentence with signs of their own.
    let signs = text.rsplit(char::is_alphanumeric).next().unwrap_or_default();
    let parted = text.len() < sentence.len() || signs.contains(['。', '！', '？', '｡']);
    let code = sentence.matches('`').count() % 2 == 1 && rest.contains('`');
    // `scan . Then`: the folder where one stands, or the one above it.
    let argument = matches!(last, "." | "..");
    let item = text.strip_suffix('.').is_some_and(|number| number.trim_start().parse::<u32>().is_ok());
    parted && !code && !argument && !item && !is_shortened(last)
}

fn is_shortened(last: &str) -> bool {
    let Some(word) = last.trim_start_matches(['(', '[', '"', '“']).strip_suffix('.') else { return false };
    let initials =
        word.split('.').all(|part| part.chars().count() == 1 && part.starts_with(char::is_uppercase));
    let among = |list: &str| list.split(' ').any(|known| known.eq_ignore_ascii_case(word));
    initials || among(ALWAYS_SHORTENED) || (word.starts_with(char::is_uppercase) && among(SHORTENED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sentence_ends_within_code_a_path_or_a_version() {
        for whole in [
            "Run `tidyscan --dry . Then` first.",
            "Run `tidyscan --dry .` First of all.",
            "Is `a ? B : C` what it takes?",
            "Look at https://example.org/?Page=1&q=Two for it.",
            "It reads *.PNG and *.JPG files of ./Scans and config.toml in v1.2.3.",
            "Run tidyscan --dry . Then look.",
            "Call print!(Nothing) in it.",
            "It reads pictures, e.g. PNG files, i.e. Portable ones (cf. Adobe's).",
            "Das gilt z.B. Montags bzw. Dienstags.",
            "1. Install it.",
        ] {
            assert_eq!(in_line(whole), [whole]);
        }
    }

    #[test]
    fn sentences_end_behind_code_paths_and_emphasis() {
        for two in [
            ["Run `tidyscan`. ", "Then look."],
            ["It reads config.toml. ", "It writes v1.2.3. "],
            ["**It is so.** ", "Then look."],
            ["See https://example.org/?q=1. ", "Then look."],
            ["Use ` or not. ", "Then look."],
            ["It reads PNG, JPG etc. ", "Then it stops."],
            ["你好。", "再见。"],
            ["It costs 5. ", "It is old."],
        ] {
            assert_eq!(in_line(&two.concat())[..1], two[..1]);
        }
    }
}
