//! The blocks of a document with layout (HTML, DOCX, PDF) and how they are written as text.

use super::clean::one_line;

/// A piece of a document that stands apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// A heading of level 1 to 6.
    Heading(usize, String),
    /// A paragraph; its line ends are meant.
    Paragraph(String),
    /// An entry of a list, so many lists deep, from 0.
    Item(usize, String),
    /// A row of a table.
    Row(Vec<String>),
    /// Text whose layout is meant.
    Preformatted(String),
}

impl Block {
    /// Whether it says nothing.
    fn is_empty(&self) -> bool {
        match self {
            Self::Heading(_, text) | Self::Paragraph(text) | Self::Item(_, text) => text.trim().is_empty(),
            Self::Preformatted(text) => text.trim().is_empty(),
            Self::Row(cells) => cells.iter().all(|cell| cell.trim().is_empty()),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Heading(level, text) => {
                out.push_str(&"#".repeat((*level).clamp(1, 6)));
                out.push(' ');
                out.push_str(&one_line(text));
            }
            Self::Paragraph(text) => {
                let lines: Vec<String> = text.lines().map(one_line).collect();
                out.push_str(lines.join("\n").trim_matches('\n'));
            }
            Self::Item(depth, text) => {
                out.push_str(&"  ".repeat(*depth));
                out.push_str("- ");
                out.push_str(&one_line(text));
            }
            Self::Row(cells) => {
                let cells: Vec<String> = cells.iter().map(|cell| one_line(cell)).collect();
                out.push_str(&format!("| {} |", cells.join(" | ")));
            }
            Self::Preformatted(text) => out.push_str(text.trim_matches(['\n', '\r'])),
        }
    }

    /// Whether `next` belongs on the line after this, without a blank line: so no passage is cut between them.
    fn holds(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Heading(..), _) => true,
            (Self::Item(..), Self::Item(..)) | (Self::Row(_), Self::Row(_)) => true,
            (Self::Paragraph(text), Self::Item(..) | Self::Row(_)) => text.trim_end().ends_with(':'),
            _ => false,
        }
    }
}

/// The blocks as text: a heading stays with what follows it, lists and tables with themselves, the rest stands between
/// blank lines.
pub(super) fn render(blocks: &[Block]) -> String {
    let mut out = String::new();
    let mut before: Option<&Block> = None;
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        if let Some(before) = before {
            out.push_str(if before.holds(block) { "\n" } else { "\n\n" });
        }
        block.write(&mut out);
        before = Some(block);
    }
    out
}

/// The first heading of the highest level there is, where one stands.
pub(super) fn first_heading(blocks: &[Block]) -> Option<String> {
    let headings = blocks.iter().filter_map(|block| match block {
        Block::Heading(level, text) if !text.trim().is_empty() => Some((*level, text)),
        _ => None,
    });
    headings.min_by_key(|(level, _)| *level).map(|(_, text)| text.clone())
}
