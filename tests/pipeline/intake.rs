//! Files that come in: once, again with other questions, too long, and beside what is no document.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use seald::pipeline::{Intake, Root, TakenDocument, Worker, WorkerOptions, keep_all, read, take_in};
use seald_core::Kind;
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::{JobState, Stage};
use seald_ingest::Limits;
use seald_learn::options::LearnOptions;
use seald_store::Store;

use crate::pipeline::support::{NEVER, model, options, store};

const TEXT: &str = "The Brastonel Works was founded by Elmar Trondvik. It has its head office in Quellmarn.";

fn intake(retry: bool) -> Intake<'static> {
    let (program, clock) = (crate::programs::seald(), Clock::at(Timestamp(1)));
    let max_passages = LearnOptions::default().max_passages;
    Intake { program, limits: Limits::default(), retry, tag: None, versions: false, max_passages, clock }
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Takes a file with one document in.
fn one(store: &mut Store, path: &Path, retry: bool) -> TakenDocument {
    take_in(store, &intake(retry), path).unwrap().documents.unwrap().remove(0)
}

/// Turns the one that waits away.
fn turn_away(store: &mut Store) {
    let job = store.claim_next(Timestamp(2), 60).unwrap().unwrap();
    store.reject(&job, &["no gain".to_string()]).unwrap();
}

#[test]
fn what_was_rejected_is_learned_again_on_request_or_with_other_questions() {
    let (root, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = store(root.path());
    let path = file(files.path(), "works.txt", TEXT);
    let copy = file(files.path(), "copy.txt", TEXT);
    let id = DocumentId(1);
    let taken = |name: &str, known| TakenDocument { id, name: name.into(), known };
    assert_eq!(one(&mut store, &path, false), taken("works.txt", false));
    assert_eq!(one(&mut store, &copy, true), taken("copy.txt", true), "it waits already");
    turn_away(&mut store);
    assert_eq!(one(&mut store, &path, false), taken("works.txt", true));
    assert_eq!(one(&mut store, &path, true), taken("works.txt", false));
    let job = store.job_of(id).unwrap();
    assert_eq!((job.state, job.stage, job.attempts), (JobState::Queued, Stage::Probes, 0));

    turn_away(&mut store);
    let row = r#"{"question":"Where is the Brastonel Works based?","answer":"Quellmarn"}"#;
    file(files.path(), "works.probes.jsonl", row);
    assert_eq!(one(&mut store, &path, false), taken("works.txt", false));
    assert_eq!(store.supplied_probes(id).unwrap()[0].answers, ["Quellmarn"]);
    assert_eq!(store.document(id).unwrap().state, DocumentState::Waiting);
    turn_away(&mut store);
    assert_eq!(one(&mut store, &path, false), taken("works.txt", true), "the questions are the same");
    assert_eq!(one(&mut store, &copy, false), taken("copy.txt", true), "no questions are no other questions");
}

#[test]
fn files_that_cannot_be_taken_in_say_why_and_leave_nothing() {
    let (root, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = store(root.path());
    let row = |title: &str, times| format!(r#"{{"title":"{title}","text":"{}"}}"#, TEXT.repeat(times));
    let rows = file(files.path(), "rows.jsonl", &format!("{}\n{}\n", row("Short", 1), row("Other", 2)));
    let beside = file(files.path(), "rows.probes.jsonl", r#"{"question":"Who?","answer":"Trondvik"}"#);
    for (path, kind, words) in
        [(rows, Kind::Invalid, "which of the 2 documents"), (beside, Kind::Invalid, "name that document")]
    {
        let error = take_in(&mut store, &intake(false), &path).unwrap().documents.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "no `{words}` in: {error}");
    }
    assert!(store.jobs(None).unwrap().is_empty());
}

#[test]
fn an_intake_that_is_stopped_between_rows_loses_and_doubles_nothing() {
    let (root, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = store(root.path());
    let rows: String =
        (0..1000).map(|n| format!("{{\"text\":\"Works number {n} was founded.\"}}\n")).collect();
    let path = file(files.path(), "rows.jsonl", &rows);
    let intake = Intake { versions: true, ..intake(false) };
    let ready = read(&intake, &path).unwrap();
    let asked = Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) == 2;
    let stored = keep_all(&mut store, &intake, &ready, &stop).unwrap().len();
    assert!((1..1000).contains(&stored) && asked.get() == 3, "{stored} rows, asked {} times", asked.get());
    assert_eq!(store.jobs(Some(JobState::Queued)).unwrap().len(), stored, "what is stored stays");
    let taken = take_in(&mut store, &intake, &path).unwrap().documents.unwrap();
    assert_eq!(taken.iter().filter(|one| one.known).count(), stored);
    let numbers: HashSet<i64> = taken.iter().map(|one| one.id.0).collect();
    assert_eq!((taken.len(), numbers.len()), (1000, 1000));
    assert_eq!(store.jobs(None).unwrap().len(), 1000);
}

#[test]
fn a_document_of_too_many_passages_is_rejected_with_a_remedy() {
    let (root, files, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), model());
    let path = file(files.path(), "book.txt", &TEXT.repeat(100));
    let id = one(&mut store(root.path()), &path, false).id;
    let few = WorkerOptions { learn: LearnOptions { max_passages: 3, ..options().learn }, ..options() };
    let open = Root::open(root.path()).unwrap();
    let mut worker = Worker::open(open, store(root.path()), &model, few, &NEVER).unwrap();
    worker.run_next(&mut |_| {}).unwrap();
    let document = worker.store().document(id).unwrap();
    assert_eq!(document.state, DocumentState::Rejected);
    assert!(document.reasons[0].contains("at most 3 are taken"), "{:?}", document.reasons);
}

#[test]
fn a_text_that_is_too_long_for_any_model_is_refused_when_it_comes() {
    let (root, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = store(root.path());
    // Marks upon one letter: 4 MB, a token each or more, and no word that could be learned.
    let marks = file(files.path(), "marks.txt", &format!("a{}", "\u{301}".repeat(2_000_000)));
    let error = take_in(&mut store, &intake(false), &marks).unwrap().documents.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    for words in ["too long", "more than 32 passages", "split it", "max_passages"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(store.jobs(None).unwrap().is_empty());
    // Whoever allows more may have it.
    let more = Intake { max_passages: 1000, ..intake(false) };
    assert_eq!(take_in(&mut store, &more, &marks).unwrap().documents.unwrap().len(), 1);
}
