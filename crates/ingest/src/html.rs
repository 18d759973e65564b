//! HTML as a person sees it: headings, paragraphs, lists and tables; nothing hidden, no scripts, no page furniture.

use html5ever::driver::ParseOpts;
use html5ever::tendril::TendrilSink;
use html5ever::{Attribute, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

use super::Limits;
use super::blocks::{Block, first_heading, render};
use super::encoding::decode_html;
use super::extract::Draft;
use super::limits::MAX_NESTED;
use seald_core::error::{Error, Kind, Result};

/// How much is parsed between two looks at how deep it goes, bytes: the parser's work grows with size times depth.
const CHUNK: usize = 16 * 1024;

/// Elements that show nothing of the text, or none of the page's own.
const UNSEEN: &[&str] = &[
    "head", "script", "style", "template", "noscript", "iframe", "object", "embed", "svg", "math", "canvas",
    "audio", "video", "map", "nav", "dialog", "button", "select", "datalist", "input", "textarea", "rp",
    "rt",
];
/// Elements within a line of text; all others stand apart.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font",
    "i", "ins", "kbd", "label", "mark", "q", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "time", "tt", "u", "var", "wbr", "img", "picture", "rb", "nobr",
];

/// Reads a page. Its title is the first heading of the highest level, or its `<title>`.
pub(super) fn read(bytes: &[u8], _: &Limits) -> Result<Draft> {
    let text = decode_html(bytes)?;
    let dom = parse(&text)?;
    let mut page = Page::default();
    page.walk(&dom.document);
    page.end_block();
    let title = first_heading(&page.blocks).or(page.title);
    Ok(Draft { title, text: render(&page.blocks) })
}

fn parse(text: &str) -> Result<RcDom> {
    let mut parser = parse_document(RcDom::default(), ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(rest.floor_char_boundary(CHUNK.min(rest.len())));
        parser.process(chunk.into());
        let dom = &parser.tokenizer.sink.sink;
        refuse_depth(deepest(&dom.document, |children| children.len().saturating_sub(1)))?;
        rest = after;
    }
    let dom = parser.finish();
    refuse_depth(deepest(&dom.document, |_| 0))?;
    Ok(dom)
}

fn refuse_depth(depth: usize) -> Result<()> {
    if depth > MAX_NESTED {
        let text =
            format!("its elements are nested more than {MAX_NESTED} deep: give its text as a plainer page");
        return Err(Error::new(Kind::Unsupported, text));
    }
    Ok(())
}

/// How deep the tree goes, looking at each node's children from number `from(children)` on.
fn deepest(document: &Handle, from: impl Fn(&[Handle]) -> usize) -> usize {
    let mut waiting = vec![(document.clone(), 0)];
    let mut most = 0;
    while let Some((node, depth)) = waiting.pop() {
        most = most.max(depth);
        let children = node.children.borrow();
        waiting.extend(children[from(&children)..].iter().map(|child| (child.clone(), depth + 1)));
    }
    most
}

/// What a block that is being filled will be.
#[derive(Debug, Clone, Copy, Default)]
enum Open {
    #[default]
    Paragraph,
    Heading(usize),
    Item,
    Preformatted,
}

/// The page as far as it was walked.
#[derive(Default)]
struct Page {
    blocks: Vec<Block>,
    title: Option<String>,
    text: String,
    open: Open,
    lists: usize,
    /// Cells of the row that is being read; none outside of rows.
    row: Option<Vec<String>>,
    in_cell: bool,
}

impl Page {
    /// Goes through `node`. The tree is at most [`MAX_NESTED`] deep.
    fn walk(&mut self, node: &Handle) {
        match &node.data {
            NodeData::Text { contents } => {
                let text = contents.borrow();
                match self.open {
                    Open::Preformatted => self.text.push_str(&text),
                    _ => {
                        self.text.extend(text.chars().map(|c| if c.is_ascii_whitespace() { ' ' } else { c }))
                    }
                }
            }
            NodeData::Element { name, attrs, .. } => self.element(&name.local, &attrs.borrow(), node),
            NodeData::Document => self.children(node),
            _ => {}
        }
    }

    fn children(&mut self, node: &Handle) {
        for child in node.children.borrow().iter() {
            self.walk(child);
        }
    }

    fn element(&mut self, name: &str, attrs: &[Attribute], node: &Handle) {
        if name == "head" {
            self.title = title_of(node);
        }
        if UNSEEN.contains(&name) || hidden(attrs) {
            return;
        }
        match name {
            "br" => self.text.push('\n'),
            "hr" => self.end_block(),
            _ if INLINE.contains(&name) => self.children(node),
            "td" | "th" if self.row.is_some() && !self.in_cell => self.cell(node),
            // What stands apart within a cell, a table as well, is still one cell.
            _ if self.row.is_some() => {
                self.text.push(' ');
                self.children(node);
                self.text.push(' ');
            }
            "tr" => self.table_row(node),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.block(Open::Heading(usize::from(name.as_bytes()[1] - b'0')), node);
            }
            "li" => self.block(Open::Item, node),
            "pre" => self.block(Open::Preformatted, node),
            "ul" | "ol" | "menu" => {
                self.end_block();
                self.lists += 1;
                self.block(Open::Paragraph, node);
                self.lists -= 1;
            }
            // A paragraph within an entry is the entry's text, a part of a heading is the heading's.
            _ if matches!(self.open, Open::Item | Open::Heading(_)) && self.text.trim().is_empty() => {
                self.children(node);
            }
            _ => self.block(Open::Paragraph, node),
        }
    }

    fn block(&mut self, open: Open, node: &Handle) {
        self.end_block();
        let outer = std::mem::replace(&mut self.open, open);
        self.children(node);
        self.end_block();
        self.open = outer;
        if matches!(self.open, Open::Item) {
            // The entry's own text was written before; what follows is a paragraph.
            self.open = Open::Paragraph;
        }
    }

    fn table_row(&mut self, node: &Handle) {
        self.end_block();
        self.row = Some(Vec::new());
        self.children(node);
        let cells = self.row.take().unwrap_or_default();
        self.text.clear();
        self.blocks.push(Block::Row(cells));
    }

    fn cell(&mut self, node: &Handle) {
        self.text.clear();
        self.in_cell = true;
        self.children(node);
        self.in_cell = false;
        let text = std::mem::take(&mut self.text);
        self.row.get_or_insert_default().push(text);
    }

    /// Puts down the text that was collected as a block of its kind.
    fn end_block(&mut self) {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() {
            return;
        }
        self.blocks.push(match self.open {
            Open::Paragraph => Block::Paragraph(text),
            Open::Heading(level) => Block::Heading(level, text),
            Open::Item => Block::Item(self.lists.saturating_sub(1), text),
            Open::Preformatted => Block::Preformatted(text),
        });
    }
}

/// Whether a browser would not show the element.
fn hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &*attr.name.local {
        "hidden" => true,
        "aria-hidden" => attr.value.trim().eq_ignore_ascii_case("true"),
        "style" => {
            let style: String = attr.value.chars().filter(|c| !c.is_whitespace()).collect();
            let style = style.to_ascii_lowercase();
            style.contains("display:none") || style.contains("visibility:hidden")
        }
        _ => false,
    })
}

fn title_of(head: &Handle) -> Option<String> {
    let children = head.children.borrow();
    let title = children.iter().find(|child| match &child.data {
        NodeData::Element { name, .. } => &*name.local == "title",
        _ => false,
    })?;
    let mut text = String::new();
    for child in title.children.borrow().iter() {
        if let NodeData::Text { contents } = &child.data {
            text.push_str(&contents.borrow());
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Draft {
        read(html.as_bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn a_page_reads_as_it_is_seen() {
        let html = "<html><head><title>Site - A</title><style>p{}</style></head><body><nav>Home</nav>\
            <h1>The <b>A</b></h1>lone<p>One\n two<br>three<script>no()</script></p><p hidden>no</p>\
            <div style='Display : none'>no</div><span aria-hidden=true>no</span><h3>Parts</h3><p>Facts:</p>\
            <ul><li>a<ul><li>b</li></ul>rest</li><li><p>c</p><p>d</p></li></ul>\
            <table><tr><th>k</th><th>v</th></tr><tr><td><p>x</p></td><td>y<br>z</td></tr></table>\
            <pre>  a\n   b</pre><!-- no --></body></html>";
        let text = "# The A\nlone\n\nOne two\nthree\n\n### Parts\nFacts:\n- a\n  - b\n\nrest\n\n- c\n\nd\n\n\
            | k | v |\n| x | y z |\n\n  a\n   b";
        assert_eq!(page(html), Draft { title: Some("The A".into()), text: text.into() });
        assert_eq!(page("<title> T </title><p>x").title.as_deref(), Some(" T "));
    }

    #[test]
    fn nested_tables_and_broken_pages_lose_no_text() {
        let html = "<table><tr><td>a<table><tr><td>b</td><td>c</td></tr></table></td><td>d</td></table></p></b>e<td>f";
        let text = page(html).text;
        assert_eq!(text.split_whitespace().filter(|w| *w != "|").collect::<String>(), "abcdef", "{text}");
    }

    #[test]
    fn deep_nesting_is_refused_soon() {
        let html = "<div>".repeat(200_000);
        let error = read(html.as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains("nested"), "{error}");
        let bearable = format!("{}x", "<div>".repeat(400));
        assert_eq!(page(&bearable).text, "x");
    }
}
