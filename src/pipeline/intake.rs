//! Taking a file in: its text is extracted in a child process, cut into passages, and stored with a job.

use std::path::{Path, PathBuf};

use super::worker::Worker;
use crate::domain::ids::DocumentId;
use crate::error::Result;
use crate::ingest::{self, Extracted, Limits, PassageSize};
use crate::store::{NewDocument, Received, SuppliedProbe};

/// What became of one file.
#[derive(Debug)]
pub struct Taken {
    /// The file.
    pub path: PathBuf,
    /// Its documents, each with whether it is new, or why it was refused.
    pub documents: Result<Vec<(DocumentId, bool)>>,
}

/// Takes a file in, with the questions beside it. A file that cannot be read is no error of the program's: the result says why.
///
/// # Errors
/// Of the database: nothing can be taken in then.
pub fn take_in(worker: &mut Worker<'_>, program: &Path, path: &Path, limits: &Limits) -> Result<Taken> {
    let read = || -> Result<(Vec<Extracted>, Vec<ingest::SuppliedProbe>)> {
        let extracted = ingest::extract_in_child(program, path, limits)?;
        let sidecar = ingest::sidecar_of(path);
        let probes = sidecar.map(|sidecar| ingest::read_probes(&sidecar, limits)).transpose()?;
        Ok((extracted, probes.unwrap_or_default()))
    };
    let path = path.to_path_buf();
    let (extracted, beside) = match read() {
        Ok(read) => read,
        Err(error) => return Ok(Taken { path, documents: Err(error) }),
    };
    let mut documents = Vec::new();
    for one in extracted {
        documents.push(store(worker, one, &beside)?);
    }
    Ok(Taken { path, documents: Ok(documents) })
}

fn store(
    worker: &mut Worker<'_>,
    one: Extracted,
    beside: &[ingest::SuppliedProbe],
) -> Result<(DocumentId, bool)> {
    let (least, most) = worker.session().passage_tokens();
    // What the tokenizer refuses counts as its bytes: too many rather than too few.
    let count = |text: &str| worker.session().tokens(text).unwrap_or(text.len());
    let passages = ingest::passages(&one.text, &count, PassageSize { least, most });
    let supplied: Vec<SuppliedProbe> = one
        .questions
        .iter()
        .chain(beside)
        .map(|p| SuppliedProbe { question: p.question.clone(), answers: p.answers.clone() })
        .collect();
    let Extracted { name, title, text, format, .. } = one;
    let hash = ingest::content_hash(&title, &text);
    let document = NewDocument { hash, name, title, text, format, tag: None };
    let now = worker.clock.now();
    Ok(match worker.store_mut().receive(&document, &passages, &supplied, now)? {
        Received::New(id, _) => (id, true),
        Received::Known(id) => (id, false),
    })
}
