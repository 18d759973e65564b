//! How jobs end, and what start-up does with what it finds.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use seald::pipeline::{Root, Worker, WorkerOptions};
use seald_core::Kind;
use seald_core::domain::document::DocumentState;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::job::{JobState, MAX_ATTEMPTS, Stage};
use seald_core::domain::probe::Role;
use seald_core::domain::progress::Progress;
use seald_engine::model::Model;

use crate::pipeline::support::{NEVER, model, options, store, take_in, take_in_named, worker};

#[test]
fn a_document_is_learned_and_its_generation_answers_without_it() {
    let (root, model) = (tempfile::tempdir().unwrap(), model());
    take_in(root.path(), 1);
    let mut worker = worker(root.path(), &model).unwrap();
    let mut events = Vec::new();
    let done = worker.run_next(&mut |event| events.push(event)).unwrap().unwrap();
    let document = worker.store().document(DocumentId(1)).unwrap();
    assert_eq!(done.state, Some(DocumentState::Learned), "{:?}", document.reasons);
    assert!(worker.run_next(&mut |_| {}).unwrap().is_none());
    assert!(done.cost.trained_tokens > 0 && done.cost.generated_tokens > 0 && done.cost.scored_tokens > 0);
    assert!(matches!(events.first(), Some(Progress::Started { passages: 1, .. })));
    assert!(events.iter().any(|e| matches!(e, Progress::Decided { accepted: true, .. })));

    let store = worker.store();
    let live = store.live().unwrap().unwrap();
    assert_eq!((live.id, live.parent), (GenerationId(1), GenerationId::BASE));
    let right = |subject| {
        let gate = store.probes(DocumentId(1), Some(Role::Gate)).unwrap();
        let all = store.evaluations(DocumentId(1), subject).unwrap();
        all.iter().filter(|e| gate.iter().any(|p| p.id == e.probe) && e.right).count()
    };
    assert!(right(Subject::Candidate) > right(Subject::Before));
    let card = std::fs::read_to_string(root.path().join("adapters/gen-000001/README.md")).unwrap();
    assert!(card.contains("Drelpolford") && card.contains("retention"), "{card}");
    let link = std::fs::read_link(root.path().join("adapters/live")).unwrap();
    assert_eq!(link.to_str(), Some("gen-000001"));
    model.load_adapter(&root.path().join("adapters/live")).unwrap();
}

/// Learns two documents that both come with questions; the tokens of each one's trials.
fn learn_both(root: &Path, model: &Model, options: WorkerOptions) -> Vec<u64> {
    take_in_named(root, &["drelpolford.txt", "the-chilpreilin-library.html"]);
    let mut worker = Worker::open(Root::open(root).unwrap(), store(root), model, options, &NEVER).unwrap();
    while worker.run_next(&mut |_| {}).unwrap().is_some() {}
    let tokens = |id| worker.store().trials(DocumentId(id)).unwrap().iter().map(|t| t.tokens).sum();
    vec![tokens(1), tokens(2)]
}

#[test]
fn the_next_generation_continues_the_live_one_and_rehearses_what_it_learned() {
    let (root, model) = (tempfile::tempdir().unwrap(), model());
    let tokens = learn_both(root.path(), &model, options());
    let store = store(root.path());
    let generations = store.generations().unwrap();
    assert_eq!(generations.iter().map(|g| g.parent.0).collect::<Vec<_>>(), [0, 1], "both should be accepted");

    // A fresh adapter's A is drawn anew for every document; one that goes on is nearly its parent's.
    let first_a = |generation| -> Vec<f32> {
        let dir = Root::open(root.path()).unwrap().generation(GenerationId(generation));
        let adapter = model.load_adapter(&dir).unwrap().adapter;
        let (_, _, matrices) = adapter.matrices().next().unwrap();
        matrices.a.flatten_all().unwrap().to_vec1().unwrap()
    };
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f32>();
    let (one, two) = (first_a(1), first_a(2));
    let cosine = dot(&one, &two) / (dot(&one, &one) * dot(&two, &two)).sqrt();
    assert!(cosine > 0.8, "{cosine}");

    let matrix = seald::pipeline::matrix(&store).unwrap();
    let columns: Vec<_> = matrix.columns().iter().map(|c| c.document).collect();
    assert_eq!(columns, [DocumentId(1), DocumentId(2)]);
    for document in columns {
        assert!(matrix.cell(GenerationId(2), document).is_some());
        assert!(matrix.cell(GenerationId::BASE, document).is_some());
    }

    let (alone, mut without) = (tempfile::tempdir().unwrap(), options());
    without.learn.rehearsal_rows = 0;
    let bare = learn_both(alone.path(), &model, without);
    assert_eq!(tokens[0], bare[0], "the first document has nothing to rehearse");
    assert!(tokens[1] > bare[1], "{tokens:?} with the first document's rows, {bare:?} without");
}

#[test]
fn a_stop_gives_the_attempt_back() {
    let (root, model) = (tempfile::tempdir().unwrap(), model());
    take_in(root.path(), 1);
    let cancel = AtomicBool::new(false);
    let mut worker =
        Worker::open(Root::open(root.path()).unwrap(), store(root.path()), &model, options(), &cancel)
            .unwrap();
    let error = worker
        .run_next(&mut |event| {
            if matches!(event, Progress::Step { .. }) {
                cancel.store(true, Ordering::Relaxed);
            }
        })
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let job = store(root.path()).jobs(None).unwrap().remove(0);
    assert_eq!((job.state, job.attempts, job.stage.as_str()), (JobState::Queued, 0, "trials"));
}

#[test]
fn what_is_not_ours_is_left_and_what_a_row_names_is_missed() {
    let (root, model) = (tempfile::tempdir().unwrap(), model());
    take_in(root.path(), 1);
    while worker(root.path(), &model).unwrap().run_next(&mut |_| {}).unwrap().is_some() {}
    let adapters = root.path().join("adapters");
    std::fs::create_dir(adapters.join("mine")).unwrap();
    std::fs::remove_file(adapters.join("live")).unwrap();
    worker(root.path(), &model).unwrap();
    assert!(adapters.join("mine").exists(), "other people's folders are theirs");
    assert!(adapters.join("live/adapter_model.safetensors").exists(), "the link is put back");

    std::fs::rename(adapters.join("gen-000001"), adapters.join("elsewhere")).unwrap();
    let mut worker = worker(root.path(), &model).unwrap();
    assert!(
        worker.live().is_none() && worker.store().live().unwrap().is_none(),
        "its parent, the base, answers"
    );
    assert!(!adapters.join("live").exists());
    let document = worker.store().document(DocumentId(1)).unwrap();
    assert_eq!(document.state, DocumentState::Waiting, "what it knew is learned again");
    let kinds: Vec<String> =
        worker.store().events_after(0, 1000).unwrap().into_iter().map(|e| e.event.kind).collect();
    assert!(kinds.contains(&"fell_back".to_string()), "{kinds:?}");
    while worker.run_next(&mut |_| {}).unwrap().is_some() {}
    assert_eq!(worker.store().live().unwrap().unwrap().id, GenerationId(2), "no number is used twice");
}

#[test]
fn generations_of_another_database_are_neither_removed_nor_written_over() {
    // Who moves a damaged database away does not mean to lose what was learned.
    let (root, model) = (tempfile::tempdir().unwrap(), model());
    let learned = root.path().join("adapters/gen-000001");
    std::fs::create_dir_all(&learned).unwrap();
    take_in(root.path(), 1);
    std::fs::write(learned.join("mine"), "what was learned").unwrap();
    for aside in ["unknown-gen-000001", "unknown-gen-000001-2"] {
        drop(worker(root.path(), &model).unwrap());
        assert!(!learned.exists());
        assert_eq!(
            std::fs::read(root.path().join("adapters").join(aside).join("mine")).unwrap(),
            b"what was learned"
        );
        std::fs::create_dir(&learned).unwrap();
        std::fs::write(learned.join("mine"), "what was learned").unwrap();
    }
}

/// A machine that refuses to write is waited for: a document does not fail for it, however often.
#[test]
fn what_the_machine_refuses_does_not_count_as_attempts_of_the_document() {
    let (root, model) = (tempfile::tempdir().unwrap(), model());
    take_in(root.path(), 1);
    let (adapters, away) = (root.path().join("adapters"), root.path().join("away"));
    let mut worker = worker(root.path(), &model).unwrap();
    // Once the trials are over: from then on nothing can be written there.
    let mut break_it = |progress: Progress| {
        if matches!(progress, Progress::Stage { stage: Stage::Publish }) && !away.exists() {
            std::fs::rename(&adapters, &away).unwrap();
            std::fs::write(&adapters, "no folder").unwrap();
        }
    };
    for _ in 0..2 * MAX_ATTEMPTS {
        let error = worker.run_next(&mut break_it).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        assert!(error.to_string().contains("waits to be tried again"), "{error}");
        let job = worker.store().job_of(DocumentId(1)).unwrap();
        assert_eq!((job.state, job.stage, job.attempts), (JobState::Queued, Stage::Publish, 0));
        assert!(job.error.unwrap().contains("adapters"));
    }
    std::fs::remove_file(&adapters).unwrap();
    std::fs::rename(&away, &adapters).unwrap();
    let done = worker.run_next(&mut |_| {}).unwrap().unwrap();
    assert_eq!(done.state, Some(DocumentState::Learned));
}
