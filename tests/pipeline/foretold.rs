//! What is told while a document is learned: how long it will take, from those that an earlier process learned, and what questions are put for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::support::{NEVER, model, options, store, take_in};
use seald::pipeline::{Root, Worker, WorkerOptions};
use seald_core::Kind;
use seald_core::clock::Timestamp;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::progress::{Progress, Task, Work};
use seald_learn::work::OnWork;
use seald_store::NewEvent;

#[test]
fn what_an_earlier_process_learned_foretells_the_next_document() {
    let root = tempfile::tempdir().unwrap();
    take_in(root.path(), 1);
    let finished = NewEvent {
        at: Timestamp(1),
        job: None,
        document: Some(DocumentId(1)),
        kind: "finished".into(),
        body: serde_json::json!({ "event": "finished", "after": 0.5, "seconds": 1000.0 }),
    };
    store(root.path()).log(&[finished]).unwrap();
    let (model, cancel) = (model(), AtomicBool::new(false));
    let mut worker =
        Worker::open(Root::open(root.path()).unwrap(), store(root.path()), &model, options(), &cancel)
            .unwrap();
    let mut foretold = None;
    let ended = worker.run_next(&mut |event| {
        if let Progress::Started { seconds, .. } = event {
            foretold = seconds;
            cancel.store(true, Ordering::Relaxed);
        }
    });
    assert_eq!(ended.unwrap_err().kind(), Kind::Cancelled);
    let foretold = foretold.unwrap();
    assert!((foretold - 1000.0).abs() < 1e-6, "the same text takes as long: {foretold}");
}

#[test]
fn questions_are_told_with_what_they_are_for() {
    let root = tempfile::tempdir().unwrap();
    take_in(root.path(), 2);
    let tasks: Arc<Mutex<Vec<Task>>> = Arc::default();
    let seen = tasks.clone();
    let on_work = OnWork::new(move |work: Work| seen.lock().unwrap().push(work.task));
    let (model, options) = (model(), WorkerOptions { on_work: Some(on_work), ..options() });
    let mut worker =
        Worker::open(Root::open(root.path()).unwrap(), store(root.path()), &model, options, &NEVER).unwrap();
    while worker.run_next(&mut |_| {}).unwrap().is_some() {}
    let told = std::mem::take(&mut *tasks.lock().unwrap());
    for task in [Task::AnswerDocument, Task::AnswerInSight, Task::AnswerEarlier, Task::MeasureDrift] {
        assert!(told.contains(&task), "{task:?}");
    }
    assert!(!told.contains(&Task::AnswerQuestions), "nobody said what for");
}
