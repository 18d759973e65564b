//! The daemon at a glance.

use std::fs;

use super::super::service::{Reading, Service};
use super::knowledge::knowledge;
use super::suspects::suspects;
use super::time_left::time_left;
use crate::pipeline::longest_learned;
use crate::pipeline::monitor::Now;
use seald_core::domain::document::DocumentState;
use seald_core::error::Result;
use seald_core::protocol::{DocumentCounts, ModelState, StatusView};
use seald_store::Store;

/// What the daemon is doing, what it knows, what it forgot and what comes next.
pub(in crate::api) fn status(service: &Service, reading: &mut Reading) -> Result<StatusView> {
    let documents = counts(&reading.store)?;
    let suspects = suspects(&reading.store)?;
    let knowledge = knowledge(reading)?;
    let now = service.monitor.now();
    let (max_passages, model) = (now.max_passages, now.model);
    let longest =
        max_passages.map_or(u64::MAX, |most| longest_learned(most, model.map(|facts| facts.context)));
    let time_left = time_left(reading, &now, longest, service.clock.now())?;
    let Now { activity, work, held, trouble, loaded, next, serve_to, refused, problems, .. } = now;
    let documents = DocumentCounts {
        refused: refused.files.len() + refused.more,
        unreadable: refused.unreadable.len(),
        ..documents
    };
    Ok(StatusView {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        started_at: service.started_at,
        root: service.root.display().to_string(),
        inbox: service.inbox.display().to_string(),
        activity,
        work,
        time_left,
        held: held.or(trouble),
        model: ModelState { name: service.model.clone(), loaded, resident_bytes: resident_bytes() },
        documents,
        knowledge,
        next,
        serve_to,
        problems: problems
            .into_values()
            .chain(suspects)
            .chain(service.control.load().stuck_in_words())
            .collect(),
    })
}

fn counts(store: &Store) -> Result<DocumentCounts> {
    let mut counts = DocumentCounts::default();
    for (state, count) in store.count_documents()? {
        *match state {
            // The rows know of no other.
            DocumentState::Waiting | DocumentState::Learning => &mut counts.waiting,
            DocumentState::Learned => &mut counts.learned,
            DocumentState::Rejected => &mut counts.rejected,
            DocumentState::Failed => &mut counts.failed,
        } = count;
    }
    Ok(counts)
}

/// Bytes of memory that the process takes; 0 where the system does not tell.
fn resident_bytes() -> u64 {
    // Sizes in pages: the whole, then what is resident, then others (proc(5)).
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let pages: Option<u64> = pages.and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}
