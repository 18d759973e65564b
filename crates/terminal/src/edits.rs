//! What the model wrote for itself about one document, and what was made of it.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::words::count;
use seald_core::domain::self_edit::{Directive, RowText};
use seald_core::protocol::{SelfEditView, SelfEditsView};

/// Every self-edit, by candidate and passage.
pub fn render(view: &SelfEditsView, look: &Look) -> String {
    let mut page = Page::new(look);
    page.words(&one_line(&view.title), 0, &Style::new().bold());
    if view.self_edits.is_empty() {
        page.words("Nothing was written about it yet.", 0, &Style::new());
    }
    for edit in &view.self_edits {
        page.blank();
        one(edit, &mut page, look);
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

fn one(edit: &SelfEditView, page: &mut Page<'_>, look: &Look) {
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
    for line in dropped {
        let words = format!("left out: {} ({})", one_line(&line.line), one_line(&line.reason));
        page.words(&words, 2, &dim);
    }
}
