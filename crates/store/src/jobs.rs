//! Jobs: claimed, counted, handed on and given up.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Word, all, first, run};
use super::failure::{conflict, not_found};
use super::{documents, generations};
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::{DocumentId, GenerationId, JobId};
use seald_core::domain::job::{Blame, Event, Job, JobKind, JobState, Stage};
use seald_core::error::{Error, Kind, Result};

const COLUMNS: &str = "id, kind, document, stage, state, attempts, ends, lease_until, error";
/// Who is next: what somebody waits for, then what keeps knowledge within its budget, then whatever came first; behind all what processes keep ending with.
const ORDER: &str = "ends >= 3, CASE kind WHEN 'forget' THEN 0 WHEN 'consolidate' THEN 1 ELSE 2 END, id";
/// A process that ends so many seconds or fewer after an attempt began may have ended because of it, the time until the next one starts included: more than systemd waits
/// for a sign of life (120) and between two starts (120).
const SUSPECT_SECONDS: i64 = 300;

impl Store {
    /// Takes the next queued job (forgetting, then consolidation, then the oldest) until `lease_seconds` from `now`; the attempt is counted with it, before the work.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn claim_next(&mut self, now: Timestamp, lease_seconds: i64) -> Result<Option<Job>> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE state = ? ORDER BY {ORDER} LIMIT 1");
        self.write("claim a job", |db| {
            let queued = first(db, &sql, [JobState::Queued.as_str()], row)?;
            let lease_until = now.plus_seconds(lease_seconds);
            queued.map(|job| step(db, &job, Event::Claimed { lease_until })).transpose()
        })
    }

    /// The job that [`Store::claim_next`] would take.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn next_job(&self) -> Result<Option<Job>> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE state = ? ORDER BY {ORDER} LIMIT 1");
        self.read("the next job", |db| first(db, &sql, [JobState::Queued.as_str()], row))
    }

    /// A job.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is none of that number.
    pub fn job(&self, id: JobId) -> Result<Job> {
        self.read(format_args!("job {id}"), |db| find(db, id))
    }

    /// Jobs during whose present stage processes ended twice or more, or that were given up after that; the latest first.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn jobs_with_ends(&self) -> Result<Vec<Job>> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE ends >= 2 AND state <> 'done' ORDER BY id DESC");
        self.read("jobs that processes ended during", |db| all(db, &sql, [], row))
    }

    /// The job that learns a document.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is no such document.
    pub fn job_of(&self, document: DocumentId) -> Result<Job> {
        self.read(format_args!("the job of document {document}"), |db| find_of(db, document))
    }

    /// Queues a job of a kind that learns no document; the one of that kind and document that is queued or running already,
    /// if there is one.
    ///
    /// # Errors
    /// [`Kind::Internal`] for [`JobKind::Learn`], which [`Store::receive`] queues.
    pub fn queue(&mut self, kind: JobKind, document: Option<DocumentId>, reason: &str) -> Result<Job> {
        self.write(format_args!("queue a job: {kind}"), |db| queue(db, kind, document, reason))
    }

    /// Why a job was begun, where nobody handed a document in.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where there is none of that number.
    pub fn job_reason(&self, id: JobId) -> Result<Option<String>> {
        self.read(format_args!("job {id}"), |db| {
            let found = first(db, "SELECT reason FROM jobs WHERE id = ?", [id], |row| row.get(0))?;
            found.ok_or_else(|| not_found(format!("there is no job {id}")))
        })
    }

    /// The jobs in a state, or all, oldest first.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn jobs(&self, state: Option<JobState>) -> Result<Vec<Job>> {
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE ?1 IS NULL OR state = ?1 ORDER BY id");
        self.read("the jobs", |db| all(db, &sql, [state.map(JobState::as_str)], row))
    }

    /// Lets something happen to a job. One that ends failed takes its document along, with the error as the reason;
    /// one that is asked for again makes its document wait again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without such a job; [`Kind::Conflict`] where its state forbids the event, or where the live
    /// model knows the document that is asked for again. [`Kind::Internal`] for [`Event::Advanced`] and
    /// [`Event::Finished`]: they go with a stage's results (`finish_probes` and its like, [`Store::reject`]).
    pub fn apply(&mut self, id: JobId, event: Event) -> Result<Job> {
        self.write(format_args!("change job {id}"), |db| {
            if matches!(event, Event::Advanced | Event::Finished) {
                let text = format!("job {id} cannot be {event:?} without the results of its stage");
                return Err(Error::new(Kind::Internal, text));
            }
            let job = find(db, id)?;
            if let (Event::Retried, JobKind::Learn, Some(document)) = (&event, job.kind, job.document) {
                refuse_learned(db, document)?;
            }
            step(db, &job, event)
        })
    }

    /// Takes jobs away from workers whose lease has run out: each attempt ends as abandoned. The jobs as they are now.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn recover(&mut self, now: Timestamp) -> Result<Vec<Job>> {
        self.abandon(now, None)
    }

    /// The same for every running job, whatever its lease: for start-up under the root's lock, when the processes that
    /// ran them are dead. `place` says where the last one was, as it noted it (`job 7 trials 31`).
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn abandon_running(&mut self, place: Option<&str>) -> Result<Vec<Job>> {
        self.abandon(Timestamp(i64::MAX), place)
    }

    /// Gives every running job back, its attempt not counted: for a worker that an error stopped between two of a job's steps, and which does not work at one now.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn return_running(&mut self) -> Result<Vec<Job>> {
        self.write("give jobs back", |db| {
            let left = all_of(db, JobState::Running)?;
            left.iter().map(|job| step(db, job, Event::Returned)).collect()
        })
    }

    fn abandon(&mut self, now: Timestamp, place: Option<&str>) -> Result<Vec<Job>> {
        let sql = format!(
            "SELECT {COLUMNS}, ended_at, boot IS ?3 AND unixepoch() - began_at BETWEEN 0 AND {SUSPECT_SECONDS} AS soon
             FROM jobs WHERE state = ?1 AND lease_until <= ?2 ORDER BY id"
        );
        self.write("recover jobs", |db| {
            let with_end = |found: &Row<'_>| Ok((row(found)?, found.get("ended_at")?, found.get("soon")?));
            let lost: Vec<(Job, Option<String>, bool)> =
                all(db, &sql, params![JobState::Running.as_str(), now.0, boot()], with_end)?;
            let mut jobs = Vec::with_capacity(lost.len());
            for (job, before, soon) in lost {
                let place = place.filter(|place| place.starts_with(&format!("job {} ", job.id)));
                let blame = match (soon, place) {
                    (false, _) => Blame::Not,
                    // Nobody knows where it was.
                    (true, None) => Blame::Again,
                    (true, Some(place)) if before.as_deref() == Some(place) => Blame::Again,
                    (true, Some(_)) => Blame::First,
                };
                run(db, "UPDATE jobs SET ended_at = ? WHERE id = ?", params![place, job.id])?;
                jobs.push(step(db, &job, Event::Abandoned { blame })?);
            }
            Ok(jobs)
        })
    }
}

pub(super) fn queue(
    db: &Connection,
    kind: JobKind,
    document: Option<DocumentId>,
    reason: &str,
) -> Result<Job> {
    if kind == JobKind::Learn {
        return Err(Error::new(Kind::Internal, "a document's job is queued when it is taken in"));
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs WHERE kind = ? AND document IS ? AND state IN ('queued', 'running')"
    );
    if let Some(open) = first(db, &sql, params![kind.as_str(), document], row)? {
        return Ok(open);
    }
    let sql =
        "INSERT INTO jobs (kind, document, stage, state, attempts, reason) VALUES (?, ?, ?, 'queued', 0, ?)";
    run(db, sql, params![kind.as_str(), document, kind.first().as_str(), reason])?;
    find(db, JobId(db.last_insert_rowid()))
}

/// Jobs whose results continued, or were compared with, another adapter than the one that is live now begin again.
pub(super) fn restart_after_change(db: &Connection, except: Option<JobId>) -> Result<()> {
    restart(db, except, false)
}

/// The same where another base model is used: what trains or examines a writer begins again, too.
pub(super) fn restart_on_other_base(db: &Connection) -> Result<()> {
    restart(db, None, true)
}

fn restart(db: &Connection, except: Option<JobId>, writers: bool) -> Result<()> {
    for job in all_of(db, JobState::Queued)?.into_iter().filter(|job| Some(job.id) != except) {
        let event = match (job.kind, job.stage) {
            (JobKind::WriterRound, _) if !writers => continue,
            (kind, stage) if stage == kind.first() => continue,
            (_, Stage::Replay) => Event::Dropped,
            _ => Event::Restarted,
        };
        step(db, &job, event)?;
    }
    Ok(())
}

/// Names the boot of the machine: what ended with an earlier one ended for all.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_string()
}

/// The one place where a job's row changes after it was made.
pub(super) fn step(db: &Connection, job: &Job, event: Event) -> Result<Job> {
    let retried = event == Event::Retried;
    let begins = matches!(event, Event::Claimed { .. } | Event::Advanced);
    let after = job.apply(event).map_err(|e| conflict(format!("job {}", job.id)).with_source(e))?;
    let Job { id, kind, document, stage, state, attempts, ends, lease_until, error } = &after;
    let sql = "UPDATE jobs SET stage = ?, state = ?, attempts = ?, ends = ?, lease_until = ?, error = ? WHERE id = ?";
    let lease_until = lease_until.map(|t| t.0);
    run(db, sql, params![stage.as_str(), state.as_str(), attempts, ends, lease_until, error, id])?;
    if begins {
        run(db, "UPDATE jobs SET began_at = unixepoch(), boot = ? WHERE id = ?", params![boot(), id])?;
    }
    if let (JobKind::Learn, Some(document)) = (kind, document) {
        if *state == JobState::Failed {
            // A document whose generation is out stays accepted: what failed came after.
            if documents::find(db, *document)?.state != DocumentState::Learned {
                let reasons: Vec<String> = error.iter().cloned().collect();
                documents::set_state(db, *document, DocumentState::Failed, &reasons)?;
            }
        } else if retried {
            documents::set_state(db, *document, DocumentState::Waiting, &[])?;
        }
    }
    Ok(after)
}

/// The document's job waits again, from its first stage.
pub(super) fn retry(db: &Connection, document: DocumentId) -> Result<Job> {
    let job = find_of(db, document)?;
    refuse_learned(db, document)?;
    step(db, &job, Event::Retried)
}

fn refuse_learned(db: &Connection, document: DocumentId) -> Result<()> {
    let chain = generations::chain(db, generations::live_id(db)?)?;
    match chain.iter().find(|g| g.documents.contains(&document)) {
        Some(generation) => {
            let before = match generation.parent {
                GenerationId::BASE => "base".to_string(),
                parent => parent.folder(),
            };
            Err(conflict(format!(
                "document {document} is learned: {} is a part of what is live. To learn it again, make live what was before it first: `sealctl rollback {before}`",
                generation.id.folder()
            )))
        }
        None => Ok(()),
    }
}

/// The jobs in a state, oldest first.
pub(super) fn all_of(db: &Connection, state: JobState) -> Result<Vec<Job>> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE state = ? ORDER BY id");
    all(db, &sql, [state.as_str()], row)
}

/// The job that learns a document.
pub(super) fn find_of(db: &Connection, document: DocumentId) -> Result<Job> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE document = ? AND kind = 'learn'");
    first(db, &sql, [document], row)?.ok_or_else(|| not_found(format!("there is no document {document}")))
}

pub(super) fn find(db: &Connection, id: JobId) -> Result<Job> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?");
    first(db, &sql, [id], row)?.ok_or_else(|| not_found(format!("there is no job {id}")))
}

fn row(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get("id")?,
        kind: row.get::<_, Word<_>>("kind")?.0,
        document: row.get("document")?,
        stage: row.get::<_, Word<_>>("stage")?.0,
        state: row.get::<_, Word<_>>("state")?.0,
        attempts: row.get("attempts")?,
        ends: row.get("ends")?,
        lease_until: row.get::<_, Option<i64>>("lease_until")?.map(Timestamp),
        error: row.get("error")?,
    })
}
