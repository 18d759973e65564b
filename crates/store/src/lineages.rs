//! Lineages: which base model everything that is live stands on, and the change to another.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{all, first, run};
use super::failure::conflict;
use super::{documents, generations, jobs};
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::{DocumentId, GenerationId, LineageId, WriterId};
use seald_core::domain::job::{Event, JobState};
use seald_core::domain::lineage::Lineage;
use seald_core::error::Result;

/// What a change of the base model does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasePlan {
    /// What becomes live: what was when the model was last left, or the base.
    pub live: GenerationId,
    /// Documents that wait to be learned again.
    pub again: Vec<DocumentId>,
    /// Documents that are not known any more, and a newer version of each.
    pub replaced: Vec<(DocumentId, DocumentId)>,
    /// Documents that are known again.
    pub known_again: Vec<DocumentId>,
}

/// What a change of the base model did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChanged {
    /// The lineage that is present now.
    pub to: Lineage,
    /// What was live, and is not any more.
    pub left: GenerationId,
    /// What followed.
    pub plan: BasePlan,
}

const COLUMNS: &str = "id, base_fingerprint, model, begun_at, left_at, generation";

impl Store {
    /// The present lineage; none before any model was used.
    ///
    /// # Errors
    /// Those of the database alone, here and wherever no others are named.
    pub fn lineage(&self) -> Result<Option<Lineage>> {
        self.read("the lineage", present)
    }

    /// Every lineage, in the order in which they were begun.
    ///
    /// # Errors
    /// As [`Store::lineage`].
    pub fn lineages(&self) -> Result<Vec<Lineage>> {
        let sql = format!("SELECT {COLUMNS} FROM lineages ORDER BY id");
        self.read("the lineages", |db| all(db, &sql, [], row))
    }

    /// The base model that somebody asked to change over to.
    ///
    /// # Errors
    /// As [`Store::lineage`].
    pub fn wanted_model(&self) -> Result<Option<String>> {
        self.read("the wanted base model", |db| {
            Ok(first(db, "SELECT wanted_model FROM live", [], |row| row.get(0))?.flatten())
        })
    }

    /// Asks to change over to a base model, or, with none, no longer.
    ///
    /// # Errors
    /// As [`Store::lineage`].
    pub fn want_model(&mut self, model: Option<&str>) -> Result<()> {
        self.write("note the wanted base model", |db| {
            run(db, "UPDATE live SET wanted_model = ?", [model]).map(drop)
        })
    }

    /// Notes the base model that is used. Until something was learned, any other may take its place.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where what was learned stands on another one.
    pub fn use_base(&mut self, fingerprint: &str, model: &str, now: Timestamp) -> Result<()> {
        self.write(format_args!("use {model}"), |db| {
            let present = present(db)?;
            if let Some(same) = present.as_ref().filter(|present| present.base_fingerprint == fingerprint) {
                if same.model != model {
                    run(db, "UPDATE lineages SET model = ? WHERE id = ?", params![model, same.id])?;
                }
                return Ok(());
            }
            let sql = "SELECT base_fingerprint FROM generations ORDER BY id DESC LIMIT 1";
            let learned: Option<String> = first(db, sql, [], |row| row.get(0))?;
            if present.is_none() && learned.as_deref().is_none_or(|base| base == fingerprint) {
                return begin(db, fingerprint, model, now).map(drop);
            }
            if learned.is_none() {
                // The old one taught nothing: it was a model that somebody tried, or named by mistake.
                run(db, "DELETE FROM lineages", [])?;
                return begin(db, fingerprint, model, now).map(drop);
            }
            let whose = present.map_or_else(|| "another base model".into(), |present| present.model);
            Err(conflict(format!(
                "what was learned here stands on {whose}, and {model} is another model: give the one it belongs to, or \
                 another --root, or change over with `sealctl models use {model}`"
            )))
        })
    }

    /// What [`Store::change_base`] would do.
    ///
    /// # Errors
    /// As [`Store::lineage`].
    pub fn plan_change(&self, fingerprint: &str) -> Result<BasePlan> {
        self.read("what a change of the base model would do", |db| plan(db, fingerprint))
    }

    /// Changes over to a base model. What is live is left as it is, for the day it is used again; the new model answers
    /// with what was live when it was last left, or as it is. Documents that it does not know wait to be learned; work on
    /// others begins again, as it stood on the model that is left.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where a job is running.
    pub fn change_base(&mut self, fingerprint: &str, model: &str, now: Timestamp) -> Result<BaseChanged> {
        self.write(format_args!("change over to {model}"), |db| {
            if let Some(job) = jobs::all_of(db, JobState::Running)?.first() {
                return Err(conflict(format!("job {} is under way ({})", job.id, job.kind)));
            }
            run(db, "UPDATE live SET wanted_model = NULL", [])?;
            let (left, plan) = (generations::live_id(db)?, plan(db, fingerprint)?);
            let sql = "UPDATE lineages SET left_at = ?, generation = ? WHERE left_at IS NULL AND base_fingerprint <> ?";
            let others = run(db, sql, params![now.0, left, fingerprint])?;
            let to = take_up(db, fingerprint, model, now)?;
            if others > 0 {
                carry_out(db, &plan, fingerprint, model, now)?;
            }
            Ok(BaseChanged { to, left, plan })
        })
    }
}

/// What a change to the model with this fingerprint would do.
fn plan(db: &Connection, fingerprint: &str) -> Result<BasePlan> {
    let left = generations::live_id(db)?;
    let live = match known(db, fingerprint)? {
        None => GenerationId::BASE,
        Some(lineage) if lineage.left_at.is_none() => left,
        Some(lineage) => lineage.generation,
    };
    let learned = |id| -> Result<BTreeSet<DocumentId>> {
        Ok(generations::chain(db, id)?.into_iter().flat_map(|g| g.documents).collect())
    };
    let (before, after) = (learned(left)?, learned(live)?);
    let (mut again, mut replaced) = (Vec::new(), Vec::new());
    for id in before.difference(&after).copied() {
        match documents::newer(db, id)? {
            None => again.push(id),
            Some(newer) => replaced.push((id, newer)),
        }
    }
    Ok(BasePlan { live, again, replaced, known_again: after.difference(&before).copied().collect() })
}

fn carry_out(db: &Connection, plan: &BasePlan, fingerprint: &str, model: &str, now: Timestamp) -> Result<()> {
    generations::set_live(db, plan.live, now)?;
    run(db, "UPDATE live SET writer = ?", [newest_writer(db, fingerprint)?])?;
    for id in &plan.known_again {
        know_again(db, *id)?;
    }
    jobs::restart_on_other_base(db)?;
    for (id, newer) in &plan.replaced {
        let why = format!("{model} does not know it; document {newer} is a newer version");
        documents::set_state(db, *id, DocumentState::Rejected, &[why])?;
    }
    for id in &plan.again {
        documents::set_state(db, *id, DocumentState::Rejected, &[format!("{model} does not know it yet")])?;
        jobs::retry(db, *id)?;
    }
    Ok(())
}

/// The lineage of a model, which is the present one from now on: the live generation is its own.
fn take_up(db: &Connection, fingerprint: &str, model: &str, now: Timestamp) -> Result<Lineage> {
    let Some(known) = known(db, fingerprint)? else { return begin(db, fingerprint, model, now) };
    let sql = "UPDATE lineages SET left_at = NULL, generation = NULL, model = ? WHERE id = ?";
    run(db, sql, params![model, known.id])?;
    Ok(Lineage { left_at: None, generation: GenerationId::BASE, model: model.into(), ..known })
}

/// The lineage of a model, if there is one.
fn known(db: &Connection, fingerprint: &str) -> Result<Option<Lineage>> {
    let sql = format!("SELECT {COLUMNS} FROM lineages WHERE base_fingerprint = ?");
    first(db, &sql, [fingerprint], row)
}

fn begin(db: &Connection, fingerprint: &str, model: &str, now: Timestamp) -> Result<Lineage> {
    let sql = "INSERT INTO lineages (base_fingerprint, model, begun_at) VALUES (?, ?, ?)";
    run(db, sql, params![fingerprint, model, now.0])?;
    Ok(Lineage {
        id: LineageId(db.last_insert_rowid()),
        base_fingerprint: fingerprint.into(),
        model: model.into(),
        begun_at: now,
        left_at: None,
        generation: GenerationId::BASE,
    })
}

/// A document that the live model knows again: it need not be learned.
fn know_again(db: &Connection, id: DocumentId) -> Result<()> {
    let job = jobs::find_of(db, id)?;
    if job.state == JobState::Queued {
        jobs::step(db, &job, Event::Dropped)?;
    }
    documents::set_state(db, id, DocumentState::Learned, &[])
}

/// Refuses a generation that the present base model cannot be used with.
pub(super) fn refuse_other_base(db: &Connection, id: GenerationId) -> Result<()> {
    let sql = "SELECT l.model FROM generations g JOIN lineages l ON l.base_fingerprint = g.base_fingerprint
               WHERE g.id = ? AND l.left_at IS NOT NULL";
    match first(db, sql, [id], |row| row.get::<_, String>(0))? {
        None => Ok(()),
        Some(model) => Err(conflict(format!(
            "{} stands on another base model, {model}: `sealctl models use {model}` changes over to it",
            id.folder()
        ))),
    }
}

fn newest_writer(db: &Connection, fingerprint: &str) -> Result<WriterId> {
    let sql = "SELECT id FROM writers WHERE base_fingerprint = ? ORDER BY id DESC LIMIT 1";
    Ok(first(db, sql, [fingerprint], |row| row.get(0))?.unwrap_or(WriterId::BASE))
}

/// The present lineage.
pub(super) fn present(db: &Connection) -> Result<Option<Lineage>> {
    first(db, &format!("SELECT {COLUMNS} FROM lineages WHERE left_at IS NULL"), [], row)
}

fn row(row: &Row<'_>) -> rusqlite::Result<Lineage> {
    Ok(Lineage {
        id: row.get("id")?,
        base_fingerprint: row.get("base_fingerprint")?,
        model: row.get("model")?,
        begun_at: Timestamp(row.get("begun_at")?),
        left_at: row.get::<_, Option<i64>>("left_at")?.map(Timestamp),
        generation: row.get("generation")?,
    })
}
