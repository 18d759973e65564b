//! Taking a file in: its text is extracted in a child process, cut into passages, and stored with a job.

use std::path::{Path, PathBuf};

use super::worker::Worker;
use crate::domain::document::DocumentState;
use crate::domain::ids::DocumentId;
use crate::error::{Error, Kind, Result};
use crate::ingest::{self, Extracted, Limits, PassageSize};
use crate::store::{NewDocument, Received, SuppliedProbe};

/// How files are taken in.
#[derive(Debug, Clone, Copy)]
pub struct Intake<'a> {
    /// This program, which reads files in a child process.
    pub program: &'a Path,
    /// Bounds of reading.
    pub limits: Limits,
    /// Whether documents that were turned away earlier, or failed, are learned again.
    pub retry: bool,
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
struct Ready {
    document: NewDocument,
    passages: Vec<String>,
    supplied: Vec<SuppliedProbe>,
}

/// Takes a file in, with the questions beside it. A file that cannot be read is no error of the program's: the result says why, and nothing of
/// it is stored. A document that was turned away, or failed, is learned again if other questions come with it now.
///
/// # Errors
/// Of the database: nothing can be taken in then.
pub fn take_in(worker: &mut Worker<'_>, intake: &Intake<'_>, path: &Path) -> Result<Taken> {
    let ready = match read(worker, intake, path) {
        Ok(ready) => ready,
        Err(error) => return Ok(Taken { path: path.to_path_buf(), documents: Err(error) }),
    };
    let documents = ready.into_iter().map(|one| store(worker, one, intake.retry)).collect::<Result<_>>()?;
    Ok(Taken { path: path.to_path_buf(), documents: Ok(documents) })
}

fn read(worker: &Worker<'_>, intake: &Intake<'_>, path: &Path) -> Result<Vec<Ready>> {
    if ingest::is_sidecar(path) {
        let text = format!(
            "{} holds questions for the document beside it: name that document, and they are read with it",
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    let extracted = ingest::extract_in_child(intake.program, path, &intake.limits)?;
    let sidecar = ingest::sidecar_of(path);
    if let (Some(sidecar), [_, _, ..]) = (&sidecar, extracted.as_slice()) {
        let text = format!(
            "{} does not say which of the {} documents in {} its questions are for: put them into their rows, as `questions`",
            sidecar.display(),
            extracted.len(),
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    let beside = sidecar.map(|sidecar| ingest::read_probes(&sidecar, &intake.limits)).transpose()?;
    let beside = beside.unwrap_or_default();
    extracted.into_iter().map(|one| ready(worker, one, &beside)).collect()
}

fn ready(worker: &Worker<'_>, one: Extracted, beside: &[ingest::SuppliedProbe]) -> Result<Ready> {
    let session = worker.session();
    let (least, most) = session.passage_tokens();
    // What the tokenizer refuses counts as its bytes: too many rather than too few.
    let count = |text: &str| session.tokens(text).unwrap_or(text.len());
    let passages = ingest::passages(&one.text, &count, PassageSize { least, most });
    refuse_long(&one.name, passages.len(), session.options.most_passages)?;
    let supplied = one.questions.iter().chain(beside);
    let supplied =
        supplied.map(|p| SuppliedProbe { question: p.question.clone(), answers: p.answers.clone() });
    let supplied = supplied.collect();
    let hash = one.hash();
    let Extracted { name, title, text, format, .. } = one;
    Ok(Ready { document: NewDocument { hash, name, title, text, format, tag: None }, passages, supplied })
}

fn refuse_long(name: &str, passages: usize, most: usize) -> Result<()> {
    if passages <= most {
        return Ok(());
    }
    let text = format!(
        "{name} is too long to be learned as one: it comes to {passages} passages for this model, at most {most} are taken: split it into \
         parts (its chapters, say), or allow more with --most-passages {passages}, each of which takes its time"
    );
    Err(Error::new(Kind::Unsupported, text))
}

fn store(worker: &mut Worker<'_>, one: Ready, retry: bool) -> Result<TakenDocument> {
    let Ready { document, passages, supplied } = one;
    let now = worker.clock.now();
    let store = worker.store_mut();
    let (id, known) = match store.receive(&document, &passages, &supplied, now)? {
        Received::New(id, _) => (id, false),
        Received::Known(id) => {
            let ended = matches!(store.document(id)?.state, DocumentState::Rejected | DocumentState::Failed);
            let other_questions = !supplied.is_empty() && supplied != store.supplied_probes(id)?;
            let again = ended && (retry || other_questions);
            if again {
                store.retry_with(id, &supplied)?;
            }
            (id, !again)
        }
    };
    Ok(TakenDocument { id, name: document.name, known })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_too_many_passages_is_refused_with_a_remedy() {
        assert!(refuse_long("a.txt", 32, 32).is_ok());
        let error = refuse_long("a.txt", 33, 32).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        for words in ["a.txt", "33 passages", "at most 32", "split it", "--most-passages 33"] {
            assert!(error.to_string().contains(words), "no `{words}` in: {error}");
        }
    }
}
