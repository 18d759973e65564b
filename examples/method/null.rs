//! Null edits: an adapter that learned another document is put before the gate. It should not pass.

use seald_core::domain::decision::Decision;
use seald_core::domain::probe::Role;
use seald_core::domain::self_edit::Format;
use seald_core::error::Result;
use seald_learn::author::Author;
use seald_learn::gate::GateOptions;
use seald_learn::judge::{self, Asked};
use seald_learn::options::LearnOptions;
use seald_learn::probes;
use seald_learn::session::{Question, Session};
use seald_learn::trials::Halving;

use crate::data::Document;
use crate::lab::{Lab, NEVER, edit, question, reading};

/// The gate's decisions on each document's probes after the next document was learned instead.
pub(crate) fn measure(
    lab: &Lab<'_>,
    documents: &[Document],
    steps: usize,
    options: &GateOptions,
) -> Result<Vec<Option<Decision>>> {
    let mut decisions = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let other = &documents[(number + 1) % documents.len()];
        let (kept, _) = probes::make(&lab.session, reading(document), &[], None, Author::Model(None))?;
        let gate: Vec<_> = kept.iter().filter(|k| k.role == Role::Gate).collect();
        let learn = LearnOptions { final_steps: steps, ..lab.session.options.clone() };
        let mut session = Session::new(lab.session.model, learn, &NEVER)?;
        session.gate = options.clone();
        let mut rows = lab.edit(other, Format::ImplicationsLong, number as u64)?;
        rows.extend(lab.edit(other, Format::SelfQa, number as u64)?);
        let asked: Vec<Question<'_>> = other.of(&["select"]).map(|q| question(&q.asked)).collect();
        let halving = Halving::new(&session, lab.material(other), None, &asked)?;
        let trials = halving.only(edit(rows, 3e-3, steps), &mut |_| {})?;
        let asked: Vec<Asked<'_>> = gate
            .iter()
            .map(|k| {
                let question =
                    Question { text: &k.question, answers: &k.answers, passage: None, decoys: &[] };
                Asked { question, fact: k.fact, before: &k.before }
            })
            .collect();
        let probes = judge::Probes { gate: &asked, controls: &[], bank: &[], reading: None };
        let judged = (!asked.is_empty())
            .then(|| judge::judge(&session, None, &trials.adapter, probes, &lab.rehearsal))
            .transpose()?;
        decisions.push(judged.map(|j| j.decision));
        eprintln!("document {} of {}", number + 1, documents.len());
    }
    Ok(decisions)
}
