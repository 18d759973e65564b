//! Calibration, of nano as if nobody had taught it our prompts.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use seald_core::Kind;
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::calibration::Calibration;
use seald_core::domain::progress::{Progress, Task, Work};
use seald_engine::model::Model;
use seald_learn::calibrate;
use seald_learn::options::LearnOptions;
use seald_learn::prompt::PromptSet;
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::Session;
use seald_learn::work::OnWork;

use crate::{NEVER, model, session};

/// nano as a stranger, with as little work as still is the whole method.
fn calibrated_session<'m>(model: &'m Model, cancel: &'m AtomicBool) -> Session<'m> {
    let mut session = Session::new(model, LearnOptions::default(), cancel).unwrap();
    session.prompts = PromptSet::General;
    let options = LearnOptions { presentations: 1, base_samples: 8, base_rows: 1, ..LearnOptions::default() };
    session.options = options.for_model(PromptSet::General, model.decoder.config());
    session
}

#[test]
fn a_model_is_calibrated_by_what_a_lesson_teaches_and_changes() {
    let model = model();
    let mut session = calibrated_session(&model, &NEVER);
    let formula = session.options.learning_rates[0];
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    assert!(calibrate::readings(&session).unwrap() > 1000.0);

    let works = Arc::new(Mutex::new(Vec::new()));
    let tell = works.clone();
    session.work.on_work = Some(OnWork::new(move |work: Work| tell.lock().unwrap().push(work.task)));
    let mut told = Vec::new();
    let clock = Clock::at(Timestamp(7));
    let found = calibrate::run(&session, &rehearsal, &clock, &mut |event| told.push(event)).unwrap();

    let rates: Vec<f64> = found.rates.iter().map(|one| one.rate).collect();
    assert_eq!(rates, [formula, formula / 2.0][..rates.len()], "the lower one where it is needed");
    assert!(rates.contains(&found.learning_rate), "{found:?}");
    assert!(found.rates.iter().all(|one| one.tokens > 0 && one.standard_error > 0.0), "{found:?}");
    assert_eq!(found.drifts.len(), rates.len());
    let asked = found.drifts[0].asked;
    // Of right answers by fewer at most than there were; nano, which was taught other prompts, may have none.
    assert!(
        asked <= 80 && found.drifts.iter().all(|one| one.asked == asked && one.lost <= asked as i64),
        "{found:?}"
    );
    assert!(found.rates[0].drift != 0.0 && found.rates[0].drift == found.drifts[0].drift, "{found:?}");
    assert!((found.drift_budget - 0.1).abs() < 1e-9, "{found:?}");
    let speeds = [found.speeds.read, found.speeds.written, found.speeds.trained];
    assert!(speeds.iter().all(|speed| speed.is_some_and(|speed| speed > 0.0)), "{found:?}");
    assert_eq!(found.made_at, Timestamp(7));

    let mut names = Vec::new();
    for event in told {
        let Progress::Step { trial, .. } = event else { panic!("{event:?} is about a document") };
        names.push(trial);
    }
    names.dedup();
    let expected: Vec<String> = rates.iter().map(|rate| format!("calibration {rate:.1e}")).collect();
    assert_eq!(names, expected);
    let works = works.lock().unwrap();
    let said = |task| works.contains(&task);
    assert!(said(Task::Calibrate) && said(Task::WriteTexts), "{works:?}");
    assert!(!said(Task::DrawBaseSamples) && !said(Task::LabelBaseSamples), "{works:?}");
}

/// Work that one process did to its end, by what it was for, and the steps that it trained.
#[derive(Debug, Default, PartialEq)]
struct Done {
    writings: usize,
    others: usize,
    steps: usize,
}

/// Calibrates until `stop` says so, of what was done so far; then what was found.
fn calibrate_until(
    model: &Model,
    samples: &[Vec<u32>],
    folder: &Path,
    stop: fn(&Done) -> bool,
) -> (seald_core::Result<Calibration>, Done) {
    let cancel = Arc::new(AtomicBool::new(false));
    let done = Arc::new(Mutex::new(Done::default()));
    let mut session = calibrated_session(model, &cancel);
    let rehearsal = Rehearsal::new(&session, samples).unwrap();
    let (noting, ending) = (done.clone(), cancel.clone());
    session.work.on_work = Some(OnWork::new(move |work: Work| {
        let mut done = noting.lock().unwrap();
        match work.task {
            _ if work.done < work.of => return,
            Task::WriteTexts => done.writings += 1,
            _ => done.others += 1,
        }
        ending.store(stop(&done), Ordering::Relaxed);
    }));
    session.checkpoints.folder = Some(folder.to_path_buf());
    let found = calibrate::run(&session, &rehearsal, &Clock::at(Timestamp(7)), &mut |_| {
        let mut done = done.lock().unwrap();
        done.steps += 1;
        cancel.store(stop(&done), Ordering::Relaxed);
    });
    drop(session);
    (found, Arc::into_inner(done).unwrap().into_inner().unwrap())
}

#[test]
fn a_calibration_that_is_stopped_goes_on_and_finds_the_same() {
    let model = model();
    let samples = rehearsal::draw(&calibrated_session(&model, &NEVER)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, stop| calibrate_until(&model, &samples, &folder.path().join(name), stop);
    let (expected, whole) = run("undisturbed", |_| false);
    let expected = expected.unwrap();

    // While it writes, in the middle of the training, after its last step, and in the midst of the looks.
    let mut together = Done::default();
    let stops: [fn(&Done) -> bool; 4] = [
        |done| done.writings > 0,
        |done| done.steps == 3,
        |done| done.steps > 0 && done.others > 0,
        |done| done.others == 3,
    ];
    for (number, stop) in stops.into_iter().enumerate() {
        let (ended, done) = run("stopped", stop);
        assert_eq!(ended.unwrap_err().kind(), Kind::Cancelled, "{number}: {done:?}");
        together.steps += done.steps;
        assert_eq!(
            done.writings > 0,
            number < 2,
            "{number}: what was written is not written again: {done:?}"
        );
    }
    let (found, last) = run("stopped", |_| false);
    let found = found.unwrap();
    assert_eq!((together.steps + last.steps, last.writings), (whole.steps, 0), "{whole:?} {last:?}");
    assert!(last.others < whole.others, "{whole:?} {last:?}");
    let same = |one: &Calibration| {
        let Calibration { learning_rate, drift_budget, rates, drifts, .. } = one.clone();
        format!("{learning_rate:?} {drift_budget:?} {rates:?} {drifts:?}")
    };
    assert_eq!(same(&found), same(&expected));
    let speeds = [found.speeds.read, found.speeds.written, found.speeds.trained];
    assert!(speeds.iter().all(|speed| speed.is_some_and(|speed| speed > 0.0)), "all of it counts: {found:?}");
    assert!(found.seconds > 0.0);

    // What is whole is only read; of other samples nothing of it is.
    let (again, nothing) = run("stopped", |_| false);
    assert_eq!((same(&again.unwrap()), nothing.steps), (same(&expected), 0));
    let fewer = &samples[..samples.len() - 1];
    let (_, anew) = calibrate_until(&model, fewer, &folder.path().join("stopped"), |done| done.others > 0);
    assert!(nothing.others == 0 && anew.others > 0, "{nothing:?} {anew:?}");
}

#[test]
fn nano_is_not_calibrated() {
    let model = model();
    let session = session(&model);
    let found = calibrate::run(&session, &Rehearsal::default(), &Clock::System, &mut |_| {});
    let error = found.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("part of the program"), "{error}");
}
