//! A model is calibrated before its first document, once, and what was found is used.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::support::{options, store, take_in};
use super::upkeep::names;
use seald::pipeline::{Root, Worker, WorkerOptions, calibrated_with, kept_calibration};
use seald_core::Kind;
use seald_core::domain::calibration::{Calibration, Speeds};
use seald_core::domain::progress::Progress;
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;
use seald_learn::options::LearnOptions;

/// A model that is to be calibrated.
fn stranger(folder: &Path) -> Model {
    crate::small::stranger(folder);
    let compute = Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap();
    Model::open(folder, &compute).unwrap()
}

fn open<'m>(root: &Path, model: &'m Model, learn: LearnOptions, cancel: &'m AtomicBool) -> Worker<'m> {
    let options = WorkerOptions { learn, ..options() };
    Worker::open(Root::open(root).unwrap(), store(root), model, options, cancel).unwrap()
}

/// Runs the next job until something happens that `stop` names; what was told.
fn run_until(worker: &mut Worker<'_>, cancel: &AtomicBool, stop: fn(&Progress) -> bool) -> Vec<Progress> {
    let mut told = Vec::new();
    let ended = worker.run_next(&mut |event| {
        if stop(&event) {
            cancel.store(true, Ordering::Relaxed);
        }
        told.push(event);
    });
    assert_eq!(ended.unwrap_err().kind(), Kind::Cancelled, "{told:?}");
    cancel.store(false, Ordering::Relaxed);
    told
}

fn calibrates(told: &[Progress]) -> bool {
    told.iter().any(|event| matches!(event, Progress::Calibrating { .. }))
}

#[test]
fn the_first_document_waits_for_the_calibration_and_the_others_use_it() {
    let root = tempfile::tempdir().unwrap();
    let model = stranger(&root.path().join("models/stranger"));
    let never = AtomicBool::new(false);
    let left_open = LearnOptions {
        learning_rates: Vec::new(),
        rung_steps: Vec::new(),
        final_steps: 0,
        presentations: 1,
        base_samples: 8,
        base_rows: 1,
        ..options().learn
    };
    let set = LearnOptions { learning_rates: vec![5e-3], ..left_open.clone() };
    let without = LearnOptions { calibrate: false, ..left_open.clone() };
    let kept = || kept_calibration(&store(root.path()), &model.fingerprint).unwrap();
    let rates = |learn: &LearnOptions| {
        open(root.path(), &model, learn.clone(), &never).session().options.learning_rates.clone()
    };
    take_in(root.path(), 1);
    let formula = rates(&left_open);

    // Stopped in its middle, no result is kept, and the document waits.
    let cancel = AtomicBool::new(false);
    let mut worker = open(root.path(), &model, left_open.clone(), &cancel);
    let told = run_until(&mut worker, &cancel, |event| matches!(event, Progress::Step { .. }));
    assert!(matches!(told[0], Progress::Calibrating { seconds: Some(seconds) } if seconds > 0.0), "{told:?}");
    assert_eq!((kept(), worker.waiting().unwrap()), (None, 1));
    drop(worker);

    // What was begun with other options is of no use; what was begun with the same ones is.
    let under_way = root.path().join("state/work/calibration");
    let other = under_way.join("begun otherwise");
    std::fs::create_dir(&other).unwrap();

    // Let be, it goes on where it was, and before the document, and the worker goes on with what it found.
    let mut worker = open(root.path(), &model, left_open.clone(), &cancel);
    let told = run_until(&mut worker, &cancel, |event| {
        matches!(event, Progress::Stage { .. } | Progress::Step { step: 3, .. })
    });
    assert!(!other.exists() && names(&under_way).len() == 1, "{:?}", names(&under_way));
    let steps = |told: &[Progress]| {
        let step = |event: &Progress| match event {
            Progress::Step { step, .. } => Some(*step),
            _ => None,
        };
        told.iter().filter_map(step).collect::<Vec<_>>()
    };
    assert_eq!(steps(&told), [2, 3], "{told:?}");
    let told = run_until(&mut worker, &cancel, |event| matches!(event, Progress::Stage { .. }));
    assert_eq!(steps(&told).first(), Some(&4), "{told:?}");
    assert!(!under_way.exists(), "the result is all that is kept");
    let place = |wanted: fn(&Progress) -> bool| told.iter().position(wanted).unwrap();
    let calibrated = place(|event| matches!(event, Progress::Calibrated { .. }));
    assert!(calibrated < place(|event| matches!(event, Progress::Started { .. })), "{told:?}");
    let found = kept().unwrap();
    assert_eq!(worker.session().options.learning_rates, [found.learning_rate]);
    drop(worker);

    // A rate that no formula gives: what is used is what was kept, unless it was set or turned off.
    let made_up = Calibration { learning_rate: 1.25e-3, speeds: Speeds::default(), ..found };
    store(root.path()).keep_calibration(&model.fingerprint, &calibrated_with(), &made_up).unwrap();
    assert_eq!((rates(&left_open), rates(&set)), (vec![1.25e-3], vec![5e-3]));
    assert_eq!((rates(&without), kept()), (formula, Some(made_up)));
    let mut worker = open(root.path(), &model, left_open, &cancel);
    let told = run_until(&mut worker, &cancel, |event| matches!(event, Progress::Stage { .. }));
    assert!(!calibrates(&told), "it is done once: {told:?}");
}

#[test]
fn nothing_is_calibrated_where_nothing_depends_on_it() {
    let root = tempfile::tempdir().unwrap();
    let model = stranger(&root.path().join("models/stranger"));
    take_in(root.path(), 1);
    let cancel = AtomicBool::new(false);
    let open_rate = LearnOptions { learning_rates: Vec::new(), base_samples: 8, ..options().learn };
    let set_rate = LearnOptions { base_samples: 8, ..options().learn };
    for (learn, expected) in [
        (LearnOptions { calibrate: false, ..open_rate.clone() }, false),
        (set_rate, false),
        (open_rate, true),
    ] {
        let options = WorkerOptions { learn, ..options() };
        let root = Root::open(root.path()).unwrap();
        let database = store(root.path());
        let mut worker = Worker::open(root, database, &model, options, &cancel).unwrap();
        let stop = |event: &Progress| matches!(event, Progress::Stage { .. } | Progress::Calibrating { .. });
        assert_eq!(calibrates(&run_until(&mut worker, &cancel, stop)), expected);
    }
}
