//! What the live generation knows and what it lost: computed once a change, for it reads every replay of the chain.

use std::collections::HashMap;

use super::super::service::{Known, Reading};
use crate::pipeline;
use seald_core::domain::generation::Generation;
use seald_core::domain::ids::{DocumentId, ProbeId};
use seald_core::error::Result;
use seald_core::protocol::{Fading, KnowledgeView, Share};
use seald_store::{RetainedAnswer, Store};

/// Fading documents that are told.
const FADING: usize = 5;

/// What the live generation knows: as computed before, where nothing that it depends on has changed.
pub(super) fn knowledge(reading: &mut Reading) -> Result<KnowledgeView> {
    // Read first: what is written meanwhile counts as a change the next time.
    let changes = reading.store.changes()?;
    if let Some(known) = reading.known.as_ref().filter(|known| known.changes == changes) {
        return Ok(known.view.clone());
    }
    let mark = reading.store.knowledge_mark()?;
    let view = match reading.known.take().filter(|known| known.mark == mark) {
        Some(known) => known.view,
        None => compute(&reading.store)?,
    };
    reading.known = Some(Known { changes, mark, view: view.clone() });
    Ok(view)
}

fn compute(store: &Store) -> Result<KnowledgeView> {
    let Some(live) = store.live()? else { return Ok(KnowledgeView::default()) };
    let chain = store.chain(live.id)?;
    let now = store.retained(live.id)?;
    let both: Vec<bool> = now.iter().filter_map(|answer| answer.base).collect();
    Ok(KnowledgeView {
        live: Some(live.id.folder()),
        live_since: Some(store.live_since()?.unwrap_or(live.created_at)),
        documents: chain.iter().map(|generation| generation.documents.len()).sum(),
        now: Share::of(now.iter().filter(|answer| answer.right).count(), now.len()),
        base: Share::of(both.iter().filter(|right| **right).count(), both.len()),
        backward_transfer: pipeline::matrix(store)?.figures().backward_transfer.map(|mean| mean.value),
        fading: fading(store, &chain, &now)?,
    })
}

/// The documents that lost answers since they were learned, the worst first, over probes that were asked both times.
fn fading(store: &Store, chain: &[Generation], now: &[RetainedAnswer]) -> Result<Vec<Fading>> {
    let now: HashMap<ProbeId, bool> = now.iter().map(|answer| (answer.probe, answer.right)).collect();
    let mut lost: Vec<(DocumentId, Fading)> = Vec::new();
    let Some((_, earlier)) = chain.split_last() else { return Ok(Vec::new()) };
    for generation in earlier {
        let then = store.retained(generation.id)?;
        for &document in &generation.documents {
            let mut fading = Fading { title: String::new(), was_right: 0, right: 0, asked: 0 };
            for answer in then.iter().filter(|answer| answer.document == document) {
                let Some(right) = now.get(&answer.probe) else { continue };
                fading.asked += 1;
                fading.was_right += usize::from(answer.right);
                fading.right += usize::from(*right);
            }
            if fading.right < fading.was_right {
                lost.push((document, fading));
            }
        }
    }
    lost.sort_by_key(|(document, fading)| (fading.right as i64 - fading.was_right as i64, *document));
    let told = lost.into_iter().take(FADING);
    told.map(|(document, fading)| Ok(Fading { title: store.document_row(document)?.title, ..fading }))
        .collect()
}
