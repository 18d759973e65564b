//! A scanner for Rust text: blanks what is not code, and finds paths in the rest.
//!
//! It does not parse Rust: block comments are taken as not nested, a raw string as having two `#` at most.

use std::sync::LazyLock;

use regex::Regex;

/// `a::b` -> a; `{a::b, c::{d, e}}` -> a, c; `*` -> `*`.
pub(crate) fn first_segments(tree: &str) -> Vec<String> {
    static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*(?:r#)?(\w+|\*)").unwrap());
    let name = |text: &str| NAME.captures(text).map(|c| c[1].to_string());
    if !tree.starts_with('{') {
        return name(tree).into_iter().collect();
    }
    let inside = &tree[1..block_end(tree, 0) - 1];
    let mut depth = 0;
    let parts = inside.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts.filter_map(name).collect()
}

/// Blanks comments and literals, keeping every line where it is.
pub(crate) fn code_only(source: &str) -> String {
    static OTHER: LazyLock<Regex> = LazyLock::new(|| {
        let parts = [
            r"//[^\n]*",
            r"/\*(?s:.*?)\*/",
            r###"\b(?:b|c)?r"[^"]*""###,
            r###"\b(?:b|c)?r#"(?s:.*?)"#"###,
            r###"\b(?:b|c)?r##"(?s:.*?)"##"###,
            r###""(?s:\\.|[^"\\])*""###,
            r"'(?:\\.[^']*|[^'\\])'",
        ];
        Regex::new(&parts.join("|")).unwrap()
    });
    OTHER.replace_all(source, |c: &regex::Captures<'_>| blank(&c[0])).into_owned()
}

/// Blanks every item marked `#[cfg(test)]` or `#[cfg(all(test, ...))]`.
pub(crate) fn without_tests(code: &str) -> String {
    static MARK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"#\[cfg\((?:all\()?\s*test\b[^\]]*\]").unwrap());
    let (mut out, mut at) = (String::new(), 0);
    while let Some(mark) = MARK.find_at(code, at) {
        let end = item_end(code, mark.end());
        out += &code[at..mark.start()];
        out += &blank(&code[mark.start()..end]);
        at = end;
    }
    out + &code[at..]
}

fn blank(text: &str) -> String {
    text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect()
}

pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The end of the item that begins at `from`: behind its `;` or its block, whichever comes first.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b';' if depth == 0 => return at + 1,
            b'{' if depth == 0 => return block_end(code, at),
            _ => {}
        }
    }
    code.len()
}

/// The position behind the brace that closes the one at `open`.
pub(crate) fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        depth += i32::from(byte == b'{') - i32::from(byte == b'}');
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}
