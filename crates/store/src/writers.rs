//! Writers of self-edits, the rounds that train them, and the winners that they are trained on.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Json, MaybeNan, Word, all, first, run};
use super::failure::{conflict, not_found};
use super::stages::Next;
use seald_core::clock::Timestamp;
use seald_core::domain::ids::{DocumentId, JobId, WriterId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::self_edit::Directive;
use seald_core::domain::writer::{Examined, TrainedWriter, Whose, Writer, WriterRound, WriterSample};
use seald_core::error::Result;

/// The self-edit that taught most of a document that the gate accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct WinningEdit {
    /// The document.
    pub document: DocumentId,
    /// Its hash.
    pub hash: String,
    /// Its title.
    pub title: String,
    /// How it was trained.
    pub directive: Directive,
    /// Each passage with the text written about it.
    pub passages: Vec<(String, String)>,
    /// Mean gain of log p(answer) when it was ranked, nats a question.
    pub gain: f64,
}

/// A writer whose files lie in place and whose row is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWriter {
    /// Its number, from [`Store::next_writer_id`].
    pub id: WriterId,
    /// Fingerprint of the base model.
    pub base_fingerprint: String,
    /// Content hash of the adapter's folder.
    pub adapter_hash: String,
    /// The documents whose winning self-edits it was trained on.
    pub documents: Vec<DocumentId>,
    /// When it is promoted.
    pub created_at: Timestamp,
}

impl Store {
    /// The writer that writes self-edits now; none while the base does.
    ///
    /// # Errors
    /// Those of the database alone, here and wherever no others are named.
    pub fn writer(&self) -> Result<Option<Writer>> {
        self.read("the writer", |db| match present(db)? {
            WriterId::BASE => Ok(None),
            id => find(db, id).map(Some),
        })
    }

    /// Every writer, oldest first.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn writers(&self) -> Result<Vec<Writer>> {
        self.read("the writers", |db| {
            let ids: Vec<WriterId> = all(db, "SELECT id FROM writers ORDER BY id", [], |row| row.get(0))?;
            ids.into_iter().map(|id| find(db, id)).collect()
        })
    }

    /// The number of the writer that would be promoted next.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn next_writer_id(&self) -> Result<WriterId> {
        self.read("the writers", next_id)
    }

    /// Lets the base write again, or an earlier writer: for one whose files are damaged.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn set_writer(&mut self, writer: WriterId) -> Result<()> {
        self.write("change the writer", |db| run(db, "UPDATE live SET writer = ?", [writer]).map(drop))
    }

    /// The best self-edit of each accepted document, by the gain that ranked it when it was trained alone; documents in the order of their
    /// numbers. Documents of which only a union was trained are left out.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn winners(&self) -> Result<Vec<WinningEdit>> {
        let sql = "SELECT id, hash, title FROM documents WHERE state = 'learned' ORDER BY id";
        self.read("the winning self-edits", |db| {
            let documents = all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let mut found = Vec::new();
            for (document, hash, title) in documents {
                let Some((trial, gain)) = best_single(db, document)? else { continue };
                let sql = "SELECT s.format, s.learning_rate, s.epochs, p.text, s.text FROM trial_self_edits u
                           JOIN self_edits s ON s.id = u.self_edit JOIN passages p ON p.id = s.passage
                           WHERE u.trial = ? ORDER BY p.position";
                let rows: Vec<(Directive, (String, String))> =
                    all(db, sql, [trial], |row| Ok((directive(row, 0)?, (row.get(3)?, row.get(4)?))))?;
                let Some(directive) = rows.first().map(|(directive, _)| directive.clone()) else { continue };
                let passages = rows.into_iter().map(|(_, texts)| texts).collect();
                found.push(WinningEdit { document, hash, title, directive, passages, gain });
            }
            Ok(found)
        })
    }

    /// Accepted documents that nothing replaced, newest first, with their hashes.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn accepted_hashes(&self) -> Result<Vec<(DocumentId, String)>> {
        let sql =
            "SELECT id, hash FROM documents WHERE state = 'learned' AND replaced_by IS NULL ORDER BY id DESC";
        self.read("the documents", |db| all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// Stores how a writer was trained, in place of an earlier attempt's. None where there was too little to train on: the job is done.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more, here and below.
    pub fn finish_train_writer(&mut self, job: &Job, trained: Option<&TrainedWriter>) -> Result<Job> {
        self.finish_job(job, Stage::TrainWriter, |db, job| {
            run(db, "DELETE FROM writer_rounds WHERE job = ?", [job.id])?;
            let Some(TrainedWriter { present, winners, steps, tokens, seconds, loss }) = trained else {
                return Ok(Next::End);
            };
            let sql = "INSERT INTO writer_rounds (job, present, winners, steps, tokens, seconds, loss)
                       VALUES (?, ?, ?, ?, ?, ?, ?)";
            run(db, sql, params![job.id, present, winners, steps, tokens, seconds, loss])?;
            Ok(Next::Advance)
        })
    }

    /// Stores what both writers wrote and earned, and the verdict. Not promoted: the job is done.
    ///
    /// # Errors
    /// As [`Store::finish_train_writer`].
    pub fn finish_examine(
        &mut self,
        job: &Job,
        samples: &[WriterSample],
        verdict: &Examined,
        now: Timestamp,
    ) -> Result<Job> {
        self.finish_job(job, Stage::Examine, |db, job| {
            run(db, "DELETE FROM writer_samples WHERE job = ?", [job.id])?;
            for (position, sample) in samples.iter().enumerate() {
                insert_sample(db, job.id, position, sample)?;
            }
            let Examined { documents, reward_before, reward_after, bound, .. } = verdict;
            let Examined { diversity_before, diversity_after, promoted, reasons, .. } = verdict;
            let ended = (!promoted).then_some(now.0);
            let sql = "UPDATE writer_rounds SET documents = ?, reward_before = ?, reward_after = ?, bound = ?,
                       diversity_before = ?, diversity_after = ?, promoted = ?, reasons = ?, ended_at = ? WHERE job = ?";
            let numbers = params![documents, reward_before, reward_after, bound, diversity_before, diversity_after,
                                  promoted, Json(reasons), ended, job.id];
            run(db, sql, numbers)?;
            Ok(if *promoted { Next::Advance } else { Next::End })
        })
    }

    /// Lets the new writer write from now on.
    ///
    /// # Errors
    /// As [`Store::finish_train_writer`]; [`seald_core::Kind::Conflict`] also where the number is not the next, or a document that it was
    /// trained on is gone.
    pub fn finish_promote(&mut self, job: &Job, new: &NewWriter) -> Result<Job> {
        self.finish_job(job, Stage::Promote, |db, job| {
            let NewWriter { id, base_fingerprint, adapter_hash, documents, created_at } = new;
            let next = next_id(db)?;
            if *id != next {
                return Err(conflict(format!("writer {id} is not the next number, which is {next}")));
            }
            let sql = "INSERT INTO writers (id, parent, base_fingerprint, adapter_hash, created_at) VALUES (?, ?, ?, ?, ?)";
            run(db, sql, params![id, present(db)?, base_fingerprint, adapter_hash, created_at.0])?;
            for document in documents {
                let sql = "INSERT INTO writer_documents (writer, document) VALUES (?, ?)";
                run(db, sql, params![id, document])?;
            }
            run(db, "UPDATE live SET writer = ?", [id])?;
            let sql = "UPDATE writer_rounds SET writer = ?, ended_at = ? WHERE job = ?";
            run(db, sql, params![id, created_at.0, job.id])?;
            Ok(Next::Advance)
        })
    }

    /// The newest rounds, newest first, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn writer_rounds(&self, limit: usize) -> Result<Vec<WriterRound>> {
        let sql = "SELECT r.*, j.reason FROM writer_rounds r JOIN jobs j ON j.id = r.job ORDER BY r.job DESC LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("the writer rounds", |db| all(db, sql, [limit], round))
    }

    /// What the two writers of a round wrote, in the order in which it was stored.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn writer_samples(&self, job: JobId) -> Result<Vec<WriterSample>> {
        let sql = "SELECT format, learning_rate, epochs, whose, document, text, reward, discarded FROM writer_samples
                   WHERE job = ? ORDER BY position";
        self.read(format_args!("the examination of job {job}"), |db| {
            all(db, sql, [job], |row| {
                Ok(WriterSample {
                    directive: directive(row, 0)?,
                    whose: row.get::<_, Word<Whose>>(3)?.0,
                    document: row.get(4)?,
                    text: row.get(5)?,
                    reward: row.get::<_, MaybeNan>(6)?.0,
                    discarded: row.get(7)?,
                })
            })
        })
    }

    /// How many documents were accepted after the newest writer round began; all of them where there was none.
    ///
    /// # Errors
    /// As [`Store::writer`].
    pub fn winners_since_round(&self) -> Result<usize> {
        self.read("the writer rounds", |db| {
            let last = "SELECT winners FROM writer_rounds ORDER BY job DESC LIMIT 1";
            let before: usize = first(db, last, [], |row| row.get(0))?.unwrap_or(0);
            let sql = "SELECT count(*) FROM documents WHERE state = 'learned'";
            let now: usize = first(db, sql, [], |row| row.get(0))?.unwrap_or(0);
            Ok(now.saturating_sub(before))
        })
    }
}

/// The trial of one candidate alone that gained most, with its gain; none where every trial joined several. What another model wrote (recorded as
/// `MODEL at URL`) does not count: a writer learns from what it, or the base, wrote.
fn best_single(db: &Connection, document: DocumentId) -> Result<Option<(i64, f64)>> {
    let sql = "SELECT t.id, t.gain FROM trials t WHERE t.document = ? AND t.gain > 0
               AND (SELECT count(DISTINCT s.candidate) FROM trial_self_edits u JOIN self_edits s ON s.id = u.self_edit
                    WHERE u.trial = t.id AND ifnull(s.writer, '') NOT LIKE '% at http%') = 1
               ORDER BY t.gain DESC, t.id LIMIT 1";
    first(db, sql, [document], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn insert_sample(db: &Connection, job: JobId, position: usize, sample: &WriterSample) -> Result<()> {
    let WriterSample { whose, document, directive, text, reward, discarded } = sample;
    let Directive { format, learning_rate, epochs } = directive;
    let sql = "INSERT INTO writer_samples (job, position, whose, document, format, learning_rate, epochs, text, reward,
               discarded) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let (whose, format) = (whose.as_str(), format.as_str());
    let values =
        params![job, position, whose, document, format, learning_rate, epochs, text, reward, discarded];
    run(db, sql, values).map(drop)
}

fn present(db: &Connection) -> Result<WriterId> {
    Ok(first(db, "SELECT writer FROM live", [], |row| row.get(0))?.unwrap_or(WriterId::BASE))
}

fn next_id(db: &Connection) -> Result<WriterId> {
    let sql = "SELECT ifnull(max(id), 0) + 1 FROM writers";
    Ok(first(db, sql, [], |row| row.get(0))?.unwrap_or(WriterId(1)))
}

fn find(db: &Connection, id: WriterId) -> Result<Writer> {
    let sql = "SELECT document FROM writer_documents WHERE writer = ? ORDER BY document";
    let documents = all(db, sql, [id], |row| row.get(0))?;
    let sql = "SELECT id, parent, base_fingerprint, adapter_hash, created_at FROM writers WHERE id = ?";
    let found = first(db, sql, [id], |row| {
        Ok(Writer {
            id: row.get(0)?,
            parent: row.get(1)?,
            base_fingerprint: row.get(2)?,
            adapter_hash: row.get(3)?,
            documents,
            created_at: Timestamp(row.get(4)?),
        })
    })?;
    found.ok_or_else(|| not_found(format!("there is no writer {id}")))
}

/// Format, learning rate and epochs, from that column on.
fn directive(row: &Row<'_>, at: usize) -> rusqlite::Result<Directive> {
    Ok(Directive {
        format: row.get::<_, Word<_>>(at)?.0,
        learning_rate: row.get(at + 1)?,
        epochs: row.get(at + 2)?,
    })
}

fn round(row: &Row<'_>) -> rusqlite::Result<WriterRound> {
    let trained = TrainedWriter {
        present: row.get("present")?,
        winners: row.get("winners")?,
        steps: row.get("steps")?,
        tokens: row.get("tokens")?,
        seconds: row.get("seconds")?,
        loss: row.get::<_, MaybeNan>("loss")?.0,
    };
    let examined = match row.get::<_, Option<bool>>("promoted")? {
        None => None,
        Some(promoted) => Some(Examined {
            documents: row.get("documents")?,
            reward_before: row.get::<_, MaybeNan>("reward_before")?.0,
            reward_after: row.get::<_, MaybeNan>("reward_after")?.0,
            bound: row.get::<_, MaybeNan>("bound")?.0,
            diversity_before: row.get::<_, MaybeNan>("diversity_before")?.0,
            diversity_after: row.get::<_, MaybeNan>("diversity_after")?.0,
            promoted,
            reasons: row.get::<_, Json<_>>("reasons")?.0,
        }),
    };
    Ok(WriterRound {
        job: row.get("job")?,
        reason: row.get::<_, Option<String>>("reason")?.unwrap_or_default(),
        trained,
        examined,
        writer: row.get::<_, Option<i64>>("writer")?.map(WriterId),
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(Timestamp),
    })
}
