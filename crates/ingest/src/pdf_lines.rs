//! From the lines of PDF pages to blocks: wrapped lines joined, headings by their size, page furniture left out.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::blocks::Block;

/// A heading's letters are this much larger than the body's.
const HEADING: f64 = 1.15;
/// Letters count as equally large within this factor.
const SAME_SIZE: f64 = 1.08;
/// Lines of one paragraph are at most this far apart, in sizes of their letters.
const LEADING: f64 = 2.2;
/// ... and this much further than lines are on the page mostly.
const EXTRA_LEADING: f64 = 1.35;
/// Longest heading, characters.
const HEADING_CHARS: usize = 200;
/// A column narrower than this, in sizes of its letters, says nothing about where lines are wrapped.
const NARROW: f64 = 20.0;
/// Fewer pages show no running titles.
const RUNNING_PAGES: usize = 3;

/// One line of a page; lengths in points, y downwards.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// What it says.
    pub(super) text: String,
    /// Its left end.
    pub(super) x0: f64,
    /// Its right end.
    pub(super) x1: f64,
    /// Its baseline.
    pub(super) y: f64,
    /// Size of its largest letters.
    pub(super) size: f64,
}

impl Line {
    /// An empty line that begins at (`x`, `y`).
    pub(super) fn new(x: f64, y: f64, size: f64) -> Self {
        Self { text: String::new(), x0: x, x1: x, y, size }
    }

    /// Mean width of a character.
    fn char_width(&self) -> f64 {
        (self.x1 - self.x0) / self.text.chars().count().max(1) as f64
    }
}

/// The blocks that the pages' lines make.
pub(super) fn blocks(mut pages: Vec<Vec<Line>>) -> Vec<Block> {
    for line in pages.iter_mut().flatten() {
        line.text = line.text.trim().to_string();
    }
    drop_furniture(&mut pages);
    let sizes = Sizes::of(&pages);
    let mut blocks: Vec<Block> = Vec::new();
    let mut before: Option<&Line> = None;
    for page in &pages {
        let layout = Layout::of(page);
        for (index, line) in page.iter().enumerate() {
            let continues = match (before, blocks.last()) {
                (Some(before), Some(block)) if index > 0 => {
                    layout.continues(before, line, block) && !(marked(&line.text))
                }
                (Some(before), Some(Block::Paragraph(_))) => runs_on(before, line),
                _ => false,
            };
            match blocks.last_mut().filter(|_| continues) {
                Some(Block::Heading(_, text) | Block::Paragraph(text) | Block::Item(_, text)) => {
                    join(text, &line.text);
                }
                _ => blocks.push(sizes.block(line)),
            }
            before = Some(line);
        }
    }
    blocks
}

/// The sizes of letters in a document.
struct Sizes {
    body: f64,
    /// Larger ones, the largest first.
    headings: Vec<f64>,
}

impl Sizes {
    fn of(pages: &[Vec<Line>]) -> Self {
        let mut chars: HashMap<i64, usize> = HashMap::new();
        for line in pages.iter().flatten() {
            *chars.entry((line.size * 4.0).round() as i64).or_default() += line.text.chars().count();
        }
        let body =
            chars.iter().max_by_key(|(size, count)| (**count, -**size)).map_or(0.0, |(s, _)| *s as f64 / 4.0);
        let larger = chars.keys().map(|s| *s as f64 / 4.0).filter(|s| *s >= body * HEADING);
        let mut larger: Vec<f64> = larger.collect();
        larger.sort_by(|a, b| b.total_cmp(a));
        larger.dedup_by(|small, large| *large / *small < SAME_SIZE);
        Self { body, headings: larger }
    }

    fn block(&self, line: &Line) -> Block {
        let text = line.text.clone();
        let short = text.chars().count() <= HEADING_CHARS && text.chars().any(char::is_alphanumeric);
        if short && line.size >= self.body * HEADING {
            let level = self.headings.iter().take_while(|size| **size / line.size >= SAME_SIZE).count();
            return Block::Heading((level + 1).min(3), text);
        }
        let dash = || DASHES.iter().find_map(|dash| text.strip_prefix(dash));
        match text.strip_prefix(BULLETS).or_else(dash) {
            Some(entry) => Block::Item(0, entry.trim_start().to_string()),
            None => Block::Paragraph(text),
        }
    }
}

const BULLETS: [char; 9] = ['•', '◦', '▪', '‣', '●', '○', '∙', '·', '\u{f0b7}'];
const DASHES: [&str; 4] = ["- ", "– ", "— ", "* "];

/// Whether a line begins an entry of a list.
fn marked(text: &str) -> bool {
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^(\(?(\d{1,3}|[a-zA-Z])[.)]|[-–—*])\s").ok());
    text.starts_with(BULLETS) || NUMBER.as_ref().is_some_and(|number| number.is_match(text))
}

/// How the lines of one page are set.
struct Layout<'a> {
    lines: &'a [Line],
    /// Mean distance of lines, in sizes of their letters.
    leading: f64,
}

impl<'a> Layout<'a> {
    fn of(lines: &'a [Line]) -> Self {
        let steps = lines.windows(2).map(|pair| (pair[1].y - pair[0].y) / pair[1].size.max(1.0));
        let mut steps: Vec<f64> = steps.filter(|step| (0.5..=LEADING).contains(step)).collect();
        steps.sort_by(f64::total_cmp);
        Self { lines, leading: steps.get(steps.len() / 2).copied().unwrap_or(1.2) }
    }

    /// Whether `line` goes on with what `before` began.
    fn continues(&self, before: &Line, line: &Line, block: &Block) -> bool {
        let alike = (before.size / line.size).max(line.size / before.size) < SAME_SIZE;
        let step = (line.y - before.y) / line.size.max(1.0);
        if !alike || step <= 0.0 || step > LEADING.min(self.leading * EXTRA_LEADING) {
            return false;
        }
        let indent = (line.x0 - before.x0) / line.size;
        match block {
            Block::Heading(..) => true,
            Block::Item(..) => indent > 0.3 || (indent > -0.3 && self.wrapped(before, line)),
            _ if indent > 0.8 => flows(before, line),
            _ => self.wrapped(before, line) || flows(before, line),
        }
    }

    /// Whether the next line's first word would not have fitted behind `before`.
    fn wrapped(&self, before: &Line, line: &Line) -> bool {
        let column = self.lines.iter().filter(|other| (other.x0 - before.x0).abs() < 4.0 * before.size);
        let right = column.map(|other| other.x1).fold(before.x1, f64::max);
        let word = line.text.split(' ').next().unwrap_or_default().chars().count() + 1;
        right - before.x0 > NARROW * before.size && before.x1 + word as f64 * line.char_width() > right - 1.0
    }
}

/// Whether the words themselves go on: no sentence ends, and the next line begins small.
fn flows(before: &Line, line: &Line) -> bool {
    !before.text.ends_with(['.', '!', '?', ':', ';']) && line.text.starts_with(char::is_lowercase)
}

/// Whether a paragraph goes on over the page.
fn runs_on(before: &Line, line: &Line) -> bool {
    (before.size / line.size).max(line.size / before.size) < SAME_SIZE && flows(before, line)
}

/// Puts a line behind a paragraph; a word parted by a hyphen becomes whole.
fn join(text: &mut String, line: &str) {
    let parted =
        text.strip_suffix(['-', '\u{ad}', '\u{2010}']).filter(|word| word.ends_with(char::is_lowercase));
    match parted.map(str::len) {
        Some(end) if line.starts_with(char::is_lowercase) => text.truncate(end),
        _ => text.push(' '),
    }
    text.push_str(line);
}

/// Leaves out page numbers, and from the second page on the lines that begin or end most pages.
fn drop_furniture(pages: &mut [Vec<Line>]) {
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)^[-–\s]*(page\s*)?\d{1,4}(\s*(/|of)\s*\d{1,4})?[-–\s]*$").ok());
    let numbered = |line: &Line| NUMBER.as_ref().is_some_and(|number| number.is_match(&line.text));
    let plain = |line: &Line| line.text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    if pages.len() > 1 {
        for page in pages.iter_mut() {
            page.pop_if(|line| numbered(line));
            if page.first().is_some_and(numbered) {
                page.remove(0);
            }
        }
    }
    if pages.len() < RUNNING_PAGES {
        return;
    }
    let mut often: HashMap<(bool, String), usize> = HashMap::new();
    for page in pages.iter() {
        for (first, line) in
            page.first().map(|l| (true, l)).into_iter().chain(page.last().map(|l| (false, l)))
        {
            *often.entry((first, plain(line))).or_default() += 1;
        }
    }
    let most = pages.len() / 2;
    let running = |first: bool, line: &Line| often.get(&(first, plain(line))).is_some_and(|n| *n > most);
    for page in pages.iter_mut().skip(1) {
        page.pop_if(|line| running(false, line));
        if page.first().is_some_and(|line| running(true, line)) {
            page.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocks::render;

    /// A line of 10-point letters, each 5 points wide, in a column from 50 to 350.
    fn line(text: &str, y: f64) -> Line {
        sized(text, y, 10.0)
    }

    fn sized(text: &str, y: f64, size: f64) -> Line {
        let width = text.chars().count() as f64 * size / 2.0;
        Line { text: text.into(), x0: 50.0, x1: 50.0 + width, y, size }
    }

    #[test]
    fn wrapped_lines_join_and_others_do_not() {
        let page = vec![
            sized("The Heading", 20.0, 20.0),
            line("This is the first line of a paragraph that is long enough, a won-", 60.0),
            line("derful one. It ends here", 72.0),
            line("Location: Tunsiomar", 84.0),
            line("Keeper: Hel Peidas", 96.0),
            line("• one", 108.0),
            line("• two", 120.0),
            line("The last paragraph stands far below.", 160.0),
        ];
        let text = "# The Heading\nThis is the first line of a paragraph that is long enough, a wonderful one. It ends here\
            \n\nLocation: Tunsiomar\n\nKeeper: Hel Peidas\n\n- one\n- two\n\nThe last paragraph stands far below.";
        assert_eq!(render(&blocks(vec![page])), text);
    }

    #[test]
    fn page_furniture_goes_and_sentences_run_over_pages() {
        let page = |number: usize, text: &str| {
            vec![line(&format!("Report {number}"), 10.0), line(text, 60.0), line(&number.to_string(), 700.0)]
        };
        let pages = vec![page(1, "A sentence that"), page(2, "goes on. And ends."), page(3, "Another.")];
        assert_eq!(render(&blocks(pages)), "Report 1\n\nA sentence that goes on. And ends.\n\nAnother.");
    }
}
