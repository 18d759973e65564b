//! Files that come over the API go into the inbox like all others; questions are looked at before, while whoever sends them listens.

use std::sync::mpsc::Sender;

use crate::api::Put;
use seald_ingest::inbox::Inbox;
use seald_ingest::{Limits, check_probes};

/// The way into `inbox`; `hints` make it look.
pub(super) fn put(inbox: Inbox, limits: Limits, hints: Sender<()>) -> Put {
    Box::new(move |name, tag, bytes| {
        check_probes(name, bytes, &limits)?;
        let place = inbox.put(name, tag, bytes)?;
        // The inbox looks at once, whether or not the watcher saw it.
        let _ = hints.send(());
        Ok(place)
    })
}
