//! A page of text in the making: labels at the left, words wrapped beside them.

use console::Style;

use super::look::{Look, columns};

/// Columns of a label and the gap after it.
const LABEL: usize = 11;

/// Lines of text for one place.
#[derive(Debug)]
pub struct Page<'a> {
    look: &'a Look,
    lines: Vec<String>,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub fn new(look: &'a Look) -> Self {
        Self { look, lines: Vec::new() }
    }

    /// A line as it is.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.lines.push(text.as_ref().trim_end().to_string());
    }

    /// An empty line, unless there is one already or nothing before it.
    pub fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// Words in lines, each in a style and indented.
    pub fn words(&mut self, words: &str, indent: usize, style: &Style) {
        for line in self.look.wrapped(words, indent).lines() {
            let text = line.trim_start();
            let blanks = &line[..line.len() - text.len()];
            self.line(format!("{blanks}{}", self.look.paint(style.clone(), text)));
        }
    }

    /// `Label      words`, the words wrapped under themselves. Without a label they go on beneath the last ones.
    pub fn field(&mut self, label: &str, words: &str, style: &Style) {
        let wrapped = self.look.wrapped(words, LABEL);
        for (i, line) in wrapped.lines().enumerate() {
            let head = if i == 0 { label } else { "" };
            let words = self.look.paint(style.clone(), line.trim());
            self.line(self.head(head) + &words);
        }
    }

    /// Something at the left and something at the right edge; the left one is cut.
    pub fn ends(&mut self, left: &str, style: &Style, right: &str, right_style: &Style) {
        let room = self.look.width.saturating_sub(columns(right) + 2);
        let left = self.look.fit(left, room);
        let text = left.trim_end();
        let gap = " ".repeat(room + 2 - columns(text));
        let (left, right) =
            (self.look.paint(style.clone(), text), self.look.paint(right_style.clone(), right));
        self.line(format!("{left}{gap}{right}"));
    }

    /// All of it.
    pub fn text(self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn head(&self, label: &str) -> String {
        let blanks = " ".repeat(LABEL.saturating_sub(columns(label)));
        format!("{}{blanks}", self.look.paint(Style::new().bold(), label))
    }
}
