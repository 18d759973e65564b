//! Taking a file in: its text is extracted in a child process and stored with a job. Needs no model.

use std::path::{Path, PathBuf};

use seald_core::clock::Clock;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::error::{Error, Kind, Result};
use seald_ingest::{Extracted, Limits};
use seald_store::{NewDocument, Received, Store, SuppliedProbe};

/// How files are taken in.
#[derive(Debug, Clone)]
pub struct Intake<'a> {
    /// This program, which reads files in a child process.
    pub program: &'a Path,
    /// Bounds of reading.
    pub limits: Limits,
    /// Whether documents that were turned away earlier, or failed, are learned again.
    pub retry: bool,
    /// The subfolder of the inbox that the file is in.
    pub tag: Option<String>,
    /// Whether a file of the same name and tag is an earlier version, which this one replaces.
    pub versions: bool,
    /// Where the time comes from.
    pub clock: Clock,
}

/// What became of one file.
#[derive(Debug)]
pub struct Taken {
    /// The file.
    pub path: PathBuf,
    /// Its documents, or why it was refused.
    pub documents: Result<Vec<TakenDocument>>,
}

/// A document that was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenDocument {
    /// Its row.
    pub id: DocumentId,
    /// Its file's name as it was given now: content that is known may have come under another one.
    pub name: String,
    /// Whether its content was handed in before, and nothing is to be done for it but what already waits.
    pub known: bool,
}

/// A document ready to be stored.
#[derive(Debug)]
pub struct Ready {
    document: NewDocument,
    supplied: Vec<SuppliedProbe>,
}

/// Takes a file in, with the questions beside it. A file that cannot be read is no error of the program's: the result says why, and nothing of
/// it is stored. A document that was turned away, or failed, is learned again if other questions come with it now.
///
/// # Errors
/// Of the database: nothing can be taken in then.
pub fn take_in(store: &mut Store, intake: &Intake<'_>, path: &Path) -> Result<Taken> {
    let documents = match read(intake, path) {
        Ok(ready) => Ok(keep_all(store, intake, ready)?),
        Err(error) => Err(error),
    };
    Ok(Taken { path: path.to_path_buf(), documents })
}

/// Stores what [`read`] found.
///
/// # Errors
/// Of the database.
pub fn keep_all(store: &mut Store, intake: &Intake<'_>, ready: Vec<Ready>) -> Result<Vec<TakenDocument>> {
    ready.into_iter().map(|one| keep(store, one, intake)).collect()
}

/// Reads a file, with the questions beside it, in a child process.
///
/// # Errors
/// Why it cannot be taken in.
pub fn read(intake: &Intake<'_>, path: &Path) -> Result<Vec<Ready>> {
    if seald_ingest::is_sidecar(path) {
        let text = format!(
            "{} holds questions for the document beside it: name that document, and they are read with it",
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    let extracted = seald_ingest::extract_in_child(intake.program, path, &intake.limits)?;
    let sidecar = seald_ingest::sidecar_of(path);
    if let (Some(sidecar), [_, _, ..]) = (&sidecar, extracted.as_slice()) {
        let text = format!(
            "{} does not say which of the {} documents in {} its questions are for: put them into their rows, as `questions`",
            sidecar.display(),
            extracted.len(),
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    let beside = sidecar.map(|sidecar| seald_ingest::read_probes(&sidecar, &intake.limits)).transpose()?;
    let beside = beside.unwrap_or_default();
    Ok(extracted.into_iter().map(|one| ready(one, &beside, intake.tag.as_deref())).collect())
}

fn ready(one: Extracted, beside: &[seald_ingest::SuppliedProbe], tag: Option<&str>) -> Ready {
    let supplied = one.questions.iter().chain(beside);
    let supplied =
        supplied.map(|p| SuppliedProbe { question: p.question.clone(), answers: p.answers.clone() });
    let supplied = supplied.collect();
    let (hash, tag) = (one.hash(), tag.map(str::to_string));
    let Extracted { name, title, text, format, .. } = one;
    Ready { document: NewDocument { hash, name, title, text, format, tag }, supplied }
}

fn keep(store: &mut Store, one: Ready, intake: &Intake<'_>) -> Result<TakenDocument> {
    let Ready { document, supplied } = one;
    let (id, known) = match store.receive(&document, &supplied, intake.clock.now())? {
        Received::New(id, _) => (id, false),
        Received::Known(id) => {
            let ended = matches!(store.document(id)?.state, DocumentState::Rejected | DocumentState::Failed);
            let other_questions = !supplied.is_empty() && supplied != store.supplied_probes(id)?;
            let again = ended && (intake.retry || other_questions);
            if again {
                store.retry_with(id, &supplied)?;
            }
            (id, !again)
        }
    };
    // A copy under another name says nothing about which version is the newest.
    let row = store.document_row(id)?;
    if intake.versions && row.name == document.name && row.tag == document.tag {
        store.replace_versions(id)?;
    }
    Ok(TakenDocument { id, name: document.name, known })
}
