//! What a restore did, in words and as JSON.

use std::path::{Path, PathBuf};

use seald::pipeline::{Root, Unknown};
use seald_core::clock::Timestamp;
use seald_core::domain::ids::GenerationId;
use seald_store::Snapshot;
use seald_terminal::{Times, one_line};
use serde::Serialize;

use crate::output::count;

/// Names that are listed; `--json` has them all.
const MOST: usize = 20;

/// A backup that could not be used.
#[derive(Debug, Serialize)]
pub(super) struct PassedOver {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Why.
    pub(super) why: String,
}

/// What was done, and what came after the backup.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    root: PathBuf,
    /// The backup that is the database now; none where an earlier command had chosen it.
    pub(super) backup: Option<PathBuf>,
    /// When the last thing happened that it knows of.
    newest: Option<Timestamp>,
    documents: usize,
    generations: usize,
    /// Events that the database before it had seen and it has not; none where that cannot be told.
    pub(super) behind: Option<i64>,
    /// Where the database before it lies now.
    replaced: Option<PathBuf>,
    pub(super) passed_over: Vec<PassedOver>,
    pub(super) inbox: PathBuf,
    /// Files of `done` that it does not know, by their paths beneath it.
    pub(super) unknown_files: Vec<PathBuf>,
    /// Where those lie now that were put into the inbox again.
    pub(super) relearned: Vec<PathBuf>,
    unknown_adapters: Vec<String>,
    forgotten_since: Vec<String>,
}

impl Report {
    /// Of a database that holds this.
    pub(super) fn new(root: &Root, holds: &Snapshot, unknown: Unknown) -> Self {
        Self {
            root: root.path().to_path_buf(),
            newest: holds.newest,
            documents: holds.documents.len(),
            generations: holds.generations.iter().filter(|id| **id != GenerationId::BASE).count(),
            unknown_adapters: unknown.adapters,
            forgotten_since: unknown.forgotten,
            ..Self::default()
        }
    }

    /// With the place of the database before it.
    pub(super) fn replacing(self, replaced: Option<PathBuf>) -> Self {
        Self { replaced, ..self }
    }

    /// For a person.
    pub(super) fn text(&self, times: Times) -> String {
        let mut lines = Vec::new();
        for PassedOver { path, why } in &self.passed_over {
            lines.push(format!("Passed over {}: {}", shown(path), one_line(why)));
        }
        let what = self.backup.as_deref().map_or_else(|| "The backup".into(), shown);
        let of = self.newest.map(|at| format!(", as of {}", times.clock(at))).unwrap_or_default();
        let (documents, generations) =
            (count(self.documents, "document"), count(self.generations, "generation"));
        lines.push(format!("{what} is the database now{of}: {documents}, {generations}."));
        lines.push(match &self.replaced {
            Some(replaced) => format!(
                "The one before it is {}. To go back to it: sealctl restore {}",
                shown(replaced),
                shown(replaced)
            ),
            None => "There was no database before it.".into(),
        });
        if let Some(behind) = self.behind.filter(|behind| *behind > 0) {
            lines.push(format!("It has not seen the last {}.", count(behind as usize, "event")));
        }
        self.files(&mut lines);
        self.rest(&mut lines);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn files(&self, lines: &mut Vec<String>) {
        if self.unknown_files.is_empty() {
            return;
        }
        let (done, files) = (shown(&self.inbox.join("done")), count(self.unknown_files.len(), "file"));
        lines.push(format!("\nIt does not know {files} of {done}:"));
        list(lines, self.unknown_files.iter().map(|path| shown(path)));
        lines.push(match self.relearned.len() {
            0 => {
                "To have them learned again, give the same command with --relearn, or move them into the inbox."
                    .into()
            }
            n => format!("{} in the inbox again and will be learned.", if n == 1 { "1 lies".into() } else { format!("{n} lie") }),
        });
    }

    fn rest(&self, lines: &mut Vec<String>) {
        if !self.unknown_adapters.is_empty() {
            let adapters = count(self.unknown_adapters.len(), "adapter");
            lines.push(format!("\nIt does not know {adapters}, which the daemon moves aside (unknown-...) when it next learns:"));
            list(lines, self.unknown_adapters.iter().map(|name| one_line(name)));
        }
        if !self.forgotten_since.is_empty() {
            let documents = count(self.forgotten_since.len(), "document");
            lines.push(format!(
                "\nIt brings back {documents} that were forgotten since. Forget them again with `sealctl forget`:"
            ));
            list(lines, self.forgotten_since.iter().map(|name| one_line(name)));
        }
        let system = self.root == Path::new("/var/lib/seald");
        let start = if system { "sudo systemctl start seald" } else { "start seald as you do" };
        lines.push(format!("\nNow {start}, and look: sealctl doctor"));
    }
}

fn list(lines: &mut Vec<String>, names: impl ExactSizeIterator<Item = String>) {
    let more = names.len().saturating_sub(MOST);
    lines.extend(names.take(MOST).map(|name| format!("  {name}")));
    if more > 0 {
        lines.push(format!("  and {more} more (--json has them all)"));
    }
}

fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}
