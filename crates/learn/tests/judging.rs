//! Candidates before the gate.

use std::sync::{Arc, Mutex};

use seald_core::domain::decision::Rule;
use seald_core::domain::progress::{Task, Work};
use seald_engine::lora::Adapter;
use seald_learn::comprehension::Comprehension;
use seald_learn::judge::{self, Asked, Probes};
use seald_learn::prompt::PromptSet;
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::Question;
use seald_learn::work::OnWork;

use crate::{model, session};

#[test]
fn an_adapter_that_changes_nothing_gains_nothing_and_loses_nothing() {
    let model = model();
    let session = session(&model);
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let answers = vec!["Elmar Trondvik".to_string()];
    let question = |text| Question { text, answers: &answers, passage: None, decoys: &[] };
    let asked =
        ["Who founded the Brastonel Works?", "Who set up Vorrick Mills?", "Who runs the Talmond Press?"];
    let questions: Vec<Question<'_>> = asked.into_iter().map(question).collect();
    let before = session.ask(&questions, None).unwrap();
    let gate: Vec<Asked<'_>> = questions
        .iter()
        .zip(&before)
        .enumerate()
        .map(|(fact, (question, before))| Asked { question: *question, fact, before })
        .collect();
    let adapter =
        Adapter::init(&session.options.lora(), model.decoder.config(), 3, &model.decoder.compute().device)
            .unwrap();
    let probes = Probes { gate: &gate, controls: &[], bank: &gate, reading: None };
    let judged = judge::judge(&session, None, &adapter, probes, &rehearsal).unwrap();
    assert!(!judged.decision.accepted);
    let holds = |rule| judged.decision.findings.iter().find(|f| f.rule == rule).unwrap().holds;
    assert!(!holds(Rule::Gain) && !holds(Rule::Accuracy));
    assert!(holds(Rule::Retention) && holds(Rule::Drift));
    assert_eq!(judged.decision.scale, 1.0);
    assert_eq!((judged.gate.len(), judged.bank.len()), (3, 3));
}

#[test]
fn a_candidate_is_asked_what_it_reads() {
    let model = model();
    let mut session = session(&model);
    session.prompts = PromptSet::General;
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let comprehension = Comprehension::new(&session).unwrap();
    let device = &model.decoder.compute().device;
    let adapter = Adapter::init(&session.options.lora(), model.decoder.config(), 3, device).unwrap();
    let judged = |reading| {
        let probes = Probes { gate: &[], controls: &[], bank: &[], reading };
        let judged = judge::judge(&session, None, &adapter, probes, &rehearsal).unwrap();
        judged.input.reading
    };
    assert_eq!(judged(Some(&comprehension)), comprehension.first(&session, Some(&adapter)).unwrap());
    assert!(judged(None).is_empty());
}

#[test]
fn what_drifts_too_far_is_judged_as_far_as_the_budget_goes() {
    let model = model();
    let mut session = session(&model);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    session.work.on_work = Some(OnWork::new(move |work: Work| tell.lock().unwrap().push(work)));
    let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session).unwrap()).unwrap();
    let device = &model.decoder.compute().device;
    let mut adapter = Adapter::init(&session.options.lora(), model.decoder.config(), 3, device).unwrap();
    for matrices in adapter.layers.iter_mut().flatten().flatten() {
        matrices.b = matrices.b.ones_like().unwrap();
    }
    let whole = rehearsal.drift(&session, Some(&adapter)).unwrap();
    session.gate.drift_budget = whole / 4.0;
    let probes = Probes { gate: &[], controls: &[], bank: &[], reading: None };
    let judged = judge::judge(&session, None, &adapter, probes, &rehearsal).unwrap();
    let scale = judged.decision.scale;
    assert!(scale > 0.0 && scale < 1.0 && judged.input.drift <= whole / 4.0, "{:?}", judged.decision);
    assert!(judged.input.drift >= 0.9 * whole / 4.0, "what the budget allows is used: {:?}", judged.decision);
    // Every piece of work was told, each to its end.
    let told = told.lock().unwrap();
    for task in [Task::DrawBaseSamples, Task::LabelBaseSamples] {
        assert!(told.iter().any(|work| work.task == task && work.done == work.of), "{task:?}: {told:?}");
    }
}

#[test]
fn half_the_way_is_half_the_update() {
    let model = model();
    let session = session(&model);
    let device = &model.decoder.compute().device;
    let mut adapter = Adapter::init(&session.options.lora(), model.decoder.config(), 3, device).unwrap();
    for matrices in adapter.layers.iter_mut().flatten().flatten() {
        matrices.b = matrices.b.ones_like().unwrap();
    }
    let all = |adapter: &Adapter, expected: f32| {
        for (_, _, matrices) in adapter.matrices() {
            let values: Vec<f32> = matrices.b.flatten_all().unwrap().to_vec1().unwrap();
            assert!(values.iter().all(|v| *v == expected), "{values:?}");
        }
    };
    let half = judge::between(None, &adapter, 0.5).unwrap();
    all(&half, 0.5);
    let between = judge::between(Some(&half), &adapter, 0.5).unwrap();
    all(&between, 0.75);
    let a = |adapter: &Adapter| -> Vec<f32> {
        adapter.matrices().next().unwrap().2.a.flatten_all().unwrap().to_vec1().unwrap()
    };
    assert_eq!((a(&half), a(&between)), (a(&adapter), a(&adapter)), "what did not move stays");
}
