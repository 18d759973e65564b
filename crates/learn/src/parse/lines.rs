//! The lines of what a model wrote, without the marks of lists, emphasis and code.

use super::{fences, tables};

/// What a line is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// Words.
    Prose,
    /// A heading in Markdown.
    Heading,
    /// Between the fences of code; its text is as it was written.
    Code,
    /// The head of a table: its cells.
    TableHead(Vec<String>),
    /// Another row of a table.
    TableRow(Vec<String>),
}

/// A line with something in it.
#[derive(Debug, Clone)]
pub(super) struct Line<'a> {
    /// As it was written, trimmed.
    pub(super) raw: &'a str,
    /// Without list marker and emphasis.
    pub(super) text: String,
    /// What it is.
    pub(super) form: Form,
    /// Whether it had a list marker.
    pub(super) listed: bool,
    /// The number of that marker.
    pub(super) number: Option<usize>,
    /// Its letter, in capitals: `a)`.
    pub(super) letter: Option<char>,
    /// Columns before it; a tab counts as four.
    pub(super) indent: usize,
    /// Whether a blank line stands before it.
    pub(super) apart: bool,
}

impl Line<'_> {
    /// Whether it is an item below `head`: further in, or a bullet under a number.
    pub(super) fn below(&self, head: &Line<'_>) -> bool {
        self.listed
            && (self.indent > head.indent + 1
                || (head.number.is_some()
                    && self.number.is_none()
                    && self.letter.is_none()
                    && self.indent >= head.indent))
    }
}

/// The lines that hold words: blank ones, fences and rules are passed over. Linear in the text.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let written = fences::unfenced(text);
    let mut found = Vec::new();
    let (mut apart, mut in_table) = (false, false);
    for (index, &(line, code)) in written.iter().enumerate() {
        let next = written.get(index + 1).map(|next| next.0);
        in_table = !code && tables::is_row(line, next, in_table);
        let heads_table = in_table && next.is_some_and(tables::is_rule);
        if line.trim().is_empty() {
            apart = true;
            continue;
        }
        let read = if code {
            coded(line)
        } else if in_table {
            tabled(line, heads_table)
        } else {
            prose(line)
        };
        if let Some(mut line) = read {
            line.apart = std::mem::take(&mut apart);
            found.push(line);
        }
    }
    found
}

/// One line by itself.
pub(super) fn prose(line: &str) -> Option<Line<'_>> {
    let raw = line.trim();
    let (first, rest) = marker(raw);
    // Emphasis may stand around the marker (`**1. Name**`) or behind it (`1. **Name**`).
    let plain = without_emphasis(rest);
    let (second, text) =
        if first.letter.is_some() { (Marker::default(), plain.as_str()) } else { marker(&plain) };
    let form = if raw.starts_with('#') { Form::Heading } else { Form::Prose };
    text.contains(is_word).then(|| Line {
        raw,
        text: text.to_string(),
        form,
        listed: first.listed || second.listed,
        number: second.number.or(first.number),
        letter: second.letter.or(first.letter),
        indent: indent(line),
        apart: false,
    })
}

fn coded(line: &str) -> Option<Line<'_>> {
    let text = line.trim_end().to_string();
    Some(plain(line, text, Form::Code)).filter(|line| line.raw.contains(char::is_alphanumeric))
}

fn tabled(line: &str, head: bool) -> Option<Line<'_>> {
    let cells = tables::cells(line);
    let text = tables::in_words(&cells);
    let form = if head { Form::TableHead(cells) } else { Form::TableRow(cells) };
    Some(plain(line, text, form)).filter(|line| line.text.contains(is_word))
}

fn plain(line: &str, text: String, form: Form) -> Line<'_> {
    let raw = line.trim();
    Line { raw, text, form, listed: false, number: None, letter: None, indent: indent(line), apart: false }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric()
}

fn indent(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

#[derive(Default)]
struct Marker {
    listed: bool,
    number: Option<usize>,
    letter: Option<char>,
}

/// Takes off `-`, `*`, `•`, `#`, `>`, `12.`, `12)`, `(12)`, `1、` or `a)` and says what was there.
fn marker(line: &str) -> (Marker, &str) {
    let rest = line.trim_start_matches(['#', '>']).trim_start();
    let bullets: &[char] = &[
        '-', '*', '+', '•', '◦', '▪', '‣', '·', '–', '—', '●', '○', '■', '□', '➢', '➤', '►', '▶', '⁃', '・',
    ];
    let bullet = rest.strip_prefix(bullets);
    if let Some(after) = bullet.filter(|after| after.starts_with(char::is_whitespace)) {
        let after = after.trim_start();
        let boxed = ["[ ] ", "[x] ", "[X] "].into_iter().find_map(|mark| after.strip_prefix(mark));
        return (Marker { listed: true, ..Marker::default() }, boxed.unwrap_or(after));
    }
    let open = rest.strip_prefix(['(', '（']);
    let body = open.unwrap_or(rest);
    let digits = leading_digits(body);
    let letter = body.chars().next().filter(char::is_ascii_lowercase);
    let length = if digits.is_empty() { usize::from(letter.is_some()) } else { digits.len() };
    let after = &body[length..];
    let close: &[char] = match (open.is_some(), digits.is_empty()) {
        (true, _) => &[')', '）'],
        (false, true) => &[')'],
        (false, false) => &['.', ')', '）', '．', '、'],
    };
    match after.strip_prefix(close) {
        Some(item) if length > 0 && digits.chars().count() <= 3 && begins_item(after, item) => {
            let letter = letter.filter(|_| digits.is_empty()).map(|letter| letter.to_ascii_uppercase());
            (Marker { listed: true, number: number(digits), letter }, item.trim_start())
        }
        _ => (Marker { listed: rest.len() < line.len(), ..Marker::default() }, rest),
    }
}

/// Whether what follows a number's stop is an item: white space, the end, or a script that puts no space there.
fn begins_item(stop: &str, item: &str) -> bool {
    let wide = !stop.starts_with(['.', ')']);
    item.is_empty()
        || item.starts_with(|c: char| c.is_whitespace() || ideographic(c) || (wide && c.is_alphanumeric()))
}

/// Whether a sign belongs to a script without spaces between words: Chinese, Japanese.
pub(crate) fn ideographic(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

/// The digits, plain or full-width, at the beginning.
pub(super) fn leading_digits(text: &str) -> &str {
    let end = text.find(|c: char| digit(c).is_none()).unwrap_or(text.len());
    &text[..end]
}

/// What digits say; none if there are none, or more than four.
pub(super) fn number(digits: &str) -> Option<usize> {
    let read = |sum: usize, c: char| digit(c).map(|digit| sum * 10 + digit);
    (1..=4).contains(&digits.chars().count()).then(|| digits.chars().try_fold(0, read))?
}

fn digit(c: char) -> Option<usize> {
    match c {
        '0'..='9' => Some(c as usize - '0' as usize),
        '０'..='９' => Some(c as usize - '０' as usize),
        _ => None,
    }
}

/// Takes out `*` and `_` that open or close a word, and back quotes; a product or a name with an underscore keeps its
/// own, and so does a blank to fill in (`____`).
pub(super) fn without_emphasis(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(mut c) = chars.next() {
        if c == '\\'
            && let Some(escaped) = chars.next_if(|next| matches!(next, '*' | '_' | '|'))
        {
            if escaped != '_' {
                kept.push(escaped);
                before = Some(escaped);
                continue;
            }
            c = escaped;
        }
        if !matches!(c, '*' | '_' | '`') {
            kept.push(c);
            before = Some(c);
            continue;
        }
        let mut run = c.to_string();
        loop {
            if chars.next_if_eq(&c).is_none() && !next_escaped(&mut chars, c) {
                break;
            }
            run.push(c);
        }
        let word = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
        let space = |side: Option<char>| side.is_none_or(char::is_whitespace);
        let after = chars.peek().copied();
        let apart = (word(before) && word(after)) || (space(before) && space(after));
        let blank = c == '_' && run.len() >= BLANK;
        if (apart && c != '`') || blank {
            kept.push_str(&run);
            before = Some(c);
        }
    }
    kept.trim().to_string()
}

/// Underscores that are a blank to fill in, at least.
pub(super) const BLANK: usize = 3;

/// Takes `\_` if `c` is the underscore.
fn next_escaped(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, c: char) -> bool {
    let mut ahead = chars.clone();
    let escaped = c == '_' && ahead.next() == Some('\\') && ahead.next() == Some('_');
    if escaped {
        *chars = ahead;
    }
    escaped
}

/// What follows a beginning, letters of ASCII compared without case.
pub(super) fn starts_with<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let head = text.get(..beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then(|| &text[beginning.len()..])
}
