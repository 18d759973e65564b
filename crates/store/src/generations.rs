//! Generations and the live pointer: the results of the fifth stage.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Word, all, first, run};
use super::failure::{conflict, not_found};
use super::stages::Next;
use super::{documents, gate};
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentState;
use seald_core::domain::generation::{Generation, Origin};
use seald_core::domain::ids::GenerationId;
use seald_core::domain::job::{Job, Stage};
use seald_core::error::Result;

/// A generation whose files lie in place and whose row is to be written. It continues `parent` and adds the job's
/// document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGeneration {
    /// Its number, from [`Store::next_generation_id`].
    pub id: GenerationId,
    /// What it continues: what was live when the candidate was trained.
    pub parent: GenerationId,
    /// Fingerprint of the base model.
    pub base_fingerprint: String,
    /// Content hash of the adapter's folder.
    pub adapter_hash: String,
    /// When it goes live.
    pub created_at: Timestamp,
}

const COLUMNS: &str = "id, origin, parent, base_fingerprint, adapter_hash, created_at";

impl Store {
    /// Writes the generation's row, makes it live and marks the document accepted.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more, the gate did not accept the candidate, its
    /// parent is not live any more or has another base, or the number is not the next.
    pub fn finish_publish(&mut self, job: &Job, generation: &NewGeneration) -> Result<Job> {
        self.finish(job, Stage::Publish, |db, document| {
            if !gate::accepted(db, document)? {
                return Err(conflict(format!(
                    "the gate has not accepted the candidate of document {document}"
                )));
            }
            insert(db, generation, Origin::Learned)?;
            let sql = "INSERT INTO generation_documents (generation, document) VALUES (?, ?)";
            run(db, sql, params![generation.id, document])?;
            documents::set_state(db, document, DocumentState::Learned, &[])?;
            Ok(Next::Advance)
        })
    }

    /// The generation that answers; none where the base does.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn live(&self) -> Result<Option<Generation>> {
        self.read("the live generation", |db| match live_id(db)? {
            GenerationId::BASE => Ok(None),
            id => find(db, id).map(Some),
        })
    }

    /// Since when the live generation answers; none where that was never noted.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn live_since(&self) -> Result<Option<Timestamp>> {
        self.read("the live generation", |db| {
            let since: Option<Option<i64>> = first(db, "SELECT since FROM live", [], |row| row.get(0))?;
            Ok(since.flatten().map(Timestamp))
        })
    }

    /// A generation.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is none of that number; the base has no row.
    pub fn generation(&self, id: GenerationId) -> Result<Generation> {
        self.read(format_args!("generation {id}"), |db| find(db, id))
    }

    /// Every generation, oldest first.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn generations(&self) -> Result<Vec<Generation>> {
        let sql = format!("SELECT {COLUMNS} FROM generations ORDER BY id");
        self.read("the generations", |db| with_documents(db, all(db, &sql, [], row)?))
    }

    /// Those that stand on the present base model, oldest first: the ones that can answer.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn generations_here(&self) -> Result<Vec<Generation>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM generations WHERE base_fingerprint =
             (SELECT base_fingerprint FROM lineages WHERE left_at IS NULL) ORDER BY id"
        );
        self.read("the generations", |db| with_documents(db, all(db, &sql, [], row)?))
    }

    /// What a generation stands on: its ancestors and itself, oldest first. Empty for the base.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is no such generation.
    pub fn chain(&self, id: GenerationId) -> Result<Vec<Generation>> {
        self.read(format_args!("the chain of generation {id}"), |db| chain(db, id))
    }

    /// The number of the generation that would be published next: above every other, also where one was rolled back.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn next_generation_id(&self) -> Result<GenerationId> {
        self.read("the generations", next_id)
    }
}

/// Writes a generation's row and makes it live.
pub(super) fn insert(db: &Connection, new: &NewGeneration, origin: Origin) -> Result<()> {
    refuse_misfit(db, new)?;
    let NewGeneration { id, parent, base_fingerprint, adapter_hash, created_at } = new;
    let sql = "INSERT INTO generations (id, origin, parent, base_fingerprint, adapter_hash, created_at)
               VALUES (?, ?, ?, ?, ?, ?)";
    run(db, sql, params![id, origin.as_str(), parent, base_fingerprint, adapter_hash, created_at.0])?;
    set_live(db, *id, *created_at)
}

/// Lets a generation answer from now on, or the base.
pub(super) fn set_live(db: &Connection, id: GenerationId, now: Timestamp) -> Result<()> {
    run(db, "UPDATE live SET generation = ?, since = ?", params![id, now.0]).map(drop)
}

fn refuse_misfit(db: &Connection, new: &NewGeneration) -> Result<()> {
    let live = live_id(db)?;
    if new.parent != live {
        return Err(conflict(format!(
            "generation {} continues {}, but {live} is live now: try the document again",
            new.id, new.parent
        )));
    }
    if live != GenerationId::BASE && find(db, live)?.base_fingerprint != new.base_fingerprint {
        return Err(conflict(format!(
            "generation {} stands on another base model than its parent {live}: roll back to the base first, or use the \
             parent's base model",
            new.id
        )));
    }
    let next = next_id(db)?;
    if new.id != next {
        return Err(conflict(format!("generation {} is not the next number, which is {next}", new.id)));
    }
    Ok(())
}

fn next_id(db: &Connection) -> Result<GenerationId> {
    let sql = "SELECT ifnull(max(id), 0) + 1 FROM generations";
    Ok(first(db, sql, [], |row| row.get(0))?.unwrap_or(GenerationId(1)))
}

/// The live generation's number, or the base's.
pub(super) fn live_id(db: &Connection) -> Result<GenerationId> {
    Ok(first(db, "SELECT generation FROM live", [], |row| row.get(0))?.unwrap_or(GenerationId::BASE))
}

pub(super) fn chain(db: &Connection, id: GenerationId) -> Result<Vec<Generation>> {
    let sql = format!(
        "WITH RECURSIVE chain AS (
             SELECT * FROM generations WHERE id = ?
             UNION ALL SELECT g.* FROM generations g JOIN chain ON g.id = chain.parent)
         SELECT {COLUMNS} FROM chain ORDER BY id"
    );
    let found = with_documents(db, all(db, &sql, [id], row)?)?;
    if found.is_empty() && id != GenerationId::BASE {
        return Err(not_found(format!("there is no generation {id}")));
    }
    Ok(found)
}

fn find(db: &Connection, id: GenerationId) -> Result<Generation> {
    let sql = format!("SELECT {COLUMNS} FROM generations WHERE id = ?");
    let found = with_documents(db, all(db, &sql, [id], row)?)?.pop();
    found.ok_or_else(|| not_found(format!("there is no generation {id}")))
}

fn with_documents(db: &Connection, mut generations: Vec<Generation>) -> Result<Vec<Generation>> {
    for generation in &mut generations {
        let sql = "SELECT document FROM generation_documents WHERE generation = ? ORDER BY document";
        generation.documents = all(db, sql, [generation.id], |row| row.get(0))?;
    }
    Ok(generations)
}

fn row(row: &Row<'_>) -> rusqlite::Result<Generation> {
    Ok(Generation {
        id: row.get("id")?,
        origin: row.get::<_, Word<_>>("origin")?.0,
        parent: row.get("parent")?,
        base_fingerprint: row.get("base_fingerprint")?,
        adapter_hash: row.get("adapter_hash")?,
        documents: Vec::new(),
        created_at: Timestamp(row.get("created_at")?),
    })
}
