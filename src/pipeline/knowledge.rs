//! The forgetting matrix of the live chain, read from the database.

use std::collections::HashMap;

use seald_core::domain::evaluation::{Evaluation, Subject};
use seald_core::domain::ids::{DocumentId, GenerationId, ProbeId};
use seald_core::domain::probe::Role;
use seald_core::error::Result;
use seald_learn::forgetting::{Column, Matrix, Outcome};
use seald_store::Store;

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
    let mut retained: HashMap<ProbeId, DocumentId> = HashMap::new();
    for generation in &chain {
        rows.push(generation.id);
        for &document in &generation.documents {
            columns.push(Column { document, learned: Some(generation.id) });
            let probes = store.probes(document, Some(Role::Retain))?;
            retained.extend(probes.iter().map(|probe| (probe.id, document)));
            for subject in [Subject::Base, Subject::Before] {
                let asked = store.evaluations(document, subject)?;
                outcomes.extend(
                    asked.iter().filter_map(|e| outcome(e, &retained).filter(|o| o.document == document)),
                );
            }
        }
    }
    for generation in &chain {
        let row = store.replay_row(generation.id)?;
        outcomes.extend(row.iter().filter_map(|e| outcome(e, &retained)));
    }
    Ok(Matrix::new(rows, columns, &outcomes))
}

/// An answer to a retain probe of a learned document; none for other probes.
fn outcome(evaluation: &Evaluation, retained: &HashMap<ProbeId, DocumentId>) -> Option<Outcome> {
    let Evaluation { probe, generation, right, .. } = evaluation;
    let document = *retained.get(probe)?;
    Some(Outcome { generation: *generation, document, probe: *probe, right: *right })
}
