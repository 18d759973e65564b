//! Consolidation, forgetting and writer rounds killed at every named place: a rerun ends as if nothing had happened. On a model that trains in no
//! time, with documents whose learning is made up.

use std::path::Path;
use std::process::Command;

use seald::pipeline::{Root, Worker, WorkerOptions, crash};
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{DocumentId, GenerationId, WriterId};
use seald_core::domain::job::{Event, Job, JobKind, JobState, Stage};
use seald_core::domain::writer::{Examined, TrainedWriter};
use seald_core::files::StagedDir;
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_learn::consolidate::ConsolidateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::writer::{self, WriterOptions};
use seald_store::Store;
use tempfile::TempDir;

use crate::made_up_rows as made_up;
use crate::pipeline::crash::{MODEL, State, run_in, state, steps_done};
use crate::pipeline::support::{NEVER, each_step, store};
use crate::pipeline::upkeep::{copy_of, names};
use crate::tiny_model::TinyModel;

/// A model directory, on one thread in f32.
pub(crate) fn open_model(path: &Path) -> Model {
    Model::open(path, &Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap()).unwrap()
}

/// A worker with as little to do as there can be.
pub(crate) fn worker<'m>(root: &Path, model: &'m Model) -> Worker<'m> {
    let learn = LearnOptions {
        rank: 4,
        learning_rates: vec![1e-3],
        calibrate: false,
        epochs: vec![1],
        base_samples: 8,
        ..LearnOptions::default()
    };
    let consolidate = ConsolidateOptions { min_steps: 6, epochs: 1, ..ConsolidateOptions::default() };
    let writer_rounds = WriterOptions {
        rank: 4,
        epochs: 6,
        exam_share: exam_share(),
        samples: 1,
        trial_steps: 2,
        min_examples: 1,
        ..WriterOptions::default()
    };
    let clock = Clock::at(Timestamp(1_763_769_600_000));
    let checkpoint_every = each_step();
    let options = WorkerOptions {
        learn,
        consolidate,
        writer_rounds,
        clock,
        checkpoint_every,
        ..WorkerOptions::default()
    };
    Worker::open(Root::open(root).unwrap(), store(root), model, options, &NEVER).unwrap()
}

/// A share by which two of the three learned documents examine writers.
fn exam_share() -> f64 {
    let exams =
        |share: f64| [1, 3, 5].iter().filter(|n| writer::is_exam(&format!("hash {n}"), share)).count();
    (1..100).map(|hundredths| f64::from(hundredths) / 100.0).find(|share| exams(*share) == 2).unwrap()
}

/// A root on which documents 1, 3 and 5 are learned, each with a generation.
fn taught(model: &Model) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(dir.path()).unwrap();
    let mut opened = Store::open(&root.database()).unwrap();
    for n in 1..=5 {
        made_up::receive(&mut opened, n);
    }
    made_up::learn_all(&mut opened);
    let database = rusqlite::Connection::open(root.database()).unwrap();
    database.execute("UPDATE generations SET base_fingerprint = ?", [&model.fingerprint]).unwrap();
    let options = LearnOptions { rank: 4, ..LearnOptions::default() };
    for id in 1..=3 {
        let (config, device) = (model.decoder.config(), &model.decoder.compute().device);
        let adapter = Adapter::init(&options.lora(), config, id as u64, device).unwrap();
        let staged = StagedDir::replacing(&root.adapters(), &GenerationId(id).folder()).unwrap();
        seald_engine::adapter_files::write(&adapter, &staged, &model.adapter_meta()).unwrap();
        staged.publish().unwrap();
    }
    drop((opened, database));
    // Draws the base samples, so that no run differs in that.
    drop(worker(dir.path(), model));
    dir
}

/// Queues a job.
fn ask_for(root: &Path, kind: JobKind) -> Job {
    let mut store = store(root);
    match kind {
        JobKind::Forget => store.forget(DocumentId(1), false).unwrap(),
        kind => store.queue(kind, None, "asked for").unwrap(),
    }
}

/// A writer round that has come to its last stage: random weights would hardly get there.
fn ask_for_promotion(root: &Path, model: &Model) {
    let job = ask_for(root, JobKind::WriterRound);
    let mut store = store(root);
    let claimed = store.claim_next(Timestamp(1), 60).unwrap().unwrap();
    let trained =
        TrainedWriter { present: WriterId::BASE, winners: 1, steps: 1, tokens: 9, seconds: 1.0, loss: 1.0 };
    let job_dir = Root::open(root).unwrap().job(job.id);
    let staged = StagedDir::replacing(&job_dir, "trial").unwrap();
    let options = LearnOptions { rank: 4, ..LearnOptions::default() };
    let (config, device) = (model.decoder.config(), &model.decoder.compute().device);
    let adapter = Adapter::init(&options.lora(), config, 9, device).unwrap();
    seald_engine::adapter_files::write(&adapter, &staged, &model.adapter_meta()).unwrap();
    staged.publish().unwrap();
    let examined = Examined {
        documents: 2,
        reward_before: 0.0,
        reward_after: 1.0,
        bound: 0.5,
        diversity_before: 0.5,
        diversity_after: 0.5,
        promoted: true,
        reasons: Vec::new(),
    };
    let claimed = store.finish_train_writer(&claimed, Some(&trained)).unwrap();
    let claimed = store.finish_examine(&claimed, &[], &examined, Timestamp(1)).unwrap();
    store.apply(claimed.id, Event::Returned).unwrap();
}

#[test]
fn a_kill_at_any_place_of_these_jobs_leaves_nothing_different() {
    let tiny = TinyModel::new();
    let model = open_model(&tiny.path("model"));
    let taught = taught(&model);
    let kinds = [JobKind::Consolidate, JobKind::WriterRound, JobKind::Forget];
    let mut places: Vec<(JobKind, String)> = Vec::new();
    for kind in kinds {
        let promote = |place: &String| place.starts_with(Stage::Promote.as_str());
        places.extend(crash::points(kind).filter(|place| !promote(place)).map(|place| (kind, place)));
    }
    assert_eq!(places.len(), 30);
    let expected = kinds.map(|kind| undisturbed(&tiny, taught.path(), kind));
    for (kind, place) in places {
        let root = copy_of(taught.path());
        ask_for(root.path(), kind);
        let at = kinds.iter().position(|one| *one == kind).unwrap();
        die_and_go_on(&tiny, root.path(), &place, &expected[at]);
    }
}

#[test]
fn a_kill_while_a_writer_is_promoted_leaves_one_writer() {
    let tiny = TinyModel::new();
    let model = open_model(&tiny.path("model"));
    let ready = taught(&model);
    ask_for_promotion(ready.path(), &model);
    let whole = copy_of(ready.path());
    assert!(run(&tiny, whole.path(), None));
    let expected = (state(whole.path()), 0);
    assert!(expected.0.1.contains_key(Path::new("writer-000001/adapter_model.safetensors")));
    for place in crash::points(JobKind::WriterRound).filter(|place| place.starts_with("promote")) {
        die_and_go_on(&tiny, copy_of(ready.path()).path(), &place, &expected);
    }
}

fn run(tiny: &TinyModel, root: &Path, crash_at: Option<&str>) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(MODEL, tiny.path("model"));
    run_in(command, root, crash_at)
}

/// What a job leaves that nobody kills.
fn undisturbed(tiny: &TinyModel, taught: &Path, kind: JobKind) -> (State, usize) {
    let root = copy_of(taught);
    let job = ask_for(root.path(), kind);
    assert!(run(tiny, root.path(), None));
    let ended = store(root.path()).job(job.id).unwrap();
    assert_eq!(ended.state, JobState::Done, "{kind}: {:?}", ended.error);
    match kind {
        JobKind::WriterRound => assert_eq!(ended.stage, Stage::Examine, "random weights are no better"),
        _ => assert_eq!(Some(&ended.stage), kind.stages().last(), "{kind}"),
    }
    if kind == JobKind::Consolidate {
        let store = store(root.path());
        let live = store.live().unwrap().unwrap();
        assert_eq!(
            (live.id, live.parent, live.origin),
            (GenerationId(4), GenerationId(3), Origin::Consolidated)
        );
        assert!(live.documents.is_empty(), "it learned nothing that its parent had not");
        let compared = store.consolidation(job.id).unwrap().unwrap().comparison.unwrap();
        assert_eq!(store.replay_row(live.id).unwrap().len(), compared.asked, "the whole bank is its row");
        let card = std::fs::read_to_string(root.path().join("adapters/gen-000004/README.md")).unwrap();
        assert!(card.contains("Bulletin 5") && card.contains("took the place of gen-000003"), "{card}");
        assert_eq!(std::fs::read_link(root.path().join("adapters/live")).unwrap(), Path::new("gen-000004"));
    }
    (state(root.path()), steps_done(root.path()))
}

/// `steps` are those of an undisturbed job.
fn die_and_go_on(tiny: &TinyModel, root: &Path, place: &str, (expected, steps): &(State, usize)) {
    assert!(!run(tiny, root, Some(place)), "{place}: the process did not die");
    let earlier = steps_done(root);
    assert!(run(tiny, root, None));
    if place.contains(":step-") {
        assert_eq!(
            (earlier, steps_done(root)),
            (3, steps - 2),
            "{place}: steps were done again, or left out"
        );
    }
    let opened = store(root);
    let last = opened.jobs(None).unwrap().pop().unwrap();
    assert!(opened.event_of(last.id, "ended").unwrap().is_some(), "{place}: nobody said how it ended");
    drop(opened);
    let found = state(root);
    assert_eq!(found.0, expected.0, "{place}: another database");
    assert!(found.1 == expected.1, "{place}: other files beneath adapters");
    assert!(names(&root.join("state/work")).is_empty(), "{place}: the job's folder is left");
}
