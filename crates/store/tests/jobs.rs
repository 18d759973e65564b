//! Jobs: claimed in order, counted before the work, taken away from the dead.

use seald_core::Kind;
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::job::{Blame, Event, JobState, MAX_ATTEMPTS, Stage};

use crate::made_up::{LEASE, NOW, Root, claim, do_stage_at, fresh, learn_all, receive, set_live, until};

#[test]
fn the_oldest_is_claimed_and_counted_before_the_work() {
    let root = Root::new();
    let mut store = root.open();
    let (_, first) = receive(&mut store, 1);
    let (_, second) = receive(&mut store, 2);
    let job = claim(&mut store);
    assert_eq!((job.id, job.attempts, job.lease_until), (first, 1, Some(NOW.plus_seconds(LEASE))));
    // What is counted is on disk: another connection sees it.
    let mut other = root.open();
    assert_eq!(other.job(first).unwrap(), job);
    assert_eq!(claim(&mut other).id, second);
    assert_eq!(other.claim_next(NOW, LEASE).unwrap(), None);
    assert_eq!(store.jobs(Some(JobState::Running)).unwrap().len(), 2);
    assert_eq!(store.jobs(Some(JobState::Queued)).unwrap(), []);
    assert_eq!(store.jobs(None).unwrap().iter().map(|j| j.id).collect::<Vec<_>>(), [first, second]);
}

#[test]
fn a_lease_that_ran_out_ends_the_attempt() {
    let mut store = fresh();
    let (_, id) = receive(&mut store, 1);
    claim(&mut store);
    let end = NOW.plus_seconds(LEASE);
    assert_eq!(store.recover(Timestamp(end.0 - 1)).unwrap(), []);
    let later = end.plus_seconds(LEASE);
    store.apply(id, Event::Renewed { lease_until: later }).unwrap();
    assert_eq!(store.recover(end).unwrap(), []);
    let lost = store.recover(later).unwrap();
    assert_eq!((lost.len(), lost[0].state, lost[0].attempts), (1, JobState::Queued, 1));
    assert_eq!(store.job(id).unwrap(), lost[0]);
}

#[test]
fn a_document_that_kills_the_process_fails_with_the_reason() {
    let root = Root::new();
    let mut store = root.open();
    let (document, id) = receive(&mut store, 1);
    for _ in 0..MAX_ATTEMPTS {
        assert_eq!(store.document(document).unwrap().state, DocumentState::Waiting);
        claim(&mut store);
        drop(store);
        store = root.open();
        assert_eq!(store.abandon_running(None).unwrap().len(), 1);
    }
    assert_eq!(store.claim_next(NOW, LEASE).unwrap(), None);
    let job = store.job(id).unwrap();
    assert_eq!(job.state, JobState::Failed);
    let document = store.document(document).unwrap();
    assert_eq!((document.state, document.reasons), (DocumentState::Failed, vec![job.error.unwrap()]));
}

#[test]
fn power_cuts_and_kills_in_a_long_stage_do_not_give_a_document_up() {
    let root = Root::new();
    let mut store = root.open();
    let (document, id) = receive(&mut store, 1);
    let (_, other) = receive(&mut store, 2);
    let change = |sql: &str| {
        let db = rusqlite::Connection::open(root.database()).unwrap();
        assert_eq!(db.execute(sql, [id.0]).unwrap(), 1);
    };
    for end in 1..=5 {
        let job = store.claim_next(NOW, LEASE).unwrap().unwrap();
        // After three of them others go first, so that one document cannot keep all from being learned.
        assert_eq!(job.id, if end <= 3 { id } else { other }, "{end}");
        if end > 3 {
            store.apply(other, Event::Returned).unwrap();
            break;
        }
        change(match end % 2 {
            0 => "UPDATE jobs SET began_at = began_at - 3600 WHERE id = ?",
            _ => "UPDATE jobs SET boot = 'an earlier one' WHERE id = ?",
        });
        drop(store);
        store = root.open();
        let lost = store.abandon_running(None).unwrap();
        assert_eq!((lost[0].state, lost[0].attempts, lost[0].ends), (JobState::Queued, 0, end));
    }
    assert_eq!(store.document(document).unwrap().state, DocumentState::Waiting);
}

#[test]
fn kills_at_ever_other_places_do_not_give_a_document_up_and_at_one_place_do() {
    let mut store = fresh();
    let (document, id) = receive(&mut store, 1);
    let mut kill = |place: &str| {
        claim(&mut store);
        let place = format!("job {id} {place}");
        store.abandon_running(Some(&place)).unwrap().remove(0)
    };
    for step in 1..=5 {
        let job = kill(&format!("trials {step}"));
        assert_eq!((job.state, job.attempts), (JobState::Queued, 1), "{step}");
    }
    assert_eq!(kill("trials 5").attempts, 2);
    assert_eq!(kill("trials 5").state, JobState::Failed, "three times at one place");
    assert_eq!(store.document(document).unwrap().state, DocumentState::Failed);
}

#[test]
fn a_job_that_its_worker_let_go_of_waits_as_if_nobody_had_tried() {
    let mut store = fresh();
    let (_, id) = receive(&mut store, 1);
    assert_eq!(store.return_running().unwrap(), []);
    claim(&mut store);
    let left = store.return_running().unwrap();
    assert_eq!((left[0].id, left[0].state, left[0].attempts, left[0].ends), (id, JobState::Queued, 0, 0));
}

#[test]
fn an_error_is_tried_again_or_not() {
    let mut store = fresh();
    let (document, id) = receive(&mut store, 1);
    claim(&mut store);
    let failed = |passing| Event::Failed { error: "the model is gone".into(), passing };
    assert_eq!(store.apply(id, failed(true)).unwrap().state, JobState::Queued);
    assert_eq!(store.document(document).unwrap().state, DocumentState::Waiting);
    assert_eq!(claim(&mut store).attempts, 2);
    store.apply(id, Event::Returned).unwrap();
    assert_eq!(claim(&mut store).attempts, 2);
    store.apply(id, failed(false)).unwrap();
    assert_eq!(store.document(document).unwrap().reasons, ["the model is gone"]);

    store.apply(id, Event::Retried).unwrap();
    let waiting = store.document(document).unwrap();
    assert_eq!((waiting.state, waiting.reasons), (DocumentState::Waiting, vec![]));
    assert_eq!(claim(&mut store).attempts, 1);
}

#[test]
fn what_the_state_forbids_is_refused_and_changes_nothing() {
    let mut store = fresh();
    let (_, id) = receive(&mut store, 1);
    let before = store.dump().unwrap();
    let e = store.apply(id, Event::Abandoned { blame: Blame::Again }).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    assert!(e.to_string().contains(&format!("job {id}")), "{e}");
    assert_eq!(store.apply(JobId(9), Event::Retried).unwrap_err().kind(), Kind::NotFound);
    assert_eq!(store.dump().unwrap(), before);
    claim(&mut store);
    for event in [Event::Advanced, Event::Finished] {
        assert_eq!(store.apply(id, event).unwrap_err().kind(), Kind::Internal);
    }
    assert_eq!(store.job(id).unwrap().stage, Stage::Probes);
}

#[test]
fn a_document_that_is_out_stays_accepted_when_its_replay_fails() {
    let mut store = fresh();
    let (document, id) = receive(&mut store, 1);
    let job = claim(&mut store);
    until(&mut store, job, Stage::Replay);
    store.apply(id, Event::Failed { error: "no memory".into(), passing: false }).unwrap();
    assert_eq!(store.document(document).unwrap().state, DocumentState::Learned);
}

#[test]
fn what_the_live_model_knows_is_not_learned_again_until_it_is_rolled_back() {
    let mut store = fresh();
    let (document, id) = receive(&mut store, 1);
    learn_all(&mut store);
    let e = store.apply(id, Event::Retried).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    assert!(e.to_string().contains("sealctl rollback base"), "{e}");
    set_live(&store, seald_core::domain::ids::GenerationId::BASE);
    store.apply(id, Event::Retried).unwrap();
    learn_all(&mut store);
    assert_eq!(store.generations().unwrap().len(), 2);
    assert_eq!(store.curriculum().unwrap().len(), 1);
    assert_eq!(store.document(document).unwrap().state, DocumentState::Learned);
}

#[test]
fn a_rejected_document_may_be_asked_for_again() {
    let mut store = fresh();
    receive(&mut store, 1);
    let (rejected, id) = receive(&mut store, 2);
    learn_all(&mut store);
    let first = store.dump().unwrap();
    assert_eq!(rejected, DocumentId(2));
    store.apply(id, Event::Retried).unwrap();
    // Until the new attempt has results, those of the last one can be looked at.
    assert!(store.decision(rejected).unwrap().is_some());
    let job = claim(&mut store);
    do_stage_at(&mut store, &job, NOW);
    assert!(store.decision(rejected).unwrap().is_none());
    assert_eq!((store.self_edits(rejected).unwrap().len(), store.trials(rejected).unwrap().len()), (0, 0));
    store.apply(id, Event::Returned).unwrap();
    learn_all(&mut store);
    assert_eq!(store.dump().unwrap(), first);
}
