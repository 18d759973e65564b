//! Jobs that learn no document: how they are queued and ordered, what a swap and a purge do, and what writers are trained on.

use seald_core::Kind;
use seald_core::domain::consolidation::{Comparison, Proof, Retraining};
use seald_core::domain::evaluation::{Evaluation, Subject};
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{DocumentId, GenerationId, WriterId};
use seald_core::domain::job::{Job, JobKind, JobState, Stage};
use seald_core::domain::self_edit::{Directive, Format};
use seald_core::domain::writer::{Examined, TrainedWriter, Whose, WriterSample};
use seald_store::{Dropped, NewGeneration, NewWriter, Store, Swapped};

use crate::made_up::*;

/// Documents 1, 3 and 5 are learned.
fn taught() -> Fresh {
    let mut store = fresh();
    for n in 1..=5 {
        receive(&mut store, n);
    }
    learn_all(&mut store);
    store
}

fn claim_next(store: &mut Store) -> Job {
    store.claim_next(NOW, LEASE).unwrap().expect("a queued job")
}

fn retraining() -> Retraining {
    let against = GenerationId(3);
    Retraining {
        against,
        documents: 3,
        rows: 12,
        learning_rate: 2e-3,
        steps: 9,
        tokens: 90,
        seconds: 1.0,
        loss: 0.5,
    }
}

fn comparison(accepted: bool) -> Comparison {
    let (asked, right_before, right_after) = (6, 4, if accepted { 5 } else { 3 });
    let reasons = if accepted { Vec::new() } else { vec!["fewer".to_string()] };
    Comparison {
        asked,
        right_before,
        right_after,
        lost: 1,
        below_base: 0,
        drift_before: 0.1,
        drift_after: 0.2,
        accepted,
        reasons,
    }
}

fn next_generation(store: &Store) -> NewGeneration {
    NewGeneration {
        id: store.next_generation_id().unwrap(),
        parent: store.live().unwrap().unwrap().id,
        base_fingerprint: store.live().unwrap().unwrap().base_fingerprint,
        adapter_hash: "retrained".into(),
        created_at: NOW,
    }
}

#[test]
fn one_job_of_a_kind_waits_at_a_time_and_forgetting_comes_first() {
    let mut store = taught();
    receive(&mut store, 6);
    let sleep = store.queue(JobKind::Consolidate, None, "asked for").unwrap();
    assert_eq!(store.queue(JobKind::Consolidate, None, "scheduled").unwrap().id, sleep.id);
    assert_eq!(store.job_reason(sleep.id).unwrap().as_deref(), Some("asked for"));
    let forget = store.forget(DocumentId(1), true).unwrap();
    assert_eq!(store.forget(DocumentId(1), false).unwrap().id, forget.id);
    assert!(store.forgetting(forget.id).unwrap().keep_history, "as it was first asked for");
    let order: Vec<_> = (0..3).map(|_| claim_next(&mut store).kind).collect();
    assert_eq!(order, [JobKind::Forget, JobKind::Consolidate, JobKind::Learn]);
    assert_eq!(store.queue(JobKind::Learn, None, "no").unwrap_err().kind(), Kind::Internal);
    assert_eq!(store.forget(DocumentId(99), false).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn what_loses_ends_and_what_wins_takes_the_place_and_keeps_the_chain() {
    let mut store = taught();
    for accepted in [false, true] {
        let job = store.queue(JobKind::Consolidate, None, "asked for").unwrap();
        let job = claim_job(&mut store, &job);
        let job = store.finish_retrain(&job, Some(&retraining())).unwrap();
        let job = store.finish_compare(&job, Some(&comparison(accepted)), None, NOW).unwrap();
        if !accepted {
            assert_eq!(job.state, JobState::Done);
            assert_eq!(store.live().unwrap().unwrap().id, GenerationId(3));
            continue;
        }
        let mut answers = replay_answers(&store);
        answers.iter_mut().for_each(|one| one.generation = GenerationId(4));
        let swapped = Swapped::To(next_generation(&store), answers.clone());
        assert_eq!(store.finish_swap(&job, &swapped, NOW).unwrap().state, JobState::Done);
        let live = store.live().unwrap().unwrap();
        assert_eq!(
            (live.id, live.parent, live.origin),
            (GenerationId(4), GenerationId(3), Origin::Consolidated)
        );
        assert_eq!(store.chain(live.id).unwrap().len(), 4);
        assert_eq!(
            store.replay_row(live.id).unwrap().len(),
            answers.len(),
            "a row though it learned no document"
        );
    }
    assert_eq!(store.learned_since_consolidation().unwrap(), 0);
    let known = store.consolidations(9).unwrap();
    assert_eq!(known.iter().map(|c| c.generation).collect::<Vec<_>>(), [Some(GenerationId(4)), None]);
    assert_eq!(known[1].comparison, Some(comparison(false)));
    assert_eq!(store.live_since().unwrap(), Some(NOW));
    store.roll_back(GenerationId(3), Dropped::Rejected, "back", NOW.plus_seconds(9)).unwrap();
    assert_eq!(
        store.live_since().unwrap(),
        Some(NOW.plus_seconds(9)),
        "since the rollback, not since it was made"
    );
    assert_eq!(store.curriculum().unwrap().len(), 3, "nothing was dropped");
}

#[test]
fn a_document_that_is_half_learned_begins_again_after_a_swap() {
    let mut store = taught();
    receive(&mut store, 6);
    let job = claim(&mut store);
    let job = until(&mut store, job, Stage::Trials);
    store.apply(job.id, seald_core::domain::job::Event::Returned).unwrap();
    store.queue(JobKind::Consolidate, None, "asked for").unwrap();
    let sleep = claim_next(&mut store);
    let sleep = store.finish_retrain(&sleep, Some(&retraining())).unwrap();
    let sleep = store.finish_compare(&sleep, Some(&comparison(true)), None, NOW).unwrap();
    let to = Swapped::To(next_generation(&store), Vec::new());
    store.finish_swap(&sleep, &to, NOW).unwrap();
    assert_eq!(store.job(job.id).unwrap().stage, Stage::Probes);
}

#[test]
fn a_purge_removes_what_was_made_of_a_document_and_nothing_else() {
    let mut store = taught();
    let others: usize = store.replay_row(GenerationId(2)).unwrap().len();
    assert!(others > 0);
    // A model that knows the document may answer others with its words.
    let about_another = store.probes(DocumentId(1), None).unwrap();
    let babble = asked(about_another[0].id, Subject::Replay, GenerationId(3), false);
    let known = asked(about_another[1].id, Subject::Replay, GenerationId(3), true);
    let babble = Evaluation { answer: "dusk at pier 3".into(), ..babble };
    store.keep_replay(GenerationId(3), &[babble.clone(), known.clone()]).unwrap();
    let job = store.forget(DocumentId(3), false).unwrap();
    let job = claim_job(&mut store, &job);
    assert_eq!(store.generations_with(&[DocumentId(3)], job.id).unwrap(), [GenerationId(2), GenerationId(3)]);
    let job = store.finish_retrain(&job, Some(&retraining())).unwrap();
    let proof = Proof { asked: 2, right_base: 0, right_before: 2, right_after: 0 };
    let job = store.finish_compare(&job, Some(&comparison(false)), Some(&proof), NOW).unwrap();
    assert_eq!(job.stage, Stage::Swap, "it is forgotten whatever that costs others");
    let to = Swapped::To(next_generation(&store), Vec::new());
    let job = store.finish_swap(&job, &to, NOW).unwrap();
    assert_eq!(store.generations_with(&[DocumentId(3)], job.id).unwrap(), [GenerationId(2), GenerationId(3)]);
    let about_one: Vec<_> = store.replay_row(GenerationId(2)).unwrap();
    let kept: Vec<_> = about_one
        .iter()
        .filter(|e| store.probes(DocumentId(1), None).unwrap().iter().any(|p| p.id == e.probe))
        .cloned()
        .collect();
    let done = store.finish_purge(&job, &[DocumentId(3)], NOW).unwrap();
    assert_eq!(done.state, JobState::Done);
    assert_eq!(store.document(DocumentId(3)).unwrap_err().kind(), Kind::NotFound);
    assert!(!store.dump().unwrap().contains("pier 3"), "its text is gone");
    assert!(store.look_up("pier 3 ferry", 9).unwrap().iter().all(|d| d.id != DocumentId(3)));
    assert_eq!(store.forgetting(job.id).unwrap().proof, Some(proof));
    let left = store.replay_row(GenerationId(2)).unwrap();
    assert!(!kept.is_empty());
    for was in kept {
        let answer = if was.exact { was.answer.clone() } else { String::new() };
        let judged = Evaluation { answer, ..was };
        assert!(left.contains(&judged), "how document 1 was answered then is still known: {judged:?}");
    }
    let left = store.replay_row(GenerationId(3)).unwrap();
    assert!(left.contains(&Evaluation { answer: String::new(), ..babble }), "{left:?}");
    assert!(left.contains(&known), "it holds what was asked for and no more: {left:?}");
    let taught: Vec<_> = store.curriculum().unwrap().iter().map(|l| l.document).collect();
    assert_eq!(taught, [DocumentId(1), DocumentId(5)]);
    assert_eq!(
        store.evaluations(DocumentId(1), Subject::Base).unwrap().len(),
        store.probes(DocumentId(1), None).unwrap().len()
    );
}

fn claim_job(store: &mut Store, job: &Job) -> Job {
    let claimed = claim_next(store);
    assert_eq!(claimed.id, job.id);
    claimed
}

#[test]
fn an_older_version_goes_with_the_newer_one() {
    let mut store = fresh();
    let (first, _) = receive(&mut store, 1);
    let newer = seald_store::NewDocument { hash: "other".into(), ..document(1) };
    let seald_store::Received::New(second, _) = store.receive(&newer, &[], NOW).unwrap() else {
        panic!("known")
    };
    store.replace_versions(second).unwrap();
    let error = store.forget(first, false).unwrap_err();
    assert!(error.kind() == Kind::Conflict && error.to_string().contains("newer version"), "{error}");
    assert_eq!(store.versions(second).unwrap(), [first, second]);
    assert_eq!(store.versions(first).unwrap(), [first]);
}

/// Promotes a writer that was trained on some documents.
fn promote(store: &mut Store, documents: &[DocumentId]) -> WriterId {
    store.queue(JobKind::WriterRound, None, "asked for").unwrap();
    let job = claim_next(store);
    let present = store.writer().unwrap().map_or(WriterId::BASE, |w| w.id);
    let trained =
        TrainedWriter { present, winners: documents.len(), steps: 4, tokens: 40, seconds: 1.0, loss: 0.4 };
    let job = store.finish_train_writer(&job, Some(&trained)).unwrap();
    let sample = WriterSample {
        whose: Whose::New,
        document: DocumentId(5),
        directive: Directive { format: Format::SelfQa, learning_rate: 3e-3, epochs: 20 },
        text: "Question: When?".into(),
        reward: 1.5,
        discarded: None,
    };
    let examined = Examined {
        documents: 2,
        reward_before: 0.5,
        reward_after: 1.5,
        bound: 0.2,
        diversity_before: 0.8,
        diversity_after: 0.8,
        promoted: true,
        reasons: Vec::new(),
    };
    let job = store.finish_examine(&job, std::slice::from_ref(&sample), &examined, NOW).unwrap();
    assert_eq!(store.writer_samples(job.id).unwrap(), [sample]);
    let id = store.next_writer_id().unwrap();
    let (base_fingerprint, adapter_hash) = ("base".into(), "writer".into());
    let new =
        NewWriter { id, base_fingerprint, adapter_hash, documents: documents.to_vec(), created_at: NOW };
    store.finish_promote(&job, &new).unwrap();
    id
}

#[test]
fn the_number_of_a_forgotten_document_is_never_anothers() {
    let mut store = taught();
    let job = store.forget(DocumentId(5), false).unwrap();
    let job = claim_job(&mut store, &job);
    let job = store.finish_retrain(&job, None).unwrap();
    let job = store.finish_compare(&job, None, None, NOW).unwrap();
    let job = store.finish_swap(&job, &Swapped::Unchanged, NOW).unwrap();
    let same = document(5);
    let error = store.receive(&same, &[], NOW).unwrap_err();
    assert!(error.kind() == Kind::Busy && error.to_string().contains("is being forgotten"), "{error}");
    store.finish_purge(&job, &[DocumentId(5)], NOW).unwrap();
    assert!(matches!(store.receive(&same, &[], NOW).unwrap(), seald_store::Received::New(DocumentId(6), _)));
    assert_eq!(store.document(DocumentId(6)).map(|d| d.id).unwrap(), DocumentId(6), "the proof speaks of 5");
}

#[test]
fn writers_that_learned_from_a_forgotten_document_give_way() {
    let mut store = taught();
    let first = promote(&mut store, &[DocumentId(1)]);
    let second = promote(&mut store, &[DocumentId(1), DocumentId(3)]);
    assert_eq!(store.writer().unwrap().unwrap().id, second);
    assert_eq!(store.writer_rounds(9).unwrap()[0].trained.present, first);
    assert_eq!(store.writers_with(&[DocumentId(3)]).unwrap(), [second]);
    let job = store.forget(DocumentId(3), false).unwrap();
    let job = claim_job(&mut store, &job);
    let job = store.finish_retrain(&job, None).unwrap();
    let job = store.finish_compare(&job, None, None, NOW).unwrap();
    let job = store.finish_swap(&job, &Swapped::Unchanged, NOW).unwrap();
    store.finish_purge(&job, &[DocumentId(3)], NOW).unwrap();
    assert_eq!(store.writer().unwrap().unwrap().id, first, "the newest that was not trained on it");
}

#[test]
fn the_winner_of_a_document_is_the_best_self_edit_that_was_tried_alone() {
    let store = taught();
    let winners = store.winners().unwrap();
    let documents: Vec<_> = winners.iter().map(|w| w.document).collect();
    assert_eq!(documents, [DocumentId(1), DocumentId(3), DocumentId(5)], "rejected ones do not win");
    for winner in winners {
        let trials = store.trials(winner.document).unwrap();
        let edits = store.self_edits(winner.document).unwrap();
        let candidates = |trial: &seald_core::domain::trial::Trial| {
            let mut found: Vec<_> =
                edits.iter().filter(|e| trial.self_edits.contains(&e.id)).map(|e| e.candidate).collect();
            found.sort();
            found.dedup();
            found
        };
        let alone = trials.iter().filter(|t| candidates(t).len() == 1).map(|t| t.gain);
        assert_eq!(winner.gain, alone.fold(f64::MIN, f64::max));
        assert_eq!(winner.passages.len(), store.passages(winner.document).unwrap().len());
    }
    assert_eq!(store.winners_since_round().unwrap(), 3);
}
