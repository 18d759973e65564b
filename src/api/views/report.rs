//! From rows of the database to what is said of them.

use crate::pipeline::{self, Finished};
use seald_core::domain::document::Document;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::generation::{Generation, Origin};
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::error::Result;
use seald_core::protocol::{
    Accuracies, Cell, Column, DocumentReport, ForgettingView, Measures, ProbeCounts, SelfEditCounts, Share,
    Tally, TimeShares, TrialReport,
};
use seald_store::Store;

/// All that is known of one document. `finished` is how its job ended, if that was just now.
///
/// # Errors
/// From the database.
pub fn document(store: &Store, id: DocumentId, finished: Option<&Finished>) -> Result<DocumentReport> {
    let Document { hash, name, title, state, reasons, .. } = store.document(id)?;
    let probes = store.probes(id, None)?;
    let supplied = probes.iter().filter(|p| p.source == ProbeSource::Supplied).count();
    let mut facts: Vec<usize> = probes.iter().filter(|p| p.role != Role::Preserve).map(|p| p.fact).collect();
    facts.sort_unstable();
    facts.dedup();
    let rates = store.probe_stats(id)?;
    let rate = |name: &str| {
        let found = rates.as_ref().and_then(|r| r.get(name)).and_then(serde_json::Value::as_u64);
        found.and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    };
    let self_edits = store.self_edits(id)?;
    let mut trials: Vec<TrialReport> = store.trials(id)?.iter().map(TrialReport::from).collect();
    trials.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    let decision = store.decision(id)?;
    let (live, holds) =
        (store.live()?.map_or(GenerationId::BASE, |g| g.id), |g: &Generation| g.documents.contains(&id));
    // The one that the live model stands on, else the newest: a document may be learned several times.
    let generation = store.chain(live)?.into_iter().find(holds);
    let generation = generation.or(store.generations()?.into_iter().rfind(holds));
    let seconds = finished.map_or(0.0, |f| f.seconds);
    Ok(DocumentReport {
        path: name,
        known: false,
        title,
        hash,
        verdict: state,
        reasons,
        probes: probes.len(),
        probe_counts: ProbeCounts {
            supplied,
            written: rate("written"),
            kept: rate("kept"),
            facts: facts.len(),
        },
        accuracies: accuracies(store, id)?,
        self_edits: SelfEditCounts {
            written: self_edits.len(),
            discarded: self_edits.iter().filter(|e| e.discarded.is_some()).count(),
            rows: self_edits.iter().map(|e| e.rows.len()).sum(),
            dropped_lines: self_edits.iter().map(|e| e.dropped.len()).sum(),
        },
        tokens_trained: trials.iter().map(|t| t.tokens).sum(),
        trials,
        scale: decision.as_ref().map(|d| d.scale),
        findings: decision.map(|d| d.findings).unwrap_or_default(),
        generation: generation.map(|g| g.id.folder()),
        time: finished.map(time).unwrap_or_default(),
        seconds,
    })
}

fn time(finished: &Finished) -> TimeShares {
    let share = |seconds: f64| if finished.seconds > 0.0 { seconds / finished.seconds } else { 0.0 };
    TimeShares {
        generation: share(finished.cost.generation_seconds),
        training: share(finished.cost.training_seconds),
        scoring: share(finished.cost.scoring_seconds),
    }
}

/// The answers to a document's gate probes.
fn accuracies(store: &Store, id: DocumentId) -> Result<Accuracies> {
    let share = |subject: Subject| -> Result<Option<Share>> {
        let (right, asked) = store.right_of_asked(id, Role::Gate, subject)?;
        Ok(Share::of(right, asked))
    };
    Ok(Accuracies {
        baseline: share(Subject::Base)?,
        in_context: share(Subject::InContext)?,
        before: share(Subject::Before)?,
        adapter: share(Subject::Candidate)?,
    })
}

/// The forgetting matrix of the live chain with what follows from it.
///
/// # Errors
/// From the database.
pub fn forgetting(store: &Store) -> Result<ForgettingView> {
    let matrix = pipeline::matrix(store)?;
    let figures = matrix.figures();
    let cell = |generation: GenerationId, document: DocumentId| {
        matrix.cell(generation, document).map(|c| Cell { right: c.right, asked: c.asked })
    };
    let rows: Vec<GenerationId> =
        matrix.generations().iter().copied().filter(|g| *g != GenerationId::BASE).collect();
    let mut consolidated = Vec::new();
    for id in &rows {
        if store.generation(*id)?.origin == Origin::Consolidated {
            consolidated.push(id.folder());
        }
    }
    let mut columns = Vec::new();
    for column in matrix.columns() {
        let document = store.document(column.document)?.title;
        columns.push(Column { document, learned_in: column.learned.map(GenerationId::folder) });
    }
    let along =
        |generation: GenerationId| matrix.columns().iter().map(|c| cell(generation, c.document)).collect();
    let tally = |share: pipeline::Counted| Tally { count: share.count, of: share.of };
    Ok(ForgettingView {
        cells: rows.iter().map(|generation| along(*generation)).collect(),
        base: along(GenerationId::BASE),
        rows: rows.into_iter().map(GenerationId::folder).collect(),
        consolidated,
        columns,
        measures: Measures {
            accuracy: figures.accuracy.map(|m| m.value),
            backward_transfer: figures.backward_transfer.map(|m| m.value),
            forward_transfer: figures.forward_transfer.map(|m| m.value),
            forgetting: figures.forgetting.map(|m| m.value),
            lost: tally(figures.flips.lost),
            won: tally(figures.flips.gained),
        },
    })
}
