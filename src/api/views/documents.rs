//! Documents in a list, and the story of one.

use std::collections::{HashMap, HashSet};

use super::report::document;
use seald_core::domain::evaluation::Evaluation;
use seald_core::domain::ids::{DocumentId, GenerationId, JobId, PassageId, ProbeId};
use seald_core::error::Result;
use seald_core::protocol::{
    DocumentLine, DocumentView, DocumentsPage, GivenAnswer, JobView, ProbeView, SelfEditView, SelfEditsView,
};
use seald_store::{DocumentFilter, DocumentRow, Store};

/// A page of documents that fit the filter, newest first.
pub(in crate::api) fn documents(
    store: &Store,
    filter: &DocumentFilter,
    before: Option<DocumentId>,
    limit: usize,
) -> Result<DocumentsPage> {
    // One more says whether there is another page.
    let (mut rows, total) = store.document_rows(filter, before, limit + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_before = rows.last().map(|row| row.id).filter(|_| more);
    Ok(DocumentsPage { documents: rows.into_iter().map(as_line).collect(), next_before, total })
}

/// One document as in a list.
pub(in crate::api) fn line(store: &Store, id: DocumentId) -> Result<DocumentLine> {
    Ok(as_line(store.document_row(id)?))
}

fn as_line(row: DocumentRow) -> DocumentLine {
    let DocumentRow { id, name, title, tag, format, state, reasons, received_at, replaced_by, .. } = row;
    let (generation, before, after) = (row.generation.map(GenerationId::folder), row.before, row.after);
    DocumentLine {
        id,
        name,
        title,
        tag,
        format,
        state,
        reasons,
        received_at,
        replaced_by,
        generation,
        before,
        after,
    }
}

/// A document from file to verdict.
pub(in crate::api) fn story(store: &Store, id: DocumentId) -> Result<DocumentView> {
    let job = store.job_of(id)?;
    let (characters, passages) = store.document_size(id)?;
    // As if a job forgot it that has made nothing yet.
    let contain = store.generations_with(&store.versions(id)?, JobId(0))?;
    Ok(DocumentView {
        line: line(store, id)?,
        job: JobView {
            id: job.id,
            state: job.state,
            stage: job.stage,
            attempts: job.attempts,
            error: job.error,
        },
        characters,
        passages,
        contained_in: contain.into_iter().map(GenerationId::folder).collect(),
        report: document(store, id, None)?,
        probes: probes(store, id)?,
    })
}

pub(super) fn probes(store: &Store, id: DocumentId) -> Result<Vec<ProbeView>> {
    let mut given: HashMap<ProbeId, Vec<GivenAnswer>> = HashMap::new();
    for answer in store.answers_about(id)? {
        let Evaluation { probe, subject, generation, answer, right, log_prob, .. } = answer;
        let generation = (generation != GenerationId::BASE).then(|| generation.folder());
        given.entry(probe).or_default().push(GivenAnswer { subject, generation, answer, right, log_prob });
    }
    let view = |probe: seald_core::domain::probe::Probe| ProbeView {
        given: given.remove(&probe.id).unwrap_or_default(),
        question: probe.question,
        answers: probe.answers,
        role: probe.role,
        source: probe.source,
    };
    Ok(store.probes(id, None)?.into_iter().map(view).collect())
}

/// What the model wrote for itself about a document, by candidate and passage.
pub(in crate::api) fn self_edits(store: &Store, id: DocumentId) -> Result<SelfEditsView> {
    let title = store.document_row(id)?.title;
    let numbers: HashMap<PassageId, usize> =
        store.passages(id)?.into_iter().map(|passage| (passage.id, passage.index)).collect();
    let trials = store.trials(id)?;
    let chosen: HashSet<_> =
        trials.iter().filter(|trial| trial.chosen).flat_map(|trial| &trial.self_edits).collect();
    let view = |edit: seald_core::domain::self_edit::SelfEdit| SelfEditView {
        candidate: edit.candidate,
        passage: numbers.get(&edit.passage).copied().unwrap_or(0),
        directive: edit.directive,
        text: edit.text,
        rows: edit.rows,
        discarded: edit.discarded,
        dropped: edit.dropped,
        chosen: chosen.contains(&edit.id),
    };
    let mut self_edits: Vec<_> = store.self_edits(id)?.into_iter().map(view).collect();
    self_edits.sort_by_key(|edit| (edit.candidate, edit.passage));
    Ok(SelfEditsView { id, title, self_edits })
}
