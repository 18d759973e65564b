//! Files that come in: once, again with other questions, too long, and beside what is no document.

use std::path::{Path, PathBuf};

use seald::Kind;
use seald::clock::Timestamp;
use seald::domain::document::DocumentState;
use seald::domain::ids::DocumentId;
use seald::domain::job::{JobState, Stage};
use seald::ingest::Limits;
use seald::learn::options::LearnOptions;
use seald::pipeline::{Intake, Root, TakenDocument, Worker, WorkerOptions, take_in};

use crate::support::{NEVER, model, options, store};

const TEXT: &str = "The Brastonel Works was founded by Elmar Trondvik. It has its head office in Quellmarn.";

fn intake(retry: bool) -> Intake<'static> {
    Intake { program: Path::new(env!("CARGO_BIN_EXE_seald")), limits: Limits::default(), retry }
}

fn file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Takes a file with one document in.
fn one(worker: &mut Worker<'_>, path: &Path, retry: bool) -> TakenDocument {
    take_in(worker, &intake(retry), path).unwrap().documents.unwrap().remove(0)
}

/// Turns the one that waits away.
fn turn_away(worker: &mut Worker<'_>) {
    let store = worker.store_mut();
    let job = store.claim_next(Timestamp(2), 60).unwrap().unwrap();
    store.reject(&job, &["no gain".to_string()]).unwrap();
}

#[test]
fn what_was_turned_away_is_learned_again_on_request_or_with_other_questions() {
    let (root, files, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), model());
    let open = Root::open(root.path()).unwrap();
    let mut worker = Worker::open(open, store(root.path()), &model, options(), &NEVER).unwrap();
    let path = file(files.path(), "works.txt", TEXT);
    let copy = file(files.path(), "copy.txt", TEXT);
    let id = DocumentId(1);
    let taken = |name: &str, known| TakenDocument { id, name: name.into(), known };
    assert_eq!(one(&mut worker, &path, false), taken("works.txt", false));
    assert_eq!(one(&mut worker, &copy, true), taken("copy.txt", true), "it waits already");
    turn_away(&mut worker);
    assert_eq!(one(&mut worker, &path, false), taken("works.txt", true));
    assert_eq!(one(&mut worker, &path, true), taken("works.txt", false));
    let job = worker.store().job_of(id).unwrap();
    assert_eq!((job.state, job.stage, job.attempts), (JobState::Queued, Stage::Probes, 0));

    turn_away(&mut worker);
    let row = r#"{"question":"Where is the Brastonel Works based?","answer":"Quellmarn"}"#;
    file(files.path(), "works.probes.jsonl", row);
    assert_eq!(one(&mut worker, &path, false), taken("works.txt", false));
    assert_eq!(worker.store().supplied_probes(id).unwrap()[0].answers, ["Quellmarn"]);
    assert_eq!(worker.store().document(id).unwrap().state, DocumentState::Waiting);
    turn_away(&mut worker);
    assert_eq!(one(&mut worker, &path, false), taken("works.txt", true), "the questions are the same");
    assert_eq!(
        one(&mut worker, &copy, false),
        taken("copy.txt", true),
        "no questions are no other questions"
    );
}

#[test]
fn files_that_cannot_be_taken_in_say_why_and_leave_nothing() {
    let (root, files, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), model());
    let few = WorkerOptions { learn: LearnOptions { most_passages: 3, ..options().learn }, ..options() };
    let open = Root::open(root.path()).unwrap();
    let mut worker = Worker::open(open, store(root.path()), &model, few, &NEVER).unwrap();
    let row = |title: &str, times| format!(r#"{{"title":"{title}","text":"{}"}}"#, TEXT.repeat(times));
    let (short, long) = (row("Short", 1), row("Long", 100));
    let too_long = file(files.path(), "books.jsonl", &format!("{short}\n{long}\n"));
    let rows = file(files.path(), "rows.jsonl", &format!("{short}\n{}\n", row("Other", 2)));
    let beside = file(files.path(), "rows.probes.jsonl", r#"{"question":"Who?","answer":"Trondvik"}"#);
    for (path, kind, words) in [
        (too_long, Kind::Unsupported, "books.jsonl#2 is too long"),
        (rows, Kind::Invalid, "which of the 2 documents"),
        (beside, Kind::Invalid, "name that document"),
    ] {
        let error = take_in(&mut worker, &intake(false), &path).unwrap().documents.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "no `{words}` in: {error}");
    }
    assert!(worker.store().jobs(None).unwrap().is_empty());
}
