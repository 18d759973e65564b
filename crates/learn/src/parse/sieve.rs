//! Collects rows and reasons within their bounds.

use std::borrow::Cow;

use seald_core::domain::self_edit::{DroppedLine, RowText};
use seald_core::sentences;

use super::lines::{Form, Line};
use super::questions::{self, Block, NO_ANSWER};
use super::{MAX_LINE_CHARS, MAX_ROWS, MAX_TEXT_CHARS, Parsed, heads, lines, marks, remarks};

const TOO_LONG: &str = "longer than 600 characters";

#[derive(Default)]
pub(super) struct Sieve<'a> {
    title: Option<&'a str>,
    parsed: Parsed,
    /// Lines left out beyond those noted.
    more: usize,
}

/// A line about the passage: as it was written, and what is trained on.
type Content<'l> = (&'l str, Cow<'l, str>);

/// Takes the statement or fact out of a line, given as it was written and without marks.
type Statement = for<'t> fn(&str, &'t str) -> Result<&'t str, &'static str>;

impl<'a> Sieve<'a> {
    /// Nothing yet; with a title to put before each text row.
    pub(super) fn new(title: Option<&'a str>) -> Self {
        Self { title, ..Self::default() }
    }

    fn drop(&mut self, line: &str, reason: &str) {
        if self.parsed.dropped.len() == MAX_ROWS {
            self.more += 1;
            return;
        }
        let line = line.chars().take(MAX_LINE_CHARS).collect();
        self.parsed.dropped.push(DroppedLine { line, reason: reason.into() });
    }

    fn push(&mut self, line: &str, row: RowText) {
        if self.parsed.rows.len() == MAX_ROWS {
            self.drop(line, "beyond the 200 rows that are kept");
        } else {
            self.parsed.rows.push(row);
        }
    }

    fn push_text(&mut self, line: &str, text: &str) {
        let row = match self.title {
            Some(title) => format!("{title}\n{text}"),
            None => text.to_string(),
        };
        self.push(line, RowText::Text(row));
    }

    /// A row for each line; of a line that is too long for each of its sentences.
    pub(super) fn each_line(&mut self, lines: &[Line<'_>], form: Statement) {
        for (raw, text) in self.content(lines, true) {
            if text.chars().count() <= MAX_LINE_CHARS {
                self.form(raw, &text, form);
                continue;
            }
            for sentence in sentences::in_line(&text) {
                let sentence = sentence.trim();
                if sentence.chars().count() > MAX_LINE_CHARS {
                    self.drop(sentence, TOO_LONG);
                } else if sentence.contains(char::is_alphanumeric) {
                    self.form(sentence, sentence, form);
                }
            }
        }
    }

    fn form(&mut self, raw: &str, text: &str, form: Statement) {
        match form(raw, text) {
            Ok(text) => self.push_text(raw, text),
            Err(reason) => self.drop(raw, reason),
        }
    }

    /// The lines about the passage: without introductions, headings, leave-taking, sources and code. `list`: each is a
    /// row of its own, so that an item below another has its head with it.
    fn content<'l>(&mut self, lines: &'l [Line<'_>], list: bool) -> Vec<Content<'l>> {
        let end = lines.iter().rposition(|line| !remarks::takes_leave(line)).map_or(0, |last| last + 1);
        // A text that is only leave-taking keeps all but its last line.
        let end = if end == 0 { lines.len().saturating_sub(1) } else { end };
        let closing = closing(&lines[..end], list);
        let mut kept: Vec<Content<'l>> = Vec::new();
        let mut head: Option<&Line<'_>> = None;
        for (index, line) in lines.iter().enumerate() {
            if (index > 0 && remarks::heads_sources(line)) || remarks::another_turn(line) {
                let reason =
                    if remarks::another_turn(line) { "speaks to the reader" } else { "a list of sources" };
                lines[index..].iter().for_each(|line| self.drop(line.raw, reason));
                break;
            }
            head = head.filter(|head| line.below(head));
            if let Some(reason) = fault(lines, index) {
                self.drop(line.raw, reason);
            } else if heads::over_items(line, lines.get(index + 1)) && list {
                self.drop(line.raw, "only introduces what follows");
                head = Some(line);
            } else if index >= end
                || (index >= closing && list && !line.listed)
                || remarks::sums_up(line, false)
            {
                self.drop(
                    line.raw,
                    if index >= end { "speaks to the reader" } else { "sums up what was said" },
                );
            } else if let Some(head) = head.filter(|_| list) {
                kept.push((line.raw, Cow::Owned(heads::joined(head, &line.text))));
            } else {
                let text = list.then(|| leaning(lines, index)).flatten();
                kept.push((line.raw, text.map_or(Cow::Borrowed(line.text.as_str()), Cow::Owned)));
            }
        }
        kept
    }

    /// One row of all lines. Questions left to the reader are no part of it.
    pub(super) fn whole(&mut self, lines: &[Line<'_>]) {
        let lines = self.without_questions(lines);
        let (mut text, mut length) = (String::new(), 0);
        for (raw, line) in self.content(&lines, false) {
            length += line.chars().count() + 1;
            if length > MAX_TEXT_CHARS {
                self.drop(raw, "beyond the 12000 characters that are kept");
                continue;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line);
        }
        if !text.is_empty() {
            self.push_text("", &text);
        }
    }

    /// Takes out questions that the next line does not answer: list items and those below `Questions to consider`.
    fn without_questions<'t>(&mut self, lines: &[Line<'t>]) -> Vec<Line<'t>> {
        let mut kept = Vec::new();
        let mut considering = false;
        for (index, line) in lines.iter().enumerate() {
            let asks = |line: &Line<'_>| marks::ends_asking(&line.text);
            let last = lines.get(index + 1).is_none_or(|next| {
                asks(next)
                    || remarks::is_heading(next)
                    || remarks::takes_leave(next)
                    || (considering && next.apart)
            });
            if remarks::heads_questions(line) {
                considering = true;
                self.drop(line.raw, "heads questions without answers");
            } else if asks(line) && last && (line.listed || considering) {
                self.drop(line.raw, NO_ANSWER);
            } else {
                considering &= asks(line);
                kept.push(line.clone());
            }
        }
        kept
    }

    /// The turns of a study note's `Remember:`.
    pub(super) fn remember(&mut self, lines: &[Line<'_>]) {
        let after = |line: &Line<'_>| lines::starts_with(&line.text, "remember:").map(str::to_string);
        let Some(at) = lines.iter().position(|line| after(line).is_some()) else { return };
        let first = after(&lines[at]).unwrap_or_default();
        let mut asked = lines::lines(&first);
        asked.extend(lines[at + 1..].iter().cloned());
        self.turns(&asked);
    }

    /// A turn for each question with its answer.
    pub(super) fn turns(&mut self, lines: &[Line<'_>]) {
        let found = questions::blocks(lines);
        for (line, reason) in found.left {
            self.drop(&line, reason);
        }
        self.blocks(found.blocks);
    }

    /// A turn for each block, with the last of its questions.
    pub(super) fn blocks(&mut self, blocks: Vec<Block>) {
        for mut block in blocks {
            let Some(question) = block.questions.pop() else { continue };
            block.questions.iter().for_each(|question| self.drop(question, NO_ANSWER));
            if question.chars().count().max(block.answer.chars().count()) > MAX_LINE_CHARS {
                self.drop(&question, TOO_LONG);
                continue;
            }
            self.push(&question.clone(), RowText::Turn { question, answer: block.answer });
        }
    }

    /// What was made of the text.
    pub(super) fn finish(mut self) -> Parsed {
        if self.more > 0 {
            let line = format!("({} more)", self.more);
            self.parsed.dropped.push(DroppedLine { line, reason: "left out like those before".into() });
        }
        self.parsed
    }
}

/// Where the lines behind a list begin that sum it up.
fn closing(lines: &[Line<'_>], list: bool) -> usize {
    let listed = list && lines.iter().filter(|line| line.listed).count() > 1;
    let behind = |line: &&Line<'_>| remarks::sums_up(line, listed);
    lines.len() - lines.iter().rev().take_while(behind).count()
}

/// Why a line has nothing about the passage.
fn fault(lines: &[Line<'_>], index: usize) -> Option<&'static str> {
    let line = &lines[index];
    let over = heads::over_items(line, lines.get(index + 1));
    match line.form {
        Form::Code => Some("code"),
        Form::TableHead(_) => Some("the head of a table"),
        Form::TableRow(_) => None,
        Form::Prose if remarks::introduces(line, index == 0) && !over => Some("only introduces what follows"),
        Form::Heading if remarks::introduces(line, index == 0) => Some("only introduces what follows"),
        Form::Heading => Some("a heading"),
        Form::Prose if heads::looks_like_heading(line) && !over => Some("a heading"),
        Form::Prose => None,
    }
}

/// An item below a statement that leans on it (`This weakened it.`), with that statement before it.
fn leaning(lines: &[Line<'_>], index: usize) -> Option<String> {
    let (line, above) = (&lines[index], lines[..index].last()?);
    let fits = above.text.chars().count() + line.text.chars().count() < MAX_LINE_CHARS;
    let stated = above.form == Form::Prose && above.listed && above.text.ends_with(['.', '!', '。']);
    (line.below(above) && stated && fits && heads::leans(&line.text))
        .then(|| format!("{} {}", above.text, line.text))
}
