//! Plain text and Markdown: read as they are.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::Limits;
use super::encoding::decode;
use super::extract::Draft;
use seald_core::error::Result;

/// Longest block of metadata before a Markdown text, bytes.
const FRONT_MATTER_BYTES: usize = 16 * 1024;

/// Reads plain text. Its title is a short first line.
pub(super) fn read_text(bytes: &[u8], _: &Limits) -> Result<Draft> {
    Ok(Draft { title: None, text: decode(bytes)? })
}

/// Reads Markdown. Its title is the first heading of the first level, or the `title:` of its front matter (which is not
/// part of the text), or the first heading.
pub(super) fn read_markdown(bytes: &[u8], _: &Limits) -> Result<Draft> {
    let text = super::clean::clean(&decode(bytes)?);
    let (front, body) = front_matter(&text);
    let named = front.lines().find_map(|line| line.strip_prefix("title:"));
    let named = named.map(|t| t.trim().trim_matches(['"', '\'']).to_string()).filter(|t| !t.is_empty());
    let (first, top) = headings(body);
    Ok(Draft { title: top.or(named).or(first), text: body.to_string() })
}

/// YAML between two lines `---`, and what follows.
fn front_matter(text: &str) -> (&str, &str) {
    let Some(rest) = text.strip_prefix("---\n") else { return ("", text) };
    match rest.find("\n---\n") {
        Some(end) if end <= FRONT_MATTER_BYTES && rest[..end].contains(':') => {
            (&rest[..end], &rest[end + "\n---\n".len()..])
        }
        _ => ("", text),
    }
}

/// The first heading, and the first of the first level.
fn headings(text: &str) -> (Option<String>, Option<String>) {
    let (mut first, mut open) = (None, None);
    for event in Parser::new_ext(text, Options::empty()) {
        match (event, &mut open) {
            (Event::Start(Tag::Heading { level, .. }), _) => open = Some((level, String::new())),
            (Event::End(TagEnd::Heading(_)), Some((level, words))) => {
                let words = std::mem::take(words);
                if *level == HeadingLevel::H1 && !words.trim().is_empty() {
                    return (first.or(Some(words.clone())), Some(words));
                }
                first = first.or(Some(words).filter(|w| !w.trim().is_empty()));
                open = None;
            }
            (Event::Text(more) | Event::Code(more), Some((_, words))) => words.push_str(&more),
            (Event::SoftBreak | Event::HardBreak, Some((_, words))) => words.push(' '),
            _ => {}
        }
    }
    (first, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(text: &str) -> Draft {
        read_markdown(text.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_title_is_the_first_heading_and_no_comment_in_code() {
        let of = |text: &str| markdown(text).title;
        assert_eq!(of("```\n# no\n```\n\n## b\n\n# A `c` *d*\n"), Some("A c d".into()));
        assert_eq!(of("Town\n====\n\ntext"), Some("Town".into()));
        assert_eq!(of("text\n\n## Only this\n"), Some("Only this".into()));
        assert_eq!(of("text"), None);
    }

    #[test]
    fn front_matter_gives_the_title_and_goes() {
        let draft = markdown("---\ntags: x\ntitle: \"A: b\"\n---\n\n## c\n\ntext");
        assert_eq!((draft.title.as_deref(), draft.text.trim()), (Some("A: b"), "## c\n\ntext"));
        let rule = "---\nno metadata\n---\ntext";
        assert_eq!(markdown(rule).text, rule);
    }
}
