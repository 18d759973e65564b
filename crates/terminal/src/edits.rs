//! What the model wrote for itself about one document, and what was made of it.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::words::count;
use seald_core::domain::self_edit::{Directive, DroppedLine, RowText};
use seald_core::protocol::{SelfEditView, SelfEditsView};

/// Every self-edit, by candidate and passage. Of lines that were left out for one reason one is shown as an example, unless `all` are wanted.
pub fn render(view: &SelfEditsView, all: bool, look: &Look) -> String {
    let mut page = Page::new(look);
    page.words(&one_line(&view.title), 0, &Style::new().bold());
    if view.self_edits.is_empty() {
        page.words("Nothing was written about it yet.", 0, &Style::new());
    }
    for edit in &view.self_edits {
        page.blank();
        one(edit, all, &mut page, look);
    }
    let hidden = |edit: &SelfEditView| by_reason(&edit.dropped).iter().any(|(_, lines)| lines.len() > 1);
    if !all && view.self_edits.iter().any(hidden) {
        page.blank();
        page.words("--all shows every line that was left out.", 0, &Style::new().dim());
    }
    page.text()
}

/// `key facts, learning rate 1e-3, 10 epochs`.
pub fn directive_words(directive: &Directive) -> String {
    let Directive { format, learning_rate, epochs } = directive;
    let format = format.as_str().replace('_', " ");
    format!("{format}, learning rate {learning_rate:e}, {}", count(*epochs, "epoch"))
}

/// A training row on one line.
pub fn row_words(row: &RowText, look: &Look) -> String {
    match row {
        RowText::Text(text) => one_line(text),
        RowText::Turn { question, answer } => {
            format!("{} {} {}", one_line(question), look.sign("→", "->"), one_line(answer))
        }
    }
}

fn one(edit: &SelfEditView, all: bool, page: &mut Page<'_>, look: &Look) {
    let SelfEditView { candidate, passage, directive, text, rows, discarded, dropped, chosen } = edit;
    let dim = Style::new().dim();
    let head = format!("Candidate {}, passage {}", candidate + 1, passage + 1);
    let (mark, style) = match (chosen, discarded) {
        (true, _) => (format!("{} chosen", look.sign("✓", "+")), Style::new().green()),
        (false, Some(_)) => ("discarded".to_string(), Style::new().red()),
        (false, None) => (String::new(), Style::new()),
    };
    page.ends(&head, &Style::new().bold(), &mark, &style);
    page.words(&format!("{}; {}", directive_words(directive), count(rows.len(), "row")), 0, &dim);
    if let Some(why) = discarded {
        page.words(&one_line(why), 0, &Style::new().red());
    }
    if rows.is_empty() {
        page.words("Nothing of it can be trained on. The model wrote, word for word:", 0, &dim);
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            page.words(&one_line(line), 2, &dim);
        }
    }
    for row in rows {
        page.words(&row_words(row, look), 2, &Style::new());
    }
    left_out(dropped, all, page);
}

/// Lines that nothing is trained on: each, or each reason with an example.
fn left_out(dropped: &[DroppedLine], all: bool, page: &mut Page<'_>) {
    for (reason, lines) in by_reason(dropped) {
        let reason = one_line(reason);
        let shown = if all { &lines[..] } else { &lines[..1] };
        for line in shown {
            let words = match lines.len() {
                more if more > 1 && !all => {
                    format!("left out: {}: {reason}, such as: {}", count(more, "line"), one_line(line))
                }
                _ => format!("left out: {} ({reason})", one_line(line)),
            };
            page.words(&words, 2, &Style::new().dim());
        }
    }
}

/// The lines of each reason, in the order in which the reasons came first.
fn by_reason(dropped: &[DroppedLine]) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for DroppedLine { line, reason } in dropped {
        match found.iter_mut().find(|(other, _)| other == reason) {
            Some((_, lines)) => lines.push(line),
            None => found.push((reason, vec![line])),
        }
    }
    found
}
