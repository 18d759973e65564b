//! The lines of what a model wrote, without the marks of lists, emphasis and code, and what each line is.

/// A line with something in it.
pub(super) struct Line<'a> {
    /// As it was written, trimmed.
    pub(super) raw: &'a str,
    /// Without list marker and emphasis.
    pub(super) text: String,
    /// Whether it had a list marker.
    pub(super) listed: bool,
}

/// The lines that hold words: blank ones, code fences and rules are passed over. Linear in the text.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines()
        .map(str::trim)
        .filter(|raw| !raw.starts_with("```") && raw.contains(char::is_alphanumeric))
        .map(|raw| {
            let (listed, rest) = without_marker(raw);
            // Emphasis may stand around the marker (`**1. Name**`) or behind it (`1. **Name**`).
            let plain = without_emphasis(rest);
            let (again, text) = without_marker(&plain);
            Line { raw, listed: listed || again, text: text.to_string() }
        })
        .filter(|line| line.text.contains(char::is_alphanumeric))
        .collect()
}

/// Takes off `-`, `*`, `•`, `#`, `>`, `12.`, `12)`, `(12)` or `a)` and says whether it was there.
fn without_marker(line: &str) -> (bool, &str) {
    let rest = line.trim_start_matches(['#', '>']).trim_start();
    let bullet = rest.strip_prefix(['-', '*', '+', '•', '◦', '▪', '‣', '·', '–', '—']);
    if let Some(after) = bullet.filter(|after| after.starts_with(char::is_whitespace)) {
        return (true, after.trim_start());
    }
    let open = rest.strip_prefix('(');
    let body = open.unwrap_or(rest);
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    let letter = usize::from(body.starts_with(|c: char| c.is_ascii_lowercase()));
    let (number, after) = if digits > 0 { body.split_at(digits) } else { body.split_at(letter) };
    let close: &[char] = if open.is_some() || digits == 0 { &[')'] } else { &['.', ')'] };
    match after.strip_prefix(close) {
        Some(item)
            if (1..=3).contains(&number.len())
                && (item.is_empty() || item.starts_with(char::is_whitespace)) =>
        {
            (true, item.trim_start())
        }
        _ => (rest.len() < line.len(), rest),
    }
}

/// Takes out `*` and `_` that open or close a word, and back quotes; a product or a name with an underscore keeps its own.
fn without_emphasis(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if !matches!(c, '*' | '_' | '`') {
            kept.push(c);
            before = Some(c);
            continue;
        }
        let mut run = c.to_string();
        while let Some(next) = chars.next_if_eq(&c) {
            run.push(next);
        }
        let word = |side: Option<char>| side.is_some_and(char::is_alphanumeric);
        let space = |side: Option<char>| side.is_none_or(char::is_whitespace);
        let after = chars.peek().copied();
        let apart = (word(before) && word(after)) || (space(before) && space(after));
        if apart && c != '`' {
            kept.push_str(&run);
            before = Some(c);
        }
    }
    kept.trim().to_string()
}

/// Whether a line only announces what follows. `first`: no other line came before.
pub(super) fn introduces(line: &Line<'_>, first: bool) -> bool {
    let text = line.text.as_str();
    let chatty = [
        "sure",
        "certainly",
        "of course",
        "okay",
        "absolutely",
        "here is",
        "here are",
        "here's",
        "here’s",
        "below is",
        "below are",
    ];
    let opens =
        |word: &str| starts_with(text, word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
    text.ends_with([':', '：']) || (first && !line.listed && chatty.into_iter().any(opens))
}

/// Whether a line is a heading in Markdown.
pub(super) fn is_heading(line: &Line<'_>) -> bool {
    line.raw.starts_with('#')
}

/// Whether a line speaks to the reader instead of about the passage.
pub(super) fn takes_leave(line: &Line<'_>) -> bool {
    let said = [
        "i hope this helps",
        "i hope these",
        "hope this helps",
        "let me know",
        "please let me know",
        "feel free to",
        "if you have any",
        "if you need",
        "if you would like",
        "if you'd like",
        "is there anything else",
        "would you like",
    ];
    said.into_iter().any(|words| starts_with(&line.text, words).is_some())
}

/// Whether a line heads a list of sources, which models make up.
pub(super) fn heads_sources(line: &Line<'_>) -> bool {
    let name = line.text.trim_end_matches(':');
    ["sources", "references", "bibliography", "citations"]
        .into_iter()
        .any(|word| name.eq_ignore_ascii_case(word))
}

/// What follows a label such as `Question 3:`, `Q3.`, `Answer:`; none if the line does not begin with one of `words`. One
/// letter alone needs its colon: `A. Smith` is a name.
pub(super) fn after_label<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    words.iter().find_map(|word| {
        let rest = starts_with(text, word)?;
        let spaced = rest.trim_start_matches([' ', '#']);
        let number = spaced.bytes().take_while(u8::is_ascii_digit).count();
        let rest = if number > 0 { spaced[number..].trim_start() } else { rest.trim_start() };
        let ends: &[char] = if number > 0 { &[':', '.', ')', '-', '：'] } else { &[':', '：'] };
        rest.strip_prefix(ends).map(str::trim)
    })
}

/// What follows a beginning, letters of ASCII compared without case.
pub(super) fn starts_with<'a>(text: &'a str, beginning: &str) -> Option<&'a str> {
    let head = text.get(..beginning.len())?;
    head.eq_ignore_ascii_case(beginning).then(|| &text[beginning.len()..])
}
