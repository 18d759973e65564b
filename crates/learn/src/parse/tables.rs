//! Tables in Markdown: their rows as questions with answers, or as lines.

use super::lines::{self, Form, Line};
use super::questions::Block;
use super::{labels, marks};

/// Whether a line is a row of a table: between bars, or with one where a table goes on or a rule follows.
pub(super) fn is_row(line: &str, next: Option<&str>, in_table: bool) -> bool {
    let line = line.trim();
    let barred = line.len() > 2 && line.starts_with('|') && line.ends_with('|');
    barred || (line.contains('|') && (in_table || next.is_some_and(is_rule)))
}

/// Whether a line is the rule between a table's head and its rows: `|---|:-:|`.
pub(super) fn is_rule(line: &str) -> bool {
    let line = line.trim();
    line.contains('|')
        && line.contains('-')
        && line.chars().all(|c| matches!(c, '|' | '-' | ':') || c.is_whitespace())
}

/// The cells of a row, without emphasis.
pub(super) fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    let mut cells = vec![String::new()];
    let mut escaped = false;
    for c in line.chars() {
        match (c, cells.last_mut()) {
            ('|', _) if !escaped => cells.push(String::new()),
            (c, Some(cell)) => cell.push(c),
            _ => {}
        }
        escaped = c == '\\';
    }
    cells.iter().map(|cell| lines::without_emphasis(cell)).collect()
}

/// A row as a line: one cell as it is, more as `first: second; third`; the number of the row is left out.
pub(super) fn in_words(cells: &[String]) -> String {
    let told: Vec<&str> = cells
        .iter()
        .enumerate()
        .filter(|(at, cell)| told(*at, cell))
        .map(|(_, cell)| cell.as_str())
        .collect();
    match told.as_slice() {
        [] => String::new(),
        [only] => (*only).to_string(),
        [first, rest @ ..] => format!("{}: {}", first.trim_end_matches([':', '：']), rest.join("; ")),
    }
}

fn told(at: usize, cell: &str) -> bool {
    let numbers = at == 0 && cell.chars().all(|c| !c.is_alphabetic());
    cell.contains(char::is_alphanumeric) && !numbers
}

/// The questions and answers of a table, and how many lines it has; none if the lines do not begin with one. Columns are
/// known by their heads, else by what is in them: the first cell with a question mark asks, the next one answers.
pub(super) fn blocks(lines: &[Line<'_>]) -> Option<(usize, Vec<Block>)> {
    let (heads, from): (&[String], usize) = match &lines.first()?.form {
        Form::TableHead(heads) => (heads, 1),
        Form::TableRow(_) => (&[], 0),
        _ => return None,
    };
    let kinds: Vec<Option<labels::Kind>> = heads.iter().map(|head| labels::named(head)).collect();
    let row = |line: &Line<'_>| match &line.form {
        Form::TableRow(cells) => Some(cells.clone()),
        _ => None,
    };
    let rows: Vec<Vec<String>> = lines[from..].iter().map_while(row).collect();
    let count = from + rows.len();
    Some((count, rows.into_iter().filter_map(|cells| block(&kinds, cells)).collect()))
}

fn block(kinds: &[Option<labels::Kind>], cells: Vec<String>) -> Option<Block> {
    use labels::Kind::{Answer, Question, Wording};
    let mut block = Block::default();
    for (at, cell) in cells.into_iter().enumerate() {
        if !cell.contains(char::is_alphanumeric) {
            continue;
        }
        match kinds.get(at).copied().flatten() {
            Some(Question | Wording) => block.questions.push(cell),
            Some(Answer) if block.answer.is_empty() => block.answer = cell,
            None if marks::asks(&cell) => block.questions.push(cell),
            None if !kinds.contains(&Some(Answer))
                && !block.questions.is_empty()
                && block.answer.is_empty() =>
            {
                block.answer = cell;
            }
            _ => {}
        }
    }
    (!block.questions.is_empty() && !block.answer.is_empty()).then_some(block)
}
