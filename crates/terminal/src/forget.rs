//! What forgetting a document would remove and what it would not, before anybody says yes.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::words::count;
use seald_core::protocol::DocumentView;

/// The question, with everything that hangs on the answer. `live` is the folder name of the live generation; none for the base.
pub fn question(document: &DocumentView, live: Option<&str>, keep_history: bool, look: &Look) -> String {
    let plain = Style::new();
    let mut page = Page::new(look);
    let line = &document.line;
    let title = one_line(&line.title);
    let title = if title.is_empty() { one_line(&line.name) } else { title };
    page.words(&title, 0, &Style::new().bold());
    page.words(&format!("{}, number {}", one_line(&line.name), line.id), 0, &Style::new().dim());
    page.blank();
    page.field(
        "Removed",
        "its text, questions, answers and self-edits, and those of its earlier versions",
        &plain,
    );
    page.field("", "its files in inbox/done, with the questions beside them", &plain);
    let contain = &document.contained_in;
    if !keep_history {
        page.field("", "every backup of the database; one is made anew without it", &plain);
        page.field("", &adapters_words(contain), &plain);
        page.field("", "writers of self-edits that were trained on it", &plain);
    }
    let words = if live.is_some_and(|live| contain.iter().any(|name| name == live)) {
        "everything else, anew from the base: about as long as a consolidation"
    } else {
        "nothing: the live model does not contain it"
    };
    page.field("Trained", words, &plain);
    if keep_history {
        let words = format!("backups, and {}", adapters_words(contain));
        page.field("Kept", &words, &Style::new().yellow());
    }
    let words = "what lies elsewhere: your own copies and backups, copied adapters, the system's log; and here that a document of this number was forgotten";
    page.field("Stays", words, &Style::new().yellow());
    page.text()
}

fn adapters_words(names: &[String]) -> String {
    match names {
        [] => "no adapter: none contains it".to_string(),
        [one] => format!("the adapter that contains it: {}", one_line(one)),
        [first, .., last] => format!(
            "{} that contain it: {} to {}",
            count(names.len(), "adapter"),
            one_line(first),
            one_line(last)
        ),
    }
}
