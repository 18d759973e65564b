//! Takes out what a thinking model wrote to itself.

use std::borrow::Cow;

/// What opens and closes thoughts: Qwen3, DeepSeek and their kin; tags that others were taught; Magistral.
const TAGS: &[(&str, &str)] = &[
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[think]", "[/think]"),
];

/// A text without the thoughts in it. An opening tag counts at the beginning of a line, so that a text about such tags
/// keeps them. Thoughts that nothing closes go on to the end: the tokens ran out. Those that nothing opened began before
/// the text, as with templates that open them: all before the first closing tag goes. Linear in the text.
pub fn without_thinking(text: &str) -> Cow<'_, str> {
    let mut kept: Vec<&str> = Vec::new();
    let (mut from, mut thinking, mut any) = (0, None, false);
    for (at, c) in text.char_indices().filter(|(_, c)| matches!(c, '<' | '[')) {
        debug_assert!(c.is_ascii());
        if at < from {
            continue;
        }
        let rest = &text[at..];
        let tag = |side: fn(&(&'static str, &'static str)) -> &'static str| {
            TAGS.iter().position(|pair| super::lines::starts_with(rest, side(pair)).is_some())
        };
        match (thinking, tag(|pair| pair.0), tag(|pair| pair.1)) {
            (None, Some(opened), _) if begins_line(text, at) => {
                kept.push(&text[from..at]);
                (thinking, any) = (Some(opened), true);
            }
            (Some(opened), _, Some(closed)) if opened == closed => {
                (from, thinking) = (at + TAGS[closed].1.len(), None);
            }
            (None, _, Some(closed))
                if begins_line(text, at) || ends_line(text, at + TAGS[closed].1.len()) =>
            {
                if any {
                    kept.push(&text[from..at]); // One too many.
                }
                (from, any) = (at + TAGS[closed].1.len(), true);
            }
            _ => {}
        }
    }
    if !any {
        return Cow::Borrowed(text);
    }
    if thinking.is_none() {
        kept.push(&text[from..]);
    }
    kept.retain(|part| !part.trim().is_empty());
    match kept.as_slice() {
        [] => Cow::Borrowed(""),
        [only] => Cow::Borrowed(only.trim()),
        parts => Cow::Owned(parts.iter().map(|part| part.trim()).collect::<Vec<_>>().join("\n")),
    }
}

/// Looks back over blanks alone; a text of nothing but blanks and tags is still read once, since each tag ends the
/// blanks.
fn begins_line(text: &str, at: usize) -> bool {
    let before = text[..at].trim_end_matches([' ', '\t', '\r']);
    before.is_empty() || before.ends_with('\n')
}

fn ends_line(text: &str, at: usize) -> bool {
    let after = text[at..].trim_start_matches([' ', '\t', '\r']);
    after.is_empty() || after.starts_with('\n')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn thoughts_are_taken_out() {
        for (text, kept) in [
            ("No thoughts.\n", "No thoughts.\n"),
            ("<think>\nOkay, the user wants a list.\n</think>\n\nOtrar fell.", "Otrar fell."),
            ("<think>\n\n</think>\n\nOtrar fell.\n", "Otrar fell."),
            ("<THINK>a</THINK> Otrar fell.", "Otrar fell."),
            ("[THINK]a[/THINK]Otrar fell.", "Otrar fell."),
            ("Otrar fell.\n<think>\nShall I go on? The Shah", "Otrar fell."),
            ("One.\n<thinking>two</thinking>\nThree.", "One.\nThree."),
            ("Okay, the user wants a list.\n</think>\n\nOtrar fell.", "Otrar fell."),
            ("<think>a</think>\nOtrar fell.\n</think>\nThe Shah fled.", "Otrar fell.\nThe Shah fled."),
            ("<think>never closed", ""),
            ("Qwen3 writes <think> before it answers and </think> behind.", ""),
        ] {
            let kept = if text.starts_with("Qwen3") { text } else { kept };
            assert_eq!(without_thinking(text), kept, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(parts in prop::collection::vec(prop_oneof!["\\PC{0,4}", "(\n| |</?think>|\\[/?THINK\\])"], 0..30)) {
            let text = parts.concat();
            prop_assert!(without_thinking(&text).len() <= text.len());
        }
    }
}
