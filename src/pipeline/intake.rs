//! Taking a file in: its text is extracted in a child process and stored with a job. Needs no model.

use std::path::{Path, PathBuf};

use seald_core::clock::Clock;
use seald_core::domain::ids::DocumentId;
use seald_core::error::{Error, Kind, Result};
use seald_ingest::inbox::Opened;
use seald_ingest::{Extracted, Limits};
use seald_store::{NewDocument, Store, SuppliedProbe, TakeIn};

/// How files are taken in.
#[derive(Debug, Clone)]
pub struct Intake<'a> {
    /// This program, which reads files in a child process.
    pub program: &'a Path,
    /// Bounds of reading.
    pub limits: Limits,
    /// Whether documents that were rejected earlier, or failed, are learned again.
    pub retry: bool,
    /// The subfolder of the inbox that the file is in.
    pub tag: Option<String>,
    /// Whether a file of the same name and tag is an earlier version, which this one replaces.
    pub versions: bool,
    /// Most passages of a document. What is longer for any model is refused here; what is longer for this one, when it is cut.
    pub max_passages: usize,
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

/// Documents ready to be stored, each with the questions that came with it.
pub type Ready = Vec<(NewDocument, Vec<SuppliedProbe>)>;

/// Documents stored in one transaction: so many take some milliseconds, and a stop waits for no more.
const AT_ONCE: usize = 256;

/// Takes a file in, with the questions beside it. A file that cannot be read is no error of the program's: the result says why, and nothing of
/// it is stored. A document that was rejected, or failed, is learned again if other questions come with it now.
///
/// # Errors
/// Of the database: nothing can be taken in then.
pub fn take_in(store: &mut Store, intake: &Intake<'_>, path: &Path) -> Result<Taken> {
    let documents = match read(intake, path) {
        Ok(ready) => Ok(keep_all(store, intake, &ready, &|| false)?),
        Err(error) => Err(error),
    };
    Ok(Taken { path: path.to_path_buf(), documents })
}

/// Stores what [`read`] found, some documents at a time, until `stop` says so; those that were stored. What is left is found again when the file is read again, and
/// what is stored is known then.
///
/// # Errors
/// Of the database.
pub fn keep_all(
    store: &mut Store,
    intake: &Intake<'_>,
    ready: &Ready,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<TakenDocument>> {
    let rules = TakeIn { retry: intake.retry, versions: intake.versions };
    let mut taken = Vec::with_capacity(ready.len());
    for some in ready.chunks(AT_ONCE) {
        if stop() {
            break;
        }
        let stored = store.take_in(some, rules, intake.clock.now())?;
        let named = some.iter().zip(stored);
        taken.extend(named.map(|((document, _), (id, known))| TakenDocument {
            id,
            name: document.name.clone(),
            known,
        }));
    }
    Ok(taken)
}

/// Reads a file, with the questions beside it, in a child process.
///
/// # Errors
/// Why it cannot be taken in.
pub fn read(intake: &Intake<'_>, path: &Path) -> Result<Ready> {
    if seald_ingest::is_sidecar(path) {
        let text = format!(
            "{} holds questions for the document beside it: name that document, and they are read with it",
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    let extracted = seald_ingest::extract_in_child(intake.program, path, &intake.limits)?;
    let beside = match seald_ingest::sidecar_of(path) {
        Some(sidecar) => Some((seald_ingest::read_probes(&sidecar, &intake.limits)?, sidecar)),
        None => None,
    };
    prepare(intake, path, extracted, beside)
}

/// Reads a file of the inbox that is held open.
///
/// # Errors
/// Why it cannot be taken in.
pub fn read_opened(intake: &Intake<'_>, path: &Path, opened: Opened) -> Result<Ready> {
    let Opened { file, sidecar } = opened;
    let extracted = seald_ingest::extract_opened_in_child(intake.program, path, file, &intake.limits)?;
    let beside = match sidecar {
        Some((path, file)) => Some((seald_ingest::read_opened_probes(&path, file, &intake.limits)?, path)),
        None => None,
    };
    prepare(intake, path, extracted, beside)
}

fn prepare(
    intake: &Intake<'_>,
    path: &Path,
    extracted: Vec<Extracted>,
    beside: Option<(Vec<seald_ingest::SuppliedProbe>, PathBuf)>,
) -> Result<Ready> {
    if let (Some((_, sidecar)), [_, _, ..]) = (&beside, extracted.as_slice()) {
        let text = format!(
            "{} does not say which of the {} documents in {} its questions are for: put them into their rows, as `questions`",
            sidecar.display(),
            extracted.len(),
            path.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    for one in &extracted {
        fits(&one.title, one.text.len(), intake.max_passages)?;
    }
    let beside = beside.map(|(probes, _)| probes).unwrap_or_default();
    Ok(extracted.into_iter().map(|one| ready(one, &beside, intake.tag.as_deref())).collect())
}

/// Whether a text of so many bytes may come to few enough passages: a queue that is foretold to take weeks tells nobody anything.
fn fits(title: &str, bytes: usize, max_passages: usize) -> Result<()> {
    let longest = seald_ingest::longest_text(max_passages);
    if bytes <= longest {
        return Ok(());
    }
    let text = format!(
        "`{title}` is too long to be learned as one: its text has {bytes} bytes, and what has more than {longest} comes to more than {max_passages} \
         passages for any model: split it into parts (its chapters, say), or allow more (--max-passages, or `max_passages` in seald.toml), each of \
         which takes its time"
    );
    Err(Error::new(Kind::Unsupported, text))
}

fn ready(
    one: Extracted,
    beside: &[seald_ingest::SuppliedProbe],
    tag: Option<&str>,
) -> (NewDocument, Vec<SuppliedProbe>) {
    let supplied = one.questions.iter().chain(beside);
    let supplied =
        supplied.map(|p| SuppliedProbe { question: p.question.clone(), answers: p.answers.clone() });
    let supplied = supplied.collect();
    let (hash, tag) = (one.hash(), tag.map(str::to_string));
    let Extracted { name, title, text, format, .. } = one;
    (NewDocument { hash, name, title, text, format, tag }, supplied)
}
