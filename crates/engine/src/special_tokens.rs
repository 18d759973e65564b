//! Special tokens in text: finds them, and keeps those that stand in data apart from those that a template wrote.
//!
//! A chat template is text in, text out, so a message that contains `<|im_end|>` would end its own turn. Before
//! rendering, [`SpecialTokens::guard`] puts a character that occurs nowhere else in front of every special token
//! in a message; after rendering, [`SpecialTokens::unguard`] takes these characters out and reports only the
//! special tokens without one: the template's own.

use std::ops::Range;

use regex::Regex;

use seald_core::error::{Error, Kind, Result};

/// A special token of a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialToken {
    /// Its text, `<|im_end|>`; never empty.
    pub content: String,
    /// Its id.
    pub id: u32,
    /// Swallows the white space before it.
    pub lstrip: bool,
    /// Swallows the white space after it.
    pub rstrip: bool,
}

/// A place in a text that stands for one special token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialSpan {
    /// The bytes it covers.
    pub range: Range<usize>,
    /// The token.
    pub id: u32,
}

/// A rendered chat after [`SpecialTokens::unguard`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unguarded {
    /// The text without guards.
    pub text: String,
    /// The special tokens that the template wrote, in order, as places in `text`.
    pub specials: Vec<SpecialSpan>,
}

/// All special tokens of a tokenizer, with a matcher over them.
#[derive(Debug, Clone)]
pub struct SpecialTokens {
    tokens: Vec<SpecialToken>,
    /// Their ids in rising order.
    ids: Vec<u32>,
    /// An alternation, the longest first, group by group; `None` if there are no special tokens.
    matcher: Option<Regex>,
}

impl SpecialTokens {
    /// A set of special tokens; those with empty text are left out.
    pub fn new(mut tokens: Vec<SpecialToken>) -> Result<Self> {
        tokens.retain(|t| !t.content.is_empty());
        tokens.sort_by(|a, b| b.content.len().cmp(&a.content.len()).then_with(|| a.id.cmp(&b.id)));
        let pattern = tokens.iter().map(|t| regex::escape(&t.content)).collect::<Vec<_>>().join("|");
        let matcher = match tokens.is_empty() {
            true => None,
            false => Some(Regex::new(&pattern).map_err(|e| {
                Error::new(Kind::Unsupported, "tokenizer.json: cannot search for its special tokens")
                    .with_source(e)
            })?),
        };
        let mut ids: Vec<u32> = tokens.iter().map(|t| t.id).collect();
        ids.sort_unstable();
        Ok(Self { tokens, ids, matcher })
    }

    /// The tokens, the longest first.
    pub fn tokens(&self) -> &[SpecialToken] {
        &self.tokens
    }

    /// Whether `id` is a special token.
    pub fn contains(&self, id: u32) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// The special tokens in `text`, leftmost and longest first, without overlaps.
    pub fn find(&self, text: &str) -> Vec<SpecialSpan> {
        self.find_unguarded(text, None)
    }

    /// Where in `text` a special token begins, overlapping ones included.
    pub fn starts(&self, text: &str) -> Vec<usize> {
        let Some(matcher) = &self.matcher else { return Vec::new() };
        let mut starts = Vec::new();
        let mut from = 0;
        while let Some(hit) = matcher.find_at(text, from) {
            starts.push(hit.start());
            from = next_char(text, hit.start());
        }
        starts
    }

    /// `content` with `guard` before every special token in it, and before an end of `content` (white space after
    /// it aside) that could become one together with the text that a template puts behind it.
    ///
    /// Text in which nothing looks like a special token comes back as it is.
    pub fn guard(&self, content: &str, guard: char) -> String {
        let mut starts = self.starts(content);
        let trimmed = content.trim_end();
        let longest = self.tokens.first().map_or(0, |t| t.content.len());
        let unfinished = trimmed
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| trimmed.len() - at < longest)
            .filter(|&at| self.tokens.iter().any(|t| t.content.starts_with(&trimmed[at..])));
        starts.extend(unfinished);
        starts.sort_unstable();
        starts.dedup();
        let mut guarded = String::with_capacity(content.len() + 4 * starts.len());
        let mut done = 0;
        for start in starts {
            guarded.push_str(&content[done..start]);
            guarded.push(guard);
            done = start;
        }
        guarded.push_str(&content[done..]);
        guarded
    }

    /// Takes every `guard` out of a rendered text and finds the special tokens that had none.
    pub fn unguard(&self, rendered: &str, guard: char) -> Unguarded {
        let width = guard.len_utf8();
        let mut guards_before = 0;
        let mut guards = rendered.match_indices(guard).map(|(at, _)| at).peekable();
        let mut plain_offset = |at: usize| {
            while guards.next_if(|&g| g < at).is_some() {
                guards_before += 1;
            }
            at - guards_before * width
        };
        let mut specials = self.find_unguarded(rendered, Some(guard));
        for span in &mut specials {
            span.range = plain_offset(span.range.start)..plain_offset(span.range.end);
        }
        Unguarded { text: rendered.replace(guard, ""), specials }
    }

    fn find_unguarded(&self, text: &str, guard: Option<char>) -> Vec<SpecialSpan> {
        let Some(matcher) = &self.matcher else { return Vec::new() };
        let mut spans: Vec<SpecialSpan> = Vec::new();
        let mut from = 0;
        while let Some(hit) = matcher.find_at(text, from) {
            if guard.is_some_and(|g| text[..hit.start()].ends_with(g)) {
                from = next_char(text, hit.start());
                continue;
            }
            from = hit.end();
            // The alternation matched one of them: the search always succeeds.
            let Some(token) = self.tokens.iter().find(|t| t.content == hit.as_str()) else { continue };
            let floor = spans.last().map_or(0, |s| s.range.end);
            let mut range = hit.range();
            if token.lstrip {
                range.start = floor + text[floor..range.start].trim_end().len();
            }
            if token.rstrip {
                range.end = text.len() - text[range.end..].trim_start().len();
                from = range.end;
            }
            spans.push(SpecialSpan { range, id: token.id });
        }
        spans
    }
}

/// A character that occurs in none of `texts`, from the private use planes.
pub fn unused_char<'a>(texts: impl IntoIterator<Item = &'a str> + Clone) -> Result<char> {
    ('\u{F0000}'..='\u{FFFFD}').find(|c| texts.clone().into_iter().all(|t| !t.contains(*c))).ok_or_else(
        || Error::new(Kind::Invalid, "the messages use every private-use character of plane 15: remove some"),
    )
}

fn next_char(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(contents: &[&str]) -> SpecialTokens {
        let one = |(id, content): (usize, &&str)| SpecialToken {
            content: content.to_string(),
            id: id as u32,
            lstrip: false,
            rstrip: false,
        };
        SpecialTokens::new(contents.iter().enumerate().map(one).collect()).unwrap()
    }

    #[test]
    fn the_longest_token_wins_and_overlaps_are_guarded_too() {
        let set = tokens(&["<s>", "<<s>>", "|"]);
        assert_eq!(set.find("a<<s>>|").iter().map(|s| s.id).collect::<Vec<_>>(), [1, 2]);
        let guarded = set.guard("a<<s>>|", '#');
        assert_eq!(guarded, "a#<#<s>>#|");
        let back = set.unguard(&format!("<s>{guarded}<s>"), '#');
        assert_eq!(back.text, "<s>a<<s>>|<s>");
        assert_eq!(back.specials.iter().map(|s| s.range.clone()).collect::<Vec<_>>(), [0..3, 10..13]);
    }

    #[test]
    fn an_unfinished_token_at_the_end_cannot_be_finished_by_the_template() {
        let set = tokens(&["<|im_end|>"]);
        let rendered = format!("{}|im_end|>", set.guard("x <", '#'));
        assert!(set.unguard(&rendered, '#').specials.is_empty());
        assert_eq!(set.guard("x <|im_ \n", '#'), "x #<|im_ \n");
    }

    #[test]
    fn stripping_tokens_swallow_white_space() {
        let mut token = SpecialToken { content: "<m>".into(), id: 5, lstrip: true, rstrip: false };
        let left = SpecialTokens::new(vec![token.clone()]).unwrap().find("a \n<m> b");
        assert_eq!(left[0].range, 1..6);
        (token.lstrip, token.rstrip) = (false, true);
        let right = SpecialTokens::new(vec![token]).unwrap().find("a <m> <m>");
        assert_eq!(right.iter().map(|s| s.range.clone()).collect::<Vec<_>>(), [2..6, 6..9]);
    }

    #[test]
    fn the_guard_is_a_character_nobody_uses() {
        assert_eq!(unused_char(["a", "\u{F0000}"]).unwrap(), '\u{F0001}');
    }
}
