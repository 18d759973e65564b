//! Probes: the results of the first stage, and the retention bank.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Json, Word, all, first, run};
use super::evaluations::{self, NewEvaluation};
use super::failure::not_found;
use super::generations;
use super::stages::Next;
use seald_core::domain::ids::{DocumentId, PassageId, ProbeId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::probe::{Probe, ProbeSource, Role};
use seald_core::error::Result;

/// A question that came with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppliedProbe {
    /// The question.
    pub question: String,
    /// Answers that count as right; at least one.
    pub answers: Vec<String>,
}

/// A probe that has no row yet, of the job's document.
#[derive(Debug, Clone, PartialEq)]
pub struct NewProbe {
    /// The passage it was written from.
    pub passage: Option<PassageId>,
    /// Number of the fact within the document.
    pub fact: usize,
    /// The question.
    pub question: String,
    /// Answers that count as right; at least one.
    pub answers: Vec<String>,
    /// What it is for.
    pub role: Role,
    /// Where it came from.
    pub source: ProbeSource,
    /// What came of asking it.
    pub evaluations: Vec<NewEvaluation>,
}

const COLUMNS: &str = "id, document, passage, fact, question, answers, role, source";

impl Store {
    /// Stores the probes of a document with what came of asking them, and the pass rates of the filters (`stats`, in
    /// the stage's own words; no times, as they are part of [`Store::dump`]).
    ///
    /// All that an earlier attempt at this document left goes: probes, self-edits, trials, decision, evaluations.
    /// What replay asked while learning this document about others stays.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more.
    pub fn finish_probes(
        &mut self,
        job: &Job,
        probes: &[NewProbe],
        stats: &serde_json::Value,
    ) -> Result<Job> {
        self.finish(job, Stage::Probes, |db, document| {
            clear(db, document)?;
            for probe in probes {
                insert(db, document, probe)?;
            }
            run(db, "UPDATE documents SET probe_stats = ? WHERE id = ?", params![Json(stats), document])?;
            Ok(Next::Advance)
        })
    }

    /// A document's probes, in the order in which they were stored; those of one role, or all.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn probes(&self, document: DocumentId, role: Option<Role>) -> Result<Vec<Probe>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM probes WHERE document = ?1 AND (?2 IS NULL OR role = ?2) ORDER BY id"
        );
        self.read(format_args!("the probes of document {document}"), |db| {
            all(db, &sql, params![document, role.map(Role::as_str)], row)
        })
    }

    /// The pass rates that [`Store::finish_probes`] was given; none before that.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is no such document.
    pub fn probe_stats(&self, document: DocumentId) -> Result<Option<serde_json::Value>> {
        let sql = "SELECT probe_stats FROM documents WHERE id = ?";
        self.read(format_args!("document {document}"), |db| {
            let found = first(db, sql, [document], |row| row.get::<_, Option<Json<_>>>(0))?;
            let stats = found.ok_or_else(|| not_found(format!("there is no document {document}")))?;
            Ok(stats.map(|json| json.0))
        })
    }

    /// The retention bank, or a sample of `limit` probes of it, in the order of their numbers: what the live model
    /// should know (retain probes of the accepted documents that it and its ancestors learned) and what the base knew
    /// (every preserve probe, also of documents that were rejected). Not of documents that a newer version replaced.
    ///
    /// The sample is the same whenever `seed` and the bank are. Each document gives one probe of either role before
    /// any gives a second; which ones, and which documents where there are more than `limit`, the seed says.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn bank(&self, limit: usize, seed: u64) -> Result<Vec<Probe>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM probes WHERE (role = 'preserve' AND (document IS NULL OR document IN
             (SELECT id FROM documents WHERE replaced_by IS NULL))) OR (role = 'retain' AND document IN
             (SELECT id FROM documents WHERE state = 'learned' AND replaced_by IS NULL))"
        );
        self.read("the retention bank", |db| {
            let chain = generations::chain(db, generations::live_id(db)?)?;
            let learned: HashSet<_> = chain.iter().flat_map(|generation| &generation.documents).collect();
            let mut bank = all(db, &sql, [], row)?;
            bank.retain(|p| p.role == Role::Preserve || p.document.is_some_and(|d| learned.contains(&d)));
            Ok(spread(bank, limit, seed))
        })
    }
}

fn spread(mut bank: Vec<Probe>, limit: usize, seed: u64) -> Vec<Probe> {
    // Within a group (document and role) the hash says who comes first; among groups, who goes first in a round.
    let draw = |kind: u8, number: i64| {
        let mut hash = blake3::Hasher::new();
        hash.update(&seed.to_le_bytes()).update(&[kind]).update(&number.to_le_bytes());
        *hash.finalize().as_bytes()
    };
    bank.sort_by_key(|probe| (probe.document, probe.role, draw(0, probe.id.0)));
    let mut ranked: Vec<_> = bank
        .chunk_by(|a, b| (a.document, a.role) == (b.document, b.role))
        .flat_map(|group| {
            group.iter().enumerate().map(|(rank, probe)| {
                let document = probe.document.map_or(0, |d| d.0);
                let kind = if probe.role == Role::Retain { 1 } else { 2 };
                ((rank, draw(kind, document)), probe)
            })
        })
        .collect();
    ranked.sort_by_key(|(place, _)| *place);
    let mut sample: Vec<Probe> = ranked.into_iter().take(limit).map(|(_, probe)| probe.clone()).collect();
    sample.sort_by_key(|probe| probe.id);
    sample
}

pub(super) fn clear(db: &Connection, document: DocumentId) -> Result<()> {
    // Evaluations go with the probes that they are of; those below are of other documents' probes.
    run(db, "DELETE FROM evaluations WHERE asked_for = ? AND subject <> 'replay'", [document])?;
    run(db, "DELETE FROM probes WHERE document = ?", [document])?;
    run(db, "DELETE FROM trials WHERE document = ?", [document])?;
    run(db, "DELETE FROM self_edits WHERE document = ?", [document])?;
    run(db, "DELETE FROM decisions WHERE document = ?", [document])?;
    Ok(())
}

fn insert(db: &Connection, document: DocumentId, probe: &NewProbe) -> Result<()> {
    let NewProbe { passage, fact, question, answers, role, source, evaluations } = probe;
    let sql = "INSERT INTO probes (document, passage, fact, question, answers, role, source)
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    let values = params![document, passage, fact, question, Json(answers), role.as_str(), source.as_str()];
    run(db, sql, values)?;
    let id = ProbeId(db.last_insert_rowid());
    evaluations.iter().try_for_each(|one| evaluations::insert(db, document, &one.clone().of(id)))
}

fn row(row: &Row<'_>) -> rusqlite::Result<Probe> {
    Ok(Probe {
        id: row.get("id")?,
        document: row.get("document")?,
        passage: row.get("passage")?,
        fact: row.get("fact")?,
        question: row.get("question")?,
        answers: row.get::<_, Json<_>>("answers")?.0,
        role: row.get::<_, Word<_>>("role")?.0,
        source: row.get::<_, Word<_>>("source")?.0,
    })
}
