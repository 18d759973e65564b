//! From what a model wrote to training rows and probes: reads every self-edit format, and never fails on any text.

mod lines;
mod questions;

use lines::Line;
use questions::NO_ANSWER;
use seald_core::domain::self_edit::{DroppedLine, Format, RowText};

/// A line, a question and an answer have at most this many characters; what is longer is a text that lost its form.
pub const MAX_LINE_CHARS: usize = 600;
/// The one row of a rewrite or a study note has at most this many characters.
pub const MAX_TEXT_CHARS: usize = 12_000;
/// Rows of a self-edit, facts of an exam, and lines noted as left out, at most; the next note says how many more there were.
pub const MAX_ROWS: usize = 200;

/// What was made of a text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The training rows, in order.
    pub rows: Vec<RowText>,
    /// What was left out, with reasons.
    pub dropped: Vec<DroppedLine>,
}

/// A fact of an exam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedFact {
    /// Its wordings, one or more.
    pub questions: Vec<String>,
    /// The answer to each of them.
    pub answer: String,
}

/// The training rows of a self-edit. Statements and facts: a text row a line. Rewrite and study note: one text row; of a
/// study note also a turn for each question of `Remember:`. Question-answer form: a turn a pair. `titled` puts the title
/// and a line end before each text row, as SEAL does; turns have none. A first line that only repeats the title is left
/// out.
///
/// Lists, headings, emphasis, code fences, an introduction ("Here is a list:"), leave-taking ("I hope this helps") and
/// sources that follow are taken off. Linear in the text.
pub fn rows(format: Format, title: &str, titled: bool, text: &str) -> Parsed {
    let mut lines = lines::lines(text);
    if lines.first().is_some_and(|line| line.text.trim_end_matches(':').eq_ignore_ascii_case(title.trim())) {
        lines.remove(0);
    }
    let mut sieve = Sieve { title: titled.then_some(title), ..Sieve::default() };
    match format {
        Format::Implications | Format::ImplicationsLong => {
            sieve.each_line(&lines, statement);
        }
        Format::KeyFacts => sieve.each_line(&lines, key_fact),
        Format::Rewrite => sieve.whole(&lines),
        Format::StudyNote => {
            sieve.whole(&lines);
            sieve.remember(&lines);
        }
        Format::SelfQa => sieve.turns(&lines),
    }
    sieve.finish()
}

/// The facts of an exam: blocks of one or more questions and their answer. What is not of that form is passed over.
pub fn probes(text: &str) -> Vec<ParsedFact> {
    let fits = |text: &String| text.chars().count() <= MAX_LINE_CHARS;
    let whole = |block: questions::Block| {
        let questions: Vec<String> = block.questions.into_iter().filter(fits).take(MAX_ROWS).collect();
        let fact = ParsedFact { questions, answer: block.answer };
        (!fact.questions.is_empty() && fits(&fact.answer)).then_some(fact)
    };
    questions::blocks(&lines::lines(text)).blocks.into_iter().filter_map(whole).take(MAX_ROWS).collect()
}

/// Collects rows and reasons within their bounds.
#[derive(Default)]
struct Sieve<'a> {
    title: Option<&'a str>,
    parsed: Parsed,
    /// Lines left out beyond those noted.
    more: usize,
}

impl Sieve<'_> {
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

    fn each_line(&mut self, lines: &[Line<'_>], form: fn(&str) -> Result<&str, &'static str>) {
        for line in self.content(lines) {
            if line.text.chars().count() > MAX_LINE_CHARS {
                self.drop(line.raw, "longer than 600 characters");
                continue;
            }
            match form(&line.text) {
                Ok(text) => self.push_text(line.raw, text),
                Err(reason) => self.drop(line.raw, reason),
            }
        }
    }

    /// The lines about the passage: without introductions, headings, leave-taking and sources.
    fn content<'l, 't>(&mut self, lines: &'l [Line<'t>]) -> Vec<&'l Line<'t>> {
        let mut kept = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            if index > 0 && lines::heads_sources(line) {
                lines[index..].iter().for_each(|line| self.drop(line.raw, "a list of sources"));
                break;
            }
            if lines::introduces(line, index == 0) {
                self.drop(line.raw, "only introduces what follows");
            } else if lines::is_heading(line) {
                self.drop(line.raw, "a heading");
            } else if index + 1 == lines.len() && lines::takes_leave(line) {
                self.drop(line.raw, "speaks to the reader");
            } else {
                kept.push(line);
            }
        }
        kept
    }

    fn whole(&mut self, lines: &[Line<'_>]) {
        let (mut text, mut length) = (String::new(), 0);
        for line in self.content(lines) {
            length += line.text.chars().count() + 1;
            if length > MAX_TEXT_CHARS {
                self.drop(line.raw, "beyond the 12000 characters that are kept");
                continue;
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line.text);
        }
        if !text.is_empty() {
            self.push_text("", &text);
        }
    }

    fn remember(&mut self, lines: &[Line<'_>]) {
        let after = |line: &Line<'_>| lines::starts_with(&line.text, "remember:").map(str::to_string);
        let Some(at) = lines.iter().position(|line| after(line).is_some()) else { return };
        let first = after(&lines[at]).unwrap_or_default();
        let mut asked = lines::lines(&first);
        asked.extend(lines[at + 1..].iter().map(|line| Line { text: line.text.clone(), ..*line }));
        self.turns(&asked);
    }

    fn turns(&mut self, lines: &[Line<'_>]) {
        let found = questions::blocks(lines);
        for (line, reason) in found.left {
            self.drop(&line, reason);
        }
        for mut block in found.blocks {
            let Some(question) = block.questions.pop() else { continue };
            block.questions.iter().for_each(|question| self.drop(question, NO_ANSWER));
            if question.chars().count().max(block.answer.chars().count()) > MAX_LINE_CHARS {
                self.drop(&question, "longer than 600 characters");
                continue;
            }
            self.push(&question.clone(), RowText::Turn { question, answer: block.answer });
        }
    }

    fn finish(mut self) -> Parsed {
        if self.more > 0 {
            let line = format!("({} more)", self.more);
            self.parsed.dropped.push(DroppedLine { line, reason: "left out like those before".into() });
        }
        self.parsed
    }
}

/// A statement without its label (`Implication 3:`).
fn statement(line: &str) -> Result<&str, &'static str> {
    if line.ends_with('?') || lines::after_label(line, &["question", "q", "answer", "a"]).is_some() {
        return Err("a question or an answer, not a statement");
    }
    let labels = ["implication", "key fact", "fact", "statement", "point", "inference"];
    match lines::after_label(line, &labels) {
        Some("") => Err("only a label"),
        Some(rest) => Ok(rest),
        None => Ok(line),
    }
}

fn key_fact(line: &str) -> Result<&str, &'static str> {
    match line.split_once(':') {
        Some((label, value)) if !label.trim().is_empty() && value.contains(char::is_alphanumeric) => Ok(line),
        _ => Err("not of the form `label: value`"),
    }
}

#[cfg(test)]
mod tests;
