//! Kept events as lines of a log: the time, what happened, and what it says.

use serde::Deserialize;

use super::feed::asked_nothing;
use super::look::one_line;
use super::times::Times;
use seald_core::domain::document::DocumentState;
use seald_core::domain::progress::Progress;
use seald_core::protocol::EventView;

/// Keys of an event's body that a log has room for, in this order.
const TOLD: [&str; 12] = [
    "words",
    "outcome",
    "why",
    "reason",
    "error",
    "name",
    "path",
    "generation",
    "from",
    "to",
    "model",
    "version",
];

/// One line, without an end; none for what passes by.
pub fn line(event: &EventView, times: Times) -> Option<String> {
    if matches!(event.kind.as_str(), "logged" | "progress") || asked_nothing(event) {
        return None;
    }
    let words = match Progress::deserialize(&event.body) {
        Ok(Progress::Finished { verdict, reasons, .. }) => finished(event, verdict, &reasons),
        _ => other(event),
    };
    Some(format!("{}  {words}", times.stamp(event.at)))
}

/// `refused: it is damaged; /in/a.pdf`.
fn other(event: &EventView) -> String {
    let document = event.document.map(|id| format!("document {id}"));
    let told = TOLD.into_iter().filter_map(|key| {
        let value = event.body.get(key)?.as_str()?;
        Some(if key == "version" { format!("version {}", one_line(value)) } else { one_line(value) })
    });
    let parts: Vec<String> = document.into_iter().chain(told).collect();
    let kind = one_line(&event.kind).replace('_', " ");
    if parts.is_empty() { kind } else { format!("{kind}: {}", parts.join("; ")) }
}

fn finished(event: &EventView, verdict: DocumentState, reasons: &[String]) -> String {
    let document = event.document.map_or_else(|| "a document".into(), |id| format!("document {id}"));
    let why: String = reasons.iter().map(|reason| format!("; {}", one_line(reason))).collect();
    format!("{document}: {verdict}{why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Zone;
    use seald_core::clock::Timestamp;
    use seald_core::domain::ids::DocumentId;

    #[test]
    fn a_line_has_the_day_and_nothing_that_a_terminal_obeys() {
        let now = Timestamp(1_795_369_200_000);
        let times = Times { now, zone: Zone::Utc };
        let event = |kind: &str, document: Option<i64>, body: serde_json::Value| {
            let document = document.map(DocumentId);
            line(&EventView { id: Some(1), at: now, job: None, document, kind: kind.into(), body }, times)
        };
        let refused = serde_json::json!({ "path": "/in/a.pdf", "reason": "it is\n\u{1b}[31mdamaged" });
        assert_eq!(
            event("refused", None, refused).unwrap(),
            "2026-11-22 17:40:00  refused: it is [31mdamaged; /in/a.pdf"
        );
        let finished = serde_json::json!({
            "event": "finished", "verdict": "rejected", "reasons": ["too little"], "before": null, "after": null, "seconds": 1.0
        });
        assert_eq!(
            event("finished", Some(7), finished).unwrap(),
            "2026-11-22 17:40:00  document 7: rejected; too little"
        );
        let live = serde_json::json!({ "event": "live", "generation": "gen-000003" });
        assert_eq!(event("live", None, live).unwrap(), "2026-11-22 17:40:00  live: gen-000003");
        let started = serde_json::json!({ "version": "0.1.0", "pid": 7 });
        assert_eq!(event("started", None, started).unwrap(), "2026-11-22 17:40:00  started: version 0.1.0");
        let gone = event("file_removed", Some(7), serde_json::json!({}));
        assert_eq!(gone.unwrap(), "2026-11-22 17:40:00  file removed: document 7");
        assert_eq!(event("paused", None, serde_json::json!({})).unwrap(), "2026-11-22 17:40:00  paused");
        assert_eq!(event("progress", None, serde_json::json!({})), None);
    }
}
