//! Which answers are parts of an example of use, not of what a text says: a line of code to be copied, a placeholder. Whoever knows the document need not know them.

use super::spans::Span;

/// Parts of words that stand where a reader puts their own.
const PLACEHOLDERS: &[&str] = &["path/to", "/path/", "example.com", "example.org", "your-", "your_"];

/// Whether a span of a passage stands in a block of code, behind a prompt (`$ `), or in a placeholder (`<file>`, `/path/to/scans`).
pub(crate) fn is_usage(passage: &str, span: &Span) -> bool {
    let (before, rest) = passage.split_at(span.range.start);
    let line = before.rsplit('\n').next().unwrap_or_default();
    fenced(before) || line.trim_start().starts_with("$ ") || placeholder(before, rest, span.range.len())
}

/// Whether a block of code begins before and does not end.
fn fenced(before: &str) -> bool {
    let mut open: Option<&str> = None;
    for line in before.lines().map(str::trim_start) {
        let fence = ["```", "~~~"].into_iter().find(|fence| line.starts_with(fence));
        open = match (open, fence) {
            (None, fence) => fence,
            (Some(begun), Some(fence)) if begun == fence => None,
            (begun, _) => begun,
        };
    }
    open.is_some()
}

/// Whether what stands between the blanks around a span is a placeholder. The span begins where `rest` does.
fn placeholder(before: &str, rest: &str, length: usize) -> bool {
    let begin = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let end = rest[length..].split(char::is_whitespace).next().unwrap_or_default();
    let angled = before.rfind('<').is_some_and(|at| !before[at..].contains(['>', '\n']))
        && rest.find(['>', '\n']).is_some_and(|at| rest[at..].starts_with('>'));
    let whole = format!("{begin}{}{end}", &rest[..length]).to_lowercase();
    angled || PLACEHOLDERS.iter().any(|known| whole.contains(known))
}

#[cfg(test)]
mod tests {
    use super::super::{answers, spans};
    use super::*;

    #[test]
    fn examples_of_use_are_no_answers_beside_others() {
        let passage = "tidyscan was written by Mara Lunde in 1988. It keeps 30 days of logs in notes.db.\n```sh\ntidyscan --fast scans/in_2019\n```\n\
                       Give it <input_file> or /path/to/scans.\n$ tidyscan --quiet=3\nIt runs on two cores, and Jonas Breuer sells it with ten licences in Port Ellis.";
        let usage = |text: &str| {
            let span = spans(passage).into_iter().find(|span| span.text.contains(text));
            is_usage(passage, &span.unwrap_or_else(|| panic!("{text} is no span: {:?}", spans(passage))))
        };
        for text in ["in_2019", "input_file", "path/to", "quiet"] {
            assert!(usage(text), "{text}");
        }
        for text in ["Mara Lunde", "30 days", "notes.db", "Port Ellis"] {
            assert!(!usage(text), "{text}");
        }
        let taken = answers("tidyscan", passage, 40);
        assert!(taken.len() > 5 && !taken.iter().any(|span| is_usage(passage, span)), "{taken:?}");
        let alone = "```\ntidyscan --fast scans/in_2019\n```\n";
        assert!(!answers("tidyscan", alone, 40).is_empty(), "where there is nothing else they do");
    }
}
