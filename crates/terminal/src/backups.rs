//! Backups of the database.

use console::Style;

use super::look::{Look, one_line};
use super::page::Page;
use super::times::Times;
use super::words::{bytes, count};
use seald_core::protocol::{BackupView, BackupsView};

/// `1.2 MiB: 12 documents, 9 generations`.
fn holds(view: &BackupView) -> String {
    let size = bytes(view.bytes);
    match (view.documents, view.generations) {
        (Some(documents), Some(generations)) => {
            format!("{size}: {}, {}", count(documents, "document"), count(generations, "generation"))
        }
        _ => format!("{size}: cannot be used: {}", one_line(view.error.as_deref().unwrap_or("damaged"))),
    }
}

/// One that was just made.
pub fn made(view: &BackupView) -> String {
    format!("{}\n{}\n", one_line(&view.path), holds(view))
}

/// Every backup, newest first.
pub fn render(view: &BackupsView, times: Times, look: &Look) -> String {
    let mut page = Page::new(look);
    if view.backups.is_empty() {
        let words = look.hints("There is no backup yet: `sealctl backup` makes one.");
        page.words(&words, 0, &Style::new());
        return page.text();
    }
    page.line(one_line(&view.folder));
    for backup in &view.backups {
        let path = one_line(&backup.path);
        let name = path.rsplit('/').next().unwrap_or_default();
        let line = format!("{name}  {}  {}", times.ago(backup.at), holds(backup));
        match &backup.error {
            None => page.line(format!("  {line}")),
            Some(_) => page.words(&line, 2, &Style::new().red()),
        }
    }
    page.blank();
    let words = "To go back to one: stop seald, then `sealctl restore NAME`. Adapters and documents are no part of a backup: copy `adapters` and \
                 `inbox/done` too.";
    page.words(&look.hints(words), 0, &Style::new().dim());
    page.text()
}
