//! The daemon's events as readable lines, for `watch` and `top`.

use std::collections::VecDeque;

use serde_json::Value;

use super::lines::Lines;
use super::look::{Look, one_line};
use seald_core::domain::ids::DocumentId;
use seald_core::domain::progress::Progress;
use seald_core::protocol::{Activity, EventView, StatusView};

/// Progress that is remembered, to tell nothing twice.
const REMEMBERED: usize = 64;
/// Keys of an event's body that say most, in this order.
const TELLING: [&str; 10] =
    ["words", "message", "reason", "error", "name", "title", "path", "file", "generation", "to"];

/// Turns events into lines.
pub struct Feed {
    lines: Lines,
    document: Option<DocumentId>,
    /// Progress told, whether its event had a number, and of which document: what is kept comes a second time.
    recent: VecDeque<(bool, Option<DocumentId>, Progress)>,
}

impl Feed {
    /// Nothing told yet.
    pub fn new(look: Look) -> Self {
        Self { lines: Lines::new(None, look), document: None, recent: VecDeque::new() }
    }

    /// Takes up the document that was under way when we came.
    pub fn join(&mut self, status: &StatusView) {
        if let Activity::Learning(learning) = &status.activity {
            self.document = Some(learning.document);
            self.lines.join(&learning.title);
        }
    }

    /// The lines for an event and the progress that it carries; often none.
    pub fn tell(&mut self, event: &EventView, progress: Option<&Progress>) -> Vec<String> {
        let Some(progress) = progress else { return other(event).into_iter().collect() };
        if self.again(event, progress) {
            return Vec::new();
        }
        if let Some(id) = event.document.filter(|id| self.document != Some(*id)) {
            self.document = Some(id);
            if !matches!(progress, Progress::Started { .. }) {
                self.lines.join(&format!("document {id}"));
            }
        }
        self.lines.tell_at(progress, event.at)
    }

    /// Whether the same was told already, by an event with a number where this one has none, or the other way round.
    fn again(&mut self, event: &EventView, progress: &Progress) -> bool {
        if matches!(progress, Progress::Step { .. } | Progress::Working(_)) {
            return false;
        }
        let kept = event.id.is_some();
        let same = |(other, document, told): &(bool, Option<DocumentId>, Progress)| {
            *other != kept && *document == event.document && told == progress
        };
        if let Some(place) = self.recent.iter().position(same) {
            self.recent.remove(place);
            return true;
        }
        self.recent.push_back((kept, event.document, progress.clone()));
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        false
    }
}

/// Whether it tells of a replay that had nothing to ask about: nothing happened.
pub(crate) fn asked_nothing(event: &EventView) -> bool {
    event.kind == "replayed" && event.body.get("asked").and_then(Value::as_u64) == Some(0)
}

/// An event that is no progress: its kind, and what its body says.
fn other(event: &EventView) -> Option<String> {
    if matches!(event.kind.as_str(), "logged" | "progress") || asked_nothing(event) {
        return None;
    }
    let said = match &event.body {
        Value::String(words) => Some(words.as_str()),
        body => TELLING.into_iter().find_map(|key| body.get(key)?.as_str()),
    };
    let kind = one_line(&event.kind).replace(['_', '-'], " ");
    let words = match (said, event.document) {
        (Some(words), _) => format!("{kind}: {}", one_line(words)),
        (None, Some(document)) => format!("{kind}: document {document}"),
        (None, None) => kind,
    };
    Some(words)
}
