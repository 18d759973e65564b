//! Clean text: `\n` line ends, no control characters, no long gaps; titles and where they stand.

/// Longest title, characters; a longer one is cut at a word.
const TITLE_CHARS: usize = 200;
/// Longest first line that is taken for a title where the format names none, characters.
const SHORT_LINE_CHARS: usize = 80;

/// `text` with `\n` line ends, without control characters (tabs stay), without blanks at line ends, and with at most two
/// blank lines in a row; none at its start or end.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut breaks = 0;
    let unified = text.replace("\r\n", "\n");
    for line in unified.split(['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']) {
        let start = out.len();
        if start > 0 {
            out.extend(std::iter::repeat_n('\n', (breaks + 1).min(3)));
        }
        let filled = out.len();
        out.extend(line.chars().filter_map(kept));
        out.truncate(out.trim_end_matches([' ', '\t']).len().max(filled));
        if out.len() == filled {
            out.truncate(start);
            breaks += usize::from(start > 0);
        } else {
            breaks = 0;
        }
    }
    out
}

/// The character as it stays, if it stays.
fn kept(c: char) -> Option<char> {
    match c {
        '\t' => Some(c),
        '\u{a0}' => Some(' '),
        // Soft hyphen, byte order mark; noncharacters.
        '\u{ad}' | '\u{feff}' | '\u{fdd0}'..='\u{fdef}' => None,
        c if c.is_control() || u32::from(c) & 0xfffe == 0xfffe => None,
        c => Some(c),
    }
}

/// `text` on one line: runs of white space become one blank.
pub(super) fn one_line(text: &str) -> String {
    let cleaned: String =
        text.chars().filter_map(|c| if c.is_whitespace() { Some(' ') } else { kept(c) }).collect();
    cleaned.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A title of one line and bearable length, if `text` holds one.
pub(super) fn title(text: &str) -> Option<String> {
    let line = one_line(heading_words(&one_line(text)));
    if line.chars().count() <= TITLE_CHARS {
        return (!line.is_empty()).then_some(line);
    }
    let cut = line.char_indices().nth(TITLE_CHARS).map_or(line.len(), |(at, _)| at);
    let word = line[..cut].rfind(' ').filter(|at| *at > 0).unwrap_or(cut);
    Some(line[..word].to_string())
}

/// A heading's line without its `#` marks.
pub(super) fn heading_words(line: &str) -> &str {
    let inner = line.trim().trim_start_matches('#');
    if inner.len() == line.trim().len() || !(inner.is_empty() || inner.starts_with([' ', '\t'])) {
        return line.trim();
    }
    let inner = inner.trim();
    let unclosed = inner.trim_end_matches('#');
    if unclosed.is_empty() || unclosed.ends_with([' ', '\t']) { unclosed.trim_end() } else { inner }
}

/// The first line, if it reads like a title: short, alone, no sentence. A line that is the whole text is the text.
pub(super) fn short_first_line(text: &str) -> Option<String> {
    let mut lines = text.lines();
    let first = lines.next()?.trim();
    let alone = lines.next().is_some_and(|next| next.is_empty() || underline(next));
    let sentence = first.ends_with(['.', ',', ';', ':', '!', '?', '|', '。']);
    let short = first.chars().count() <= SHORT_LINE_CHARS && first.chars().any(char::is_alphanumeric);
    if alone && short && !sentence { title(first) } else { None }
}

/// `====` or `----`, as below a title.
fn underline(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3 && (line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-'))
}

/// The text after its title: a first line that says `title`, as a heading or plain, is left out with its underline.
pub(super) fn without_title<'a>(text: &'a str, title: &str) -> &'a str {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if one_line(heading_words(first)) != title && one_line(first) != title {
        return text;
    }
    let rest = match rest.split_once('\n') {
        Some((line, after)) if underline(line) => after,
        None if underline(rest) => "",
        _ => rest,
    };
    rest.trim_start_matches('\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_and_gaps_go() {
        let text = "\u{feff}\r\n a\0b\tc \r\nd\u{a0}e\u{1b}[1m\r\r\n\n\n\n\nf\u{ad}g\u{c}h\n\n";
        assert_eq!(clean(text), " ab\tc\nd e[1m\n\n\nfg\nh");
    }

    #[test]
    fn titles_are_one_line() {
        assert_eq!(title("# A  \n b ##"), Some("A b".into()));
        assert_eq!(title("C#"), Some("C#".into()));
        assert_eq!(title("#hashtag"), Some("#hashtag".into()));
        assert_eq!(title(" ## \n"), None);
        assert_eq!(title(&"word ".repeat(100)).unwrap().chars().count(), 199);
        assert_eq!(title(&"ß".repeat(300)).unwrap(), "ß".repeat(200));
    }

    #[test]
    fn a_title_at_the_start_is_not_doubled() {
        assert_eq!(without_title("# A b #\n\n\ntext", "A b"), "text");
        assert_eq!(without_title("A  b\n===\n\ntext", "A b"), "text");
        assert_eq!(without_title("A b c\ntext", "A b"), "A b c\ntext");
        assert_eq!(without_title("A b\n===", "A b"), "");
    }

    #[test]
    fn a_first_line_is_a_title_if_it_stands_alone_and_is_no_sentence() {
        assert_eq!(short_first_line("Drelpolford\n====\n\nIs a town."), Some("Drelpolford".into()));
        assert_eq!(short_first_line("Drelpolford is a town.\n\nIt"), None);
        assert_eq!(short_first_line("one line\nof two"), None);
        assert_eq!(short_first_line("The pier closes on Monday"), None);
        assert_eq!(short_first_line("---\n\nx"), None);
    }

    proptest! {
        #[test]
        fn clean_text_is_clean(text in "(\\PC|\\s|\\pC){0,80}") {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
            prop_assert!(!cleaned.contains("\n\n\n\n"));
            prop_assert!(!cleaned.starts_with('\n') && !cleaned.ends_with('\n'));
            prop_assert_eq!(clean(&cleaned), cleaned);
        }
    }
}
