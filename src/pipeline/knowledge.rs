//! The forgetting matrix of the live chain, read from the database.

use crate::domain::evaluation::{Evaluation, Subject};
use crate::domain::ids::{DocumentId, GenerationId};
use crate::domain::probe::{Probe, Role};
use crate::error::Result;
use crate::learn::forgetting::{Column, Matrix, Outcome};
use crate::store::Store;

/// What the base and every generation that leads to the live one know of the documents they learned: answers to retain probes, asked of the
/// base and of the generation before when the document came, and by replay since. The first row is the base.
///
/// # Errors
/// From the database.
pub fn matrix(store: &Store) -> Result<Matrix> {
    let chain = match store.live()? {
        Some(live) => store.chain(live.id)?,
        None => Vec::new(),
    };
    let (mut rows, mut columns, mut outcomes) = (vec![GenerationId::BASE], Vec::new(), Vec::new());
    for generation in &chain {
        rows.push(generation.id);
        for &document in &generation.documents {
            columns.push(Column { document, learned: Some(generation.id) });
            let probes = store.probes(document, Some(Role::Retain))?;
            for subject in [Subject::Base, Subject::Before] {
                let asked = store.evaluations(document, subject)?;
                outcomes.extend(asked.iter().filter_map(|e| outcome(e, document, &probes)));
            }
        }
    }
    let retained: Vec<(DocumentId, Vec<Probe>)> = columns
        .iter()
        .map(|c| Ok((c.document, store.probes(c.document, Some(Role::Retain))?)))
        .collect::<Result<_>>()?;
    for generation in &chain {
        let row = store.replay_row(generation.id)?;
        for (document, probes) in &retained {
            outcomes.extend(row.iter().filter_map(|e| outcome(e, *document, probes)));
        }
    }
    Ok(Matrix::new(rows, columns, &outcomes))
}

fn outcome(evaluation: &Evaluation, document: DocumentId, probes: &[Probe]) -> Option<Outcome> {
    let Evaluation { probe, generation, right, .. } = evaluation;
    let ours = probes.iter().any(|p| p.id == *probe);
    ours.then_some(Outcome { generation: *generation, document, probe: *probe, right: *right })
}
