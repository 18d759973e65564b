//! Calibration, of nano as if nobody had taught it our prompts.

use std::sync::{Arc, Mutex};

use seald_core::Kind;
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::progress::{Progress, Task, Work};
use seald_learn::calibrate;
use seald_learn::options::LearnOptions;
use seald_learn::prompt::PromptSet;
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::work::OnWork;

use crate::{model, session};

#[test]
fn a_model_is_calibrated_by_what_a_lesson_teaches_and_changes() {
    let model = model();
    let mut session = session(&model);
    session.prompts = PromptSet::General;
    let options = LearnOptions { presentations: 1, base_samples: 8, base_rows: 1, ..LearnOptions::default() };
    session.options = options.for_model(PromptSet::General, model.decoder.config());
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
    assert_eq!(found.drifts.len(), 2 * rates.len(), "half the way and the whole way of each");
    let asked = found.drifts[0].asked;
    // Of right answers by fewer at most than there were; nano, which was taught other prompts, may have none.
    assert!(
        asked <= 80 && found.drifts.iter().all(|one| one.asked == asked && one.lost <= asked as i64),
        "{found:?}"
    );
    // The same start and the same rows: only the rate makes the difference. So little training may as well bring the guard text nearer.
    let moved = |look: usize| found.drifts[look].drift.abs();
    assert!(moved(0) < moved(1), "{found:?}");
    assert_eq!(found.rates[0].drift, found.drifts[1].drift);
    let largest = found.drifts.iter().map(|one| one.drift).fold(0.0, f64::max);
    assert!(found.drift_budget > 0.0 && found.drift_budget <= largest.max(0.1), "{found:?}");
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

#[test]
fn nano_is_not_calibrated() {
    let model = model();
    let session = session(&model);
    let found = calibrate::run(&session, &Rehearsal::default(), &Clock::System, &mut |_| {});
    let error = found.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.to_string().contains("part of the program"), "{error}");
}
