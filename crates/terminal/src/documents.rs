//! Documents as a table: one line each, and beneath it why not.

use console::Style;

use super::look::{Look, columns, one_line};
use super::page::Page;
use super::status::waiting_words;
use super::times::Times;
use super::words::{count, left_words};
use seald_core::domain::document::DocumentState;
use seald_core::protocol::{
    DocumentLine, DocumentsPage, RefusedFile, RefusedFiles, StatusView, UnreadablePlace,
};

/// Blanks between columns.
const GAP: usize = 2;
/// Columns of a name below which other columns are left out.
const NAME: usize = 24;
/// Columns of `rejected` with its sign.
const VERDICT: usize = 10;
/// Columns of `100 % → 100 %`.
const CHANGE: usize = 13;

/// Which columns there is room for.
struct Layout {
    number: usize,
    name: usize,
    change: bool,
    came: usize,
}

/// The table, newest first; and about how long what waits will take, where something does and the daemon's status is given.
pub fn render(page: &DocumentsPage, status: Option<&StatusView>, times: Times, look: &Look) -> String {
    let mut text = Page::new(look);
    if page.documents.is_empty() {
        let words = if page.total == 0 {
            "No document fits. Drop files into the inbox, or use `sealctl add FILE`."
        } else {
            "No more documents."
        };
        text.words(&look.hints(words), 0, &Style::new());
        return text.text();
    }
    let layout = layout(&page.documents, times, look);
    let head = join(&layout, look, ["no", "document", "right answers", "came"], "state".to_string());
    text.line(look.paint(Style::new().bold(), head.trim_end()));
    for document in &page.documents {
        text.line(line(document, &title(document), &layout, times, look));
        text.words(&whence(document, status), layout.number + GAP, &Style::new().dim());
        for reason in &document.reasons {
            text.words(&look.hints(&one_line(reason)), layout.number + GAP, &Style::new().dim());
        }
    }
    let (shown, total) = (page.documents.len(), page.total);
    if shown < total {
        text.blank();
        let words = format!("{shown} of {}: --limit shows more", count(total, "document"));
        text.words(&words, 0, &Style::new().dim());
    }
    if let Some(waits) = status.and_then(waiting_words) {
        text.blank();
        text.words(&format!("{waits}."), 0, &Style::new());
    }
    text.text()
}

/// What could not be read, with the reasons; nothing where there is nothing such.
pub fn refused(refused: &RefusedFiles, times: Times, look: &Look) -> String {
    let mut text = Page::new(look);
    let RefusedFiles { files, more, unreadable } = refused;
    if !files.is_empty() {
        let heading = format!("{} could not be read (in inbox/failed):", count(files.len() + more, "file"));
        text.line(look.paint(Style::new().bold(), &heading));
    }
    for RefusedFile { path, reason, at } in files {
        text.words(&format!("{}, {}", one_line(path), times.ago(*at)), 0, &Style::new());
        text.words(&one_line(reason), GAP, &Style::new().dim());
    }
    if !unreadable.is_empty() {
        let heading = format!("{} in the inbox is not learned:", count(unreadable.len(), "place"));
        text.line(look.paint(Style::new().bold(), &heading));
    }
    for UnreadablePlace { path, reason } in unreadable {
        text.words(&one_line(path), 0, &Style::new());
        text.words(&one_line(reason), GAP, &Style::new().dim());
    }
    text.text()
}

/// Each document as one line, as wide as the place.
pub fn lines(documents: &[DocumentLine], times: Times, look: &Look) -> Vec<String> {
    let layout = layout(documents, times, look);
    documents.iter().map(|document| line(document, &name(document), &layout, times, look)).collect()
}

fn layout(documents: &[DocumentLine], times: Times, look: &Look) -> Layout {
    let number = documents.iter().map(|d| d.id.to_string().len()).max().unwrap_or(0).max("no".len());
    let came = documents.iter().map(|d| columns(&times.ago(d.received_at))).max().unwrap_or(0);
    let fixed = number + GAP + GAP + VERDICT;
    let room = look.width.saturating_sub(fixed);
    let with = |more: usize| room.saturating_sub(more) >= NAME;
    let change = with(GAP + CHANGE);
    let came = if with(GAP + CHANGE + GAP + came) { came } else { 0 };
    let taken = if change { GAP + CHANGE } else { 0 } + if came > 0 { GAP + came } else { 0 };
    Layout { number, name: room.saturating_sub(taken), change, came }
}

fn line(document: &DocumentLine, name: &str, layout: &Layout, times: Times, look: &Look) -> String {
    let (sign, style) = look.verdict(document.state);
    let state = format!("{sign} {}", document.state);
    let change = match (document.before, document.after) {
        (Some(before), Some(after)) => look.change(before, after),
        _ => String::new(),
    };
    let (number, came) = (document.id.to_string(), times.ago(document.received_at));
    let state = look.paint(style, &state);
    join(layout, look, [&number, name, &change, &came], state).trim_end().to_string()
}

/// The title, or the file's name where there is none.
fn title(document: &DocumentLine) -> String {
    let title = one_line(&document.title);
    if title.is_empty() { one_line(&document.name) } else { title }
}

/// What stands beneath a title: the file's name with its subfolder, and what holds what it taught, or takes its place.
fn whence(document: &DocumentLine, status: Option<&StatusView>) -> String {
    let tag = document.tag.as_deref().map_or_else(String::new, |tag| format!("{}/", one_line(tag)));
    let mut words = format!("{tag}{}", one_line(&document.name));
    if let Some(generation) = &document.generation {
        words += &format!(", in {}", one_line(generation));
    }
    if let Some(by) = document.replaced_by {
        words += &format!(", replaced by document {by}");
    }
    let left =
        status.filter(|_| document.state == DocumentState::Learning).and_then(|now| now.time_left.document);
    if let Some(left) = left {
        words += &format!(", {}", left_words(left));
    }
    words
}

/// The title with its subfolder, marked where a newer version takes its place: all of it on one line.
fn name(document: &DocumentLine) -> String {
    let title = title(document);
    let tag = document.tag.as_deref().map_or_else(String::new, |tag| format!("{}/ ", one_line(tag)));
    let newer = document.replaced_by.map_or_else(String::new, |by| format!("(replaced by {by}) "));
    format!("{newer}{tag}{title}")
}

fn join(layout: &Layout, look: &Look, cells: [&str; 4], state: String) -> String {
    let [number, name, change, came] = cells;
    let gap = " ".repeat(GAP);
    let mut line =
        format!("{number:>width$}{gap}{}{gap}{state}", look.fit(name, layout.name), width = layout.number);
    if columns(&state) < VERDICT {
        line += &" ".repeat(VERDICT - columns(&state));
    }
    if layout.change {
        line += &format!("{gap}{}", look.fit(change, CHANGE));
    }
    if layout.came > 0 {
        line += &format!("{gap}{}", look.fit(came, layout.came));
    }
    line
}
