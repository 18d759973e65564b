//! DOCX: paragraphs, headings, lists and tables of the document's body, as they stand after its recorded changes.

use std::collections::HashMap;

use quick_xml::events::BytesStart;

use super::Limits;
use super::blocks::{Block, first_heading, render};
use super::extract::Draft;
use super::ooxml::{Archive, Node, attribute, each_node};
use seald_core::error::{Error, Kind, Result};

/// Elements whose text is not the document's: deletions, field codes, the second copy of drawings, properties.
const UNSEEN: &[&str] =
    &["del", "moveFrom", "instrText", "delText", "Fallback", "sectPr", "tblPr", "trPr", "tcPr"];

/// Reads a document. Its title is the first heading of the highest level, or the one in its properties.
pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<Draft> {
    let mut archive = Archive::open(bytes, limits)?;
    let levels = match archive.part("word/styles.xml")? {
        Some(styles) => heading_levels(&styles)?,
        None => HashMap::new(),
    };
    let Some(document) = archive.part("word/document.xml")? else {
        return Err(Error::new(Kind::Corrupt, "has no word/document.xml: save it again from an editor"));
    };
    let mut body = Body { levels, ..Body::default() };
    each_node(&document, |node| body.take(node))?;
    let title = match (first_heading(&body.blocks), archive.part("docProps/core.xml")?) {
        (Some(title), _) => Some(title),
        (None, Some(properties)) => property_title(&properties)?,
        (None, None) => None,
    };
    Ok(Draft { title, text: render(&body.blocks) })
}

/// The styles that are headings, with their levels, 1 to 6; the style for titles counts as level 1.
fn heading_levels(styles: &str) -> Result<HashMap<String, usize>> {
    let mut levels = HashMap::new();
    let mut style = String::new();
    each_node(styles, |node| {
        let Node::Begin(name, start) = node else { return };
        let value = || attribute(start, "val").unwrap_or_default();
        match name {
            "style" => style = attribute(start, "styleId").unwrap_or_default(),
            // Style ids are in the user's language, the names of built-in styles are not.
            "name" => {
                if let Some(level) = named_level(&value()) {
                    levels.insert(style.clone(), level);
                }
            }
            "outlineLvl" => {
                if let Some(level) = value().parse().ok().filter(|level: &usize| *level < 6) {
                    levels.entry(style.clone()).or_insert(level + 1);
                }
            }
            _ => {}
        }
    })?;
    Ok(levels)
}

/// `heading 2`, `Heading2`, `Title`.
fn named_level(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    match name.strip_prefix("heading") {
        Some(level) => {
            level.trim().parse().ok().filter(|level| (1..=9).contains(level)).map(|l: usize| l.min(6))
        }
        None => (name == "title").then_some(1),
    }
}

fn property_title(properties: &str) -> Result<Option<String>> {
    let (mut inside, mut title) = (false, String::new());
    each_node(properties, |node| match node {
        Node::Begin(name, _) => inside = name == "title",
        Node::Text(text) if inside => title.push_str(text),
        Node::Text(_) => {}
        Node::End(_) => inside = false,
    })?;
    Ok(Some(title).filter(|title| !title.trim().is_empty()))
}

/// The body as far as it was read.
#[derive(Default)]
struct Body {
    levels: HashMap<String, usize>,
    blocks: Vec<Block>,
    /// The paragraph that is being read, and those around it (a text box stands within a paragraph).
    paragraphs: Vec<Paragraph>,
    /// The rows that are being read, innermost last.
    rows: Vec<Row>,
    /// Open elements whose text is not the document's.
    unseen: usize,
    /// In a run's text.
    text: bool,
    /// The run is not shown.
    vanished: bool,
    in_paragraph_properties: bool,
}

#[derive(Default)]
struct Paragraph {
    text: String,
    level: Option<usize>,
    list: Option<usize>,
}

#[derive(Default)]
struct Row {
    cells: Vec<String>,
    cell: String,
}

impl Body {
    fn take(&mut self, node: Node<'_>) {
        match node {
            Node::Begin(name, _) if UNSEEN.contains(&name) => self.unseen += 1,
            Node::End(name) if UNSEEN.contains(&name) => self.unseen = self.unseen.saturating_sub(1),
            _ if self.unseen > 0 => {}
            Node::Begin(name, start) => self.begin(name, start),
            Node::End(name) => self.end(name),
            Node::Text(text) if self.text => self.push(text),
            Node::Text(_) => {}
        }
    }

    fn begin(&mut self, name: &str, start: &BytesStart<'_>) {
        match name {
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => self.in_paragraph_properties = true,
            "r" => self.vanished = false,
            // What hides the paragraph's mark does not hide its text.
            "vanish" if !self.in_paragraph_properties => {
                self.vanished = !matches!(attribute(start, "val").as_deref(), Some("0" | "false" | "off"));
            }
            "t" => self.text = true,
            "tab" if !self.in_paragraph_properties => self.push("\t"),
            "br" | "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("-"),
            "tr" => self.rows.push(Row::default()),
            "pStyle" | "outlineLvl" | "ilvl" | "numId" => self.property(name, start),
            _ => {}
        }
    }

    /// A property of the paragraph.
    fn property(&mut self, name: &str, start: &BytesStart<'_>) {
        let value = attribute(start, "val").unwrap_or_default();
        let Some(paragraph) = self.paragraphs.last_mut() else { return };
        match name {
            "pStyle" => {
                paragraph.level = self.levels.get(&value).copied().or_else(|| named_level(&value));
                if value.starts_with("List") && value != "ListParagraph" {
                    paragraph.list.get_or_insert(0);
                }
            }
            "outlineLvl" => paragraph.level = value.parse().ok().filter(|l: &usize| *l < 6).map(|l| l + 1),
            "ilvl" => paragraph.list = Some(value.parse().unwrap_or(0).min(8)),
            // Number 0 takes a list's mark away.
            _ if value == "0" => paragraph.list = None,
            _ => {
                paragraph.list.get_or_insert(0);
            }
        }
    }

    fn end(&mut self, name: &str) {
        match name {
            "p" => self.end_paragraph(),
            "pPr" => self.in_paragraph_properties = false,
            "t" => self.text = false,
            "tc" => {
                if let Some(row) = self.rows.last_mut() {
                    row.cells.push(std::mem::take(&mut row.cell));
                }
            }
            "tr" => {
                let cells = self.rows.pop().map(|row| row.cells).unwrap_or_default();
                match self.rows.last_mut() {
                    // A table within a cell gives its cells to it.
                    Some(outer) => outer.cell.push_str(&format!(" {}", cells.join(" "))),
                    None => self.blocks.push(Block::Row(cells)),
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str) {
        if let (false, Some(paragraph)) = (self.vanished, self.paragraphs.last_mut()) {
            paragraph.text.push_str(text);
        }
    }

    fn end_paragraph(&mut self) {
        let Some(Paragraph { text, level, list }) = self.paragraphs.pop() else { return };
        if let Some(row) = self.rows.last_mut() {
            row.cell.push(' ');
            row.cell.push_str(&text);
            return;
        }
        self.blocks.push(match (level, list) {
            (Some(level), _) => Block::Heading(level, text),
            (None, Some(depth)) => Block::Item(depth, text),
            (None, None) => Block::Paragraph(text),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(xml: &str) -> String {
        let mut body = Body { levels: HashMap::from([("berschrift1".into(), 1)]), ..Body::default() };
        each_node(xml, |node| body.take(node)).unwrap();
        render(&body.blocks)
    }

    #[test]
    fn a_body_reads_as_it_is_seen() {
        let xml = r#"<w:body xmlns:w="w"><w:p><w:pPr><w:pStyle w:val="berschrift1"/><w:tabs><w:tab/></w:tabs></w:pPr>
            <w:r><w:t>A &amp; b</w:t></w:r></w:p>
            <w:p><w:r><w:t xml:space="preserve">One </w:t></w:r><w:del><w:r><w:delText>no</w:delText></w:r></w:del>
            <w:ins><w:r><w:t>two&#x2014;</w:t><w:br/><w:t>three</w:t></w:r></w:ins>
            <w:r><w:rPr><w:vanish/></w:rPr><w:t>no</w:t></w:r><w:r><w:instrText>PAGE</w:instrText></w:r></w:p>
            <w:p><w:pPr><w:numPr><w:ilvl w:val="1"/><w:numId w:val="3"/></w:numPr></w:pPr><w:r><w:t>x</w:t></w:r></w:p>
            <w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="0"/></w:numPr></w:pPr><w:r><w:t>y</w:t></w:r></w:p>
            <w:tbl><w:tr><w:tc><w:p><w:r><w:t>k</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>v</w:t></w:r></w:p>
            <w:p><w:r><w:t>w</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body>"#;
        assert_eq!(blocks(xml), "# A & b\nOne two—\nthree\n\n  - x\n\ny\n\n| k | v w |");
    }

    #[test]
    fn headings_are_known_by_the_names_of_their_styles() {
        let styles = r#"<w:styles xmlns:w="w"><w:style w:styleId="Titel"><w:name w:val="Title"/></w:style>
            <w:style w:styleId="b2"><w:name w:val="heading 2"/></w:style>
            <w:style w:styleId="own"><w:name w:val="Mine"/><w:pPr><w:outlineLvl w:val="2"/></w:pPr></w:style>
            <w:style w:styleId="Normal"><w:name w:val="Normal"/></w:style></w:styles>"#;
        let levels = HashMap::from([("Titel".into(), 1), ("b2".into(), 2), ("own".into(), 3)]);
        assert_eq!(heading_levels(styles).unwrap(), levels);
    }
}
