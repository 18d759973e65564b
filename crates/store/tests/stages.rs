//! Stages: all of a stage's results or none, once, and only from the worker that has the job.

use seald_core::domain::document::DocumentState;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::{DocumentId, GenerationId, ProbeId, SelfEditId};
use seald_core::domain::job::{Event, JobKind, JobState, Stage};
use seald_core::domain::probe::Role;
use seald_core::{Error, Kind};

use crate::made_up::*;

#[test]
fn a_stage_stores_what_it_was_given() {
    let root = Root::new();
    let mut store = root.open();
    let (id, _) = receive(&mut store, 1);
    let job = claim(&mut store);
    until(&mut store, job, Stage::Publish);
    drop(store);
    let store = root.open();

    let new = probes(&store, id);
    let found = store.probes(id, None).unwrap();
    assert_eq!(found.len(), new.len());
    for (probe, new) in found.iter().zip(&new) {
        assert_eq!((probe.document, probe.passage, probe.fact), (Some(id), new.passage, new.fact));
        assert_eq!((&probe.question, &probe.answers), (&new.question, &new.answers));
        assert_eq!((probe.role, probe.source), (new.role, new.source));
    }
    assert_eq!(store.probes(id, Some(Role::Gate)).unwrap(), [found[1].clone()]);
    assert_eq!(store.probe_stats(id).unwrap().unwrap()["kept"], 4);
    let base = store.evaluations(id, Subject::Base).unwrap();
    let expected: Vec<_> =
        found.iter().zip(new).map(|(p, new)| new.evaluations[0].clone().of(p.id)).collect();
    assert_eq!(base, expected);

    for (edit, new) in store.self_edits(id).unwrap().into_iter().zip(self_edits(&store, id)) {
        assert_eq!((edit.document, edit.passage, edit.candidate), (id, new.passage, new.candidate));
        assert_eq!(
            (edit.directive, edit.prompt_version, edit.writer),
            (new.directive, new.prompt_version, new.writer)
        );
        assert_eq!((edit.text, edit.rows), (new.text, new.rows));
        assert_eq!((edit.discarded, edit.dropped), (new.discarded, new.dropped));
    }
    let found = store.trials(id).unwrap();
    assert!(found[0].loss.is_nan() && found[0].gain == f64::NEG_INFINITY && found[0].accuracy.is_none());
    let chosen = &trials(&store, id)[1];
    assert_eq!((found[1].loss, found[1].gain, found[1].accuracy), (0.5, 1.25, Some(0.5)));
    assert_eq!(
        (&found[1].self_edits, &found[1].name, found[1].chosen),
        (&chosen.self_edits, &chosen.name, true)
    );
    assert_eq!((found[1].rung, found[1].steps, found[1].tokens, found[1].seconds), (0, 10, 500, 1.5));
    assert_eq!(store.decision(id).unwrap(), Some(decision(true)));
    // The gate probe and the preserve probe; the document's retain probe is not in the bank yet.
    assert_eq!(store.evaluations(id, Subject::Candidate).unwrap().len(), 2);
    assert_eq!(store.document(id).unwrap().state, DocumentState::Waiting);
}

#[test]
fn publishing_makes_the_generation_live_and_the_document_accepted() {
    let mut store = fresh();
    let (id, _) = receive(&mut store, 1);
    let job = claim(&mut store);
    let job = until(&mut store, job, Stage::Publish);
    assert_eq!(store.live().unwrap(), None);
    do_stage_at(&mut store, &job, NOW);
    let live = store.live().unwrap().unwrap();
    assert_eq!(
        (live.id, live.parent, live.documents.as_slice()),
        (GenerationId(1), GenerationId::BASE, [id].as_slice())
    );
    assert_eq!((live.adapter_hash.as_str(), live.created_at), ("adapter 1", NOW));
    assert_eq!(store.document(id).unwrap().state, DocumentState::Learned);
    assert_eq!(store.next_generation_id().unwrap(), GenerationId(2));
}

#[test]
fn a_rejection_says_why_and_ends_the_job() {
    let mut store = fresh();
    receive(&mut store, 1);
    let (id, job) = receive(&mut store, 2);
    learn_all(&mut store);
    let document = store.document(id).unwrap();
    assert_eq!((document.state, document.reasons), (DocumentState::Rejected, decision(false).reasons()));
    assert_eq!(store.job(job).unwrap().state, JobState::Done);
    assert_eq!(store.generations().unwrap().len(), 1);

    let (id, _) = receive(&mut store, 3);
    let job = claim(&mut store);
    let done = store.reject(&job, &["no questions could be written".into()]).unwrap();
    assert_eq!((done.state, done.stage), (JobState::Done, Stage::Probes));
    assert_eq!(store.document(id).unwrap().reasons, ["no questions could be written"]);
    assert_eq!(store.reject(&job, &[]).unwrap_err().kind(), Kind::Conflict);
}

#[test]
fn results_of_a_job_that_was_lost_are_refused() {
    let mut store = fresh();
    let (id, job_id) = receive(&mut store, 1);
    let lost = claim(&mut store);
    store.abandon_running(None).unwrap();
    let results = probes(&store, id);
    let none = serde_json::json!({});
    let refused = |e: Error, words: &str| {
        assert_eq!(e.kind(), Kind::Conflict);
        assert!(e.to_string().contains(words), "{e}");
    };
    refused(store.finish_probes(&lost, &results, &none).unwrap_err(), "is queued, not running");
    let job = claim(&mut store);
    refused(
        store.finish_probes(&lost, &results, &none).unwrap_err(),
        "is at attempt 2, these are the results of attempt 1",
    );
    refused(store.finish_self_edits(&job, &[]).unwrap_err(), "is at stage probes, not self_edits");
    assert_eq!(store.probes(id, None).unwrap(), []);
    let next = store.finish_probes(&job, &results, &none).unwrap();
    refused(store.finish_probes(&job, &results, &none).unwrap_err(), "is at stage self_edits, not probes");
    assert_eq!(store.probes(id, None).unwrap().len(), results.len());
    assert_eq!(store.job(job_id).unwrap(), next);
}

/// After each stage: what breaks a rule in its last row leaves nothing of the rows before it.
#[test]
fn a_stage_that_fails_midway_stores_nothing() {
    let mut store = fresh();
    let (id, _) = receive(&mut store, 1);
    let mut job = claim(&mut store);
    loop {
        let before = store.dump().unwrap();
        let e = match job.stage {
            Stage::Probes => {
                let mut rows = probes(&store, id);
                rows[3].evaluations[0].recall = 1.5;
                store.finish_probes(&job, &rows, &serde_json::json!({})).unwrap_err()
            }
            Stage::SelfEdits => {
                let mut rows = self_edits(&store, id);
                rows[3].directive.learning_rate = f64::NAN;
                store.finish_self_edits(&job, &rows).unwrap_err()
            }
            Stage::Trials => {
                let mut rows = trials(&store, id);
                rows[1].self_edits.push(SelfEditId(99));
                let e = store.finish_trials(&job, &rows).unwrap_err();
                assert!(e.to_string().contains("self-edit 99"), "{e}");
                rows[1].self_edits.pop();
                rows[0].chosen = true; // two candidates
                assert_eq!(store.finish_trials(&job, &rows).unwrap_err().kind(), Kind::Internal);
                e
            }
            Stage::Gate => {
                let mut rows = gate_answers(&store, id);
                // Foreign keys are on: a probe that is not there.
                rows.push(asked(ProbeId(99), Subject::Before, GenerationId::BASE, true));
                store.finish_gate(&job, &rows, &decision(true)).unwrap_err()
            }
            Stage::Publish => {
                let mut row = generation(&store, NOW);
                row.id = GenerationId(3);
                store.finish_publish(&job, &row).unwrap_err()
            }
            Stage::Replay => {
                let mut rows = replay_answers(&store);
                rows.push(asked(rows[0].probe, Subject::Candidate, GenerationId(1), true));
                store.finish_replay(&job, &rows).unwrap_err()
            }
            other => panic!("{other} is no stage of learning"),
        };
        assert!(e.to_string().contains(&format!("stage {} of job 1", job.stage)), "{e}");
        assert_eq!(store.dump().unwrap(), before, "{}", job.stage);
        let done = job.stage == Stage::Replay;
        job = do_stage_at(&mut store, &job, NOW);
        if done {
            break;
        }
    }
    assert_eq!(job.state, JobState::Done);
}

#[test]
fn only_what_the_gate_accepted_and_continues_the_live_model_is_published() {
    let mut store = fresh();
    for n in [1, 2, 3] {
        receive(&mut store, n);
    }
    learn_all(&mut store); // 1 and 3 are accepted
    receive(&mut store, 4);
    receive(&mut store, 5);
    let job = claim(&mut store);
    let job = until(&mut store, job, Stage::Gate);
    store.reject(&job, &[]).unwrap();
    let job = claim(&mut store);
    let job = until(&mut store, job, Stage::Publish);
    let new = generation(&store, NOW);
    let other_base = seald_store::NewGeneration { base_fingerprint: "other".into(), ..new.clone() };
    let e = store.finish_publish(&job, &other_base).unwrap_err();
    assert!(e.kind() == Kind::Conflict && e.to_string().contains("another base model"), "{e}");
    set_live(&store, GenerationId(1));
    let e = store.finish_publish(&job, &new).unwrap_err();
    assert!(e.kind() == Kind::Conflict && e.to_string().contains("continues 2, but 1 is live"), "{e}");
    set_live(&store, GenerationId(2));
    store.finish_publish(&job, &new).unwrap();
    assert_eq!(store.live().unwrap().unwrap().documents, [DocumentId(5)]);
}

/// A kill at every boundary: before a stage's work, and after its commit.
#[test]
fn a_run_that_was_killed_ends_like_one_that_was_not() {
    let whole = Root::new();
    let mut store = whole.open();
    for n in 1..=3 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    let undisturbed = store.dump().unwrap();

    for stage in JobKind::Learn.stages() {
        for after_commit in [false, true] {
            let root = Root::new();
            let mut store = root.open();
            for n in 1..=3 {
                receive_at(&mut store, n, NOW.plus_seconds(5));
            }
            let job = claim(&mut store);
            let job = until(&mut store, job, *stage);
            if after_commit {
                do_stage_at(&mut store, &job, NOW.plus_seconds(9));
            }
            drop(store); // the process is gone; what it had in memory, too

            let mut store = root.open();
            let lost = store.abandon_running(None).unwrap();
            assert_eq!(lost.len(), usize::from(!(after_commit && *stage == Stage::Replay)));
            learn_all(&mut store);
            assert_eq!(
                store.dump().unwrap(),
                undisturbed,
                "killed at {stage}, after its commit: {after_commit}"
            );
        }
    }
}

#[test]
fn the_dump_shows_a_difference_and_not_the_time() {
    let (one, other) = (Root::new(), Root::new());
    let (mut one, mut other) = (one.open(), other.open());
    receive_at(&mut one, 1, NOW);
    receive_at(&mut other, 1, NOW.plus_seconds(1));
    let job = one.claim_next(NOW, 60).unwrap().unwrap();
    one.apply(job.id, Event::Returned).unwrap();
    assert_eq!(one.dump().unwrap(), other.dump().unwrap());
    other.keep_base_samples("base", 1, &[vec![1]]).unwrap();
    assert_ne!(one.dump().unwrap(), other.dump().unwrap());
}
