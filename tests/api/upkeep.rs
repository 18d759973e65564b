//! Work that learns no document: asked for, and what is told of it afterwards.

use seald::pipeline::control::Request;
use seald_core::domain::consolidation::{Comparison, Proof, Retraining};
use seald_core::domain::evaluation::Evaluation;
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{DocumentId, JobId, WriterId};
use seald_core::domain::job::{Job, JobKind, JobState, Stage};
use seald_core::domain::progress::Progress;
use seald_core::domain::self_edit::{Directive, Format};
use seald_core::domain::writer::{Examined, TrainedWriter, Whose, WriterSample};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{
    AdaptersView, ConsolidationsView, ForgettingView, JobOutcome, JobStarted, Share, Tally, WriterView,
};
use seald_store::{NewEvent, NewWriter, Store, Swapped};

use crate::api::daemon::{Daemon, NOW};
use crate::api::reading::five;
use crate::made_up_rows::{LEASE, generation, live, replay_answers};

/// Documents 1, 3 and 5 are learned, 2 and 4 rejected, and nothing waits.
pub(crate) fn learned(store: &mut Store) {
    five(store);
    crate::made_up_rows::learn_all(store);
}

/// Claims the job of that kind.
fn claim(store: &mut Store, kind: JobKind) -> Job {
    let job = store.claim_next(NOW, LEASE).unwrap().unwrap();
    assert_eq!(job.kind, kind);
    job
}

fn retraining(store: &Store) -> Retraining {
    Retraining {
        against: live(store),
        documents: 3,
        rows: 30,
        learning_rate: 1e-3,
        steps: 60,
        tokens: 9000,
        seconds: 12.5,
        loss: f64::NAN,
    }
}

fn comparison(accepted: bool) -> Comparison {
    Comparison {
        asked: 48,
        right_before: 36,
        right_after: if accepted { 40 } else { 30 },
        lost: 2,
        below_base: 0,
        drift_before: 0.012,
        drift_after: f64::NAN,
        accepted,
        reasons: if accepted { vec![] } else { vec!["30 of 48 right, 36 before".into()] },
    }
}

/// The log's word of the end of a job.
fn end(store: &mut Store, job: &Job, done: bool, outcome: &str) {
    let told = Progress::Ended { kind: job.kind, done, outcome: outcome.into(), seconds: 75.0 };
    let body = serde_json::to_value(&told).unwrap();
    let (job, document) = (Some(job.id), job.document);
    store.log(&[NewEvent { at: NOW, job, document, kind: "ended".into(), body }]).unwrap();
}

/// Trains everything anew; an accepted retraining goes live.
pub(crate) fn consolidate(store: &mut Store, accepted: bool) -> JobId {
    store.queue(JobKind::Consolidate, None, "scheduled").unwrap();
    let job = claim(store, JobKind::Consolidate);
    let trained = retraining(store);
    let mut job = store.finish_retrain(&job, Some(&trained)).unwrap();
    job = store.finish_compare(&job, Some(&comparison(accepted)), None, NOW).unwrap();
    if accepted {
        let (new, answers) = (generation(store, NOW), replay_answers(store));
        let answers = answers.into_iter().map(|one| Evaluation { generation: new.id, ..one }).collect();
        job = store.finish_swap(&job, &Swapped::To(new, answers), NOW).unwrap();
    }
    assert_eq!(job.state, JobState::Done);
    end(store, &job, accepted, if accepted { "gen takes the place" } else { "gen stays" });
    job.id
}

/// Forgets document 1, which the live model learned.
pub(crate) fn forget(store: &mut Store) -> JobId {
    store.forget(DocumentId(1), false).unwrap();
    let job = claim(store, JobKind::Forget);
    let trained = retraining(store);
    let mut job = store.finish_retrain(&job, Some(&trained)).unwrap();
    let proof = Proof { asked: 12, right_base: 1, right_before: 11, right_after: 2 };
    job = store.finish_compare(&job, Some(&comparison(false)), Some(&proof), NOW).unwrap();
    job = store.finish_swap(&job, &Swapped::To(generation(store, NOW), vec![]), NOW).unwrap();
    job = store.finish_purge(&job, &[DocumentId(1)], NOW).unwrap();
    assert_eq!(job.state, JobState::Done);
    end(store, &job, true, "document 1 is forgotten");
    job.id
}

fn sample(whose: Whose, format: Format, reward: f64, discarded: bool) -> WriterSample {
    WriterSample {
        whose,
        document: DocumentId(3),
        directive: Directive { format, learning_rate: 1e-3, epochs: 10 },
        text: format!("{format} by {whose}"),
        reward,
        discarded: discarded.then(|| "repeats itself".into()),
    }
}

/// A round whose writer is promoted or not; with samples about document 3.
pub(crate) fn round(store: &mut Store, promoted: bool) -> JobId {
    store.queue(JobKind::WriterRound, None, "asked for").unwrap();
    let job = claim(store, JobKind::WriterRound);
    let present = store.writer().unwrap().map_or(WriterId::BASE, |writer| writer.id);
    let trained = TrainedWriter { present, winners: 24, steps: 90, tokens: 7000, seconds: 9.5, loss: 0.5 };
    let job = store.finish_train_writer(&job, Some(&trained)).unwrap();
    let samples = [
        sample(Whose::Present, Format::KeyFacts, 0.25, false),
        sample(Whose::Present, Format::Rewrite, 0.0, true),
        sample(Whose::New, Format::KeyFacts, 0.5, false),
        sample(Whose::New, Format::KeyFacts, 1.0, false),
    ];
    let verdict = Examined {
        documents: 1,
        reward_before: 0.125,
        reward_after: 0.75,
        bound: f64::NAN,
        diversity_before: 0.5,
        diversity_after: 0.625,
        promoted,
        reasons: vec!["it earns more".into()],
    };
    let mut job = store.finish_examine(&job, &samples, &verdict, NOW).unwrap();
    if promoted {
        let new = NewWriter {
            id: store.next_writer_id().unwrap(),
            base_fingerprint: "base".into(),
            adapter_hash: "writer".into(),
            documents: vec![DocumentId(1)],
            created_at: NOW,
        };
        job = store.finish_promote(&job, &new).unwrap();
    }
    assert_eq!(job.state, JobState::Done);
    job.id
}

#[tokio::test]
async fn jobs_are_asked_for_and_come_back_with_their_numbers() {
    let mut daemon = Daemon::start(five).await;
    daemon.learner(|desk| {
        for request in desk.requests {
            match request {
                Request::Queue(JobKind::Consolidate, reply) => reply.send(Ok(JobId(7))).unwrap(),
                Request::Queue(JobKind::WriterRound, reply) => reply.send(Ok(JobId(8))).unwrap(),
                Request::Forget(DocumentId(1), keep, reply) => {
                    reply.send(Ok(JobId(if keep { 10 } else { 9 }))).unwrap();
                }
                Request::Forget(id, _, reply) => {
                    let text = format!("a newer version of document {id} is there");
                    reply.send(Err(Error::new(Kind::Conflict, text))).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    });
    for (path, body, job, kind) in [
        ("/v1/consolidate", "", 7, JobKind::Consolidate),
        ("/v1/writer/rounds", "{}", 8, JobKind::WriterRound),
        ("/v1/documents/1.txt/forget", "", 9, JobKind::Forget),
        ("/v1/documents/1/forget", r#"{"keep_history":true}"#, 10, JobKind::Forget),
    ] {
        let answer = daemon.post(path, body).await;
        assert_eq!((answer.status, answer.json::<JobStarted>()), (202, JobStarted { job: JobId(job), kind }));
    }
    daemon.post("/v1/documents/2/forget", "").await.is_problem(409, "conflict", "a newer version");
    daemon.post("/v1/documents/99/forget", "").await.is_problem(404, "not-found", "document 99");
    let unknown = daemon.post("/v1/documents/1/forget", r#"{"keep":true}"#).await;
    unknown.is_problem(400, "invalid", "keep_history");
}

#[tokio::test]
async fn a_retraining_is_told_with_how_it_compared() {
    let mut jobs = Vec::new();
    let daemon = Daemon::start(|store| {
        learned(store);
        jobs.push(consolidate(store, false));
        jobs.push(consolidate(store, true));
    })
    .await;
    let view: ConsolidationsView = daemon.get("/v1/consolidations").await.json();
    let [newest, first] = &view.consolidations[..] else { panic!("{view:?}") };
    assert_eq!((newest.job, first.job, view.learned_since), (jobs[1], jobs[0], 0));
    assert_eq!(
        (newest.against.as_deref(), newest.generation.as_deref()),
        (Some("gen-000003"), Some("gen-000004"))
    );
    assert_eq!((first.generation.as_deref(), first.ended_at), (None, Some(NOW)));
    let compared = first.comparison.as_ref().unwrap();
    assert_eq!((compared.before, compared.after), (Share::of(36, 48), Share::of(30, 48)));
    assert!(newest.loss.is_nan() && compared.drift_after.is_nan(), "null on the wire is no number");

    let outcome: JobOutcome = daemon.get(&format!("/v1/jobs/{}", jobs[0])).await.json();
    assert_eq!(
        (outcome.kind, outcome.state, outcome.done),
        (JobKind::Consolidate, JobState::Done, Some(false))
    );
    assert_eq!((outcome.outcome.as_deref(), outcome.seconds), (Some("gen stays"), Some(75.0)));
    assert_eq!((outcome.reason.as_deref(), outcome.document), (Some("scheduled"), None));
    assert_eq!(outcome.consolidation.unwrap().comparison.unwrap().reasons, ["30 of 48 right, 36 before"]);

    let adapters: AdaptersView = daemon.get("/v1/adapters").await.json();
    let anew = &adapters.generations[0];
    assert_eq!(
        (anew.origin, anew.live, anew.parent.as_deref()),
        (Origin::Consolidated, true, Some("gen-000003"))
    );
    assert_eq!((anew.documents.len(), adapters.generations[1].origin), (0, Origin::Learned));
    let forgetting: ForgettingView = daemon.get("/v1/forgetting").await.json();
    assert_eq!(forgetting.consolidated, ["gen-000004"]);
    assert_eq!(forgetting.rows.last(), Some(&"gen-000004".to_string()));
}

#[tokio::test]
async fn a_forgotten_document_is_told_with_the_proof() {
    let mut job = JobId(0);
    let daemon = Daemon::start(|store| {
        learned(store);
        job = forget(store);
    })
    .await;
    let outcome: JobOutcome = daemon.get(&format!("/v1/jobs/{job}")).await.json();
    assert_eq!((outcome.kind, outcome.state, outcome.stage), (JobKind::Forget, JobState::Done, Stage::Purge));
    assert_eq!(outcome.document, Some(DocumentId(1)), "its row is gone, its number is known");
    let forgotten = outcome.forgotten.unwrap();
    assert_eq!(
        (forgotten.document, forgotten.keep_history, forgotten.ended_at),
        (DocumentId(1), false, Some(NOW))
    );
    let shares = [forgotten.base, forgotten.before, forgotten.after];
    assert_eq!(shares, [Share::of(1, 12), Share::of(11, 12), Share::of(2, 12)]);
    assert_eq!(outcome.consolidation.unwrap().generation.as_deref(), Some("gen-000004"));
    daemon.get("/v1/documents/1").await.is_problem(404, "not-found", "document 1");
}

#[tokio::test]
async fn a_job_that_waits_has_no_outcome_yet() {
    let daemon = Daemon::start(|store| {
        five(store);
        store.forget(DocumentId(3), true).unwrap();
    })
    .await;
    let outcome: JobOutcome = daemon.get("/v1/jobs/6").await.json();
    assert_eq!((outcome.kind, outcome.state, outcome.attempts), (JobKind::Forget, JobState::Queued, 0));
    assert_eq!((outcome.done, outcome.outcome, outcome.consolidation), (None, None, None));
    let forgotten = outcome.forgotten.unwrap();
    assert!(forgotten.keep_history && forgotten.base.is_none() && forgotten.ended_at.is_none());
    let learns: JobOutcome = daemon.get("/v1/jobs/5").await.json();
    assert_eq!((learns.kind, learns.document, learns.forgotten), (JobKind::Learn, Some(DocumentId(5)), None));
    daemon.get("/v1/jobs/99").await.is_problem(404, "not-found", "job 99");
    daemon.get("/v1/jobs/first").await.is_problem(400, "invalid", "\"first\" is not the number of a job");
}

#[tokio::test]
async fn rounds_are_told_with_what_changed() {
    let daemon = Daemon::start(|store| {
        learned(store);
        round(store, false);
        round(store, true);
    })
    .await;
    let view: WriterView = daemon.get("/v1/writer").await.json();
    assert_eq!((view.writer.as_deref(), view.since), (Some("writer-000001"), Some(NOW)));
    assert_eq!((&view.documents[..], view.total), (&["Bulletin 1".to_string()][..], 2));
    let [second, first] = &view.rounds[..] else { panic!("{view:?}") };
    assert_eq!(
        (second.number, second.writer.as_deref(), second.present.as_deref()),
        (2, Some("writer-000001"), None)
    );
    assert_eq!((first.number, first.writer.as_deref(), first.ended_at), (1, None, Some(NOW)));
    let examined = second.examined.as_ref().unwrap();
    assert_eq!((examined.reward_after, examined.reasons.len()), (0.75, 1));
    assert!(examined.bound.is_nan());

    let told = view.told.unwrap();
    assert_eq!((told.number, told.present_discarded, told.new_discarded), (2, tally(1, 2), tally(0, 2)));
    let [rewrite, facts] = &told.formats[..] else { panic!("{:?}", told.formats) };
    assert_eq!((rewrite.what.as_str(), rewrite.present, rewrite.new), ("rewrite", tally(1, 2), tally(0, 2)));
    assert_eq!((facts.what.as_str(), facts.new, facts.new_reward), ("key_facts", tally(2, 2), Some(0.75)));
    assert_eq!((told.learning_rates[0].what.as_str(), told.epochs[0].what.as_str()), ("1e-3", "10"));
    let [example] = &told.examples[..] else { panic!("{:?}", told.examples) };
    assert_eq!((example.document, example.title.as_str()), (DocumentId(3), "Bulletin 3"));
    let best = |text: &Option<seald_core::protocol::WriterText>| text.as_ref().map(|text| text.reward);
    assert_eq!((best(&example.present), best(&example.new)), (Some(0.25), Some(1.0)));

    let view: WriterView = daemon.get("/v1/writer?round=1").await.json();
    assert_eq!(view.told.unwrap().number, 1);
    daemon.get("/v1/writer?round=3").await.is_problem(404, "not-found", "no writer round 3: 2 were begun");
    daemon.get("/v1/writer?round=x").await.is_problem(400, "invalid", "query");
}

fn tally(count: usize, of: usize) -> Tally {
    Tally { count, of }
}

#[tokio::test]
async fn without_any_round_the_base_writes() {
    let daemon = Daemon::start(five).await;
    let view: WriterView = daemon.get("/v1/writer").await.json();
    assert_eq!((view.writer, view.since, view.total), (None, None, 0));
    assert!(view.rounds.is_empty() && view.told.is_none());
    let none: ConsolidationsView = daemon.get("/v1/consolidations").await.json();
    assert_eq!((none.consolidations.len(), none.learned_since), (0, 2));
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let daemon = Daemon::start(|store| {
        learned(store);
        consolidate(store, false);
        consolidate(store, true);
        round(store, true);
        forget(store);
        store.queue(JobKind::Consolidate, None, "scheduled").unwrap();
    })
    .await;
    let answer = daemon.get("/metrics").await;
    for line in [
        "seald_consolidations{outcome=\"live\"} 2",
        "seald_consolidations{outcome=\"kept\"} 1",
        "seald_writer_rounds{outcome=\"promoted\"} 1",
        "seald_writer_rounds{outcome=\"kept\"} 0",
        "seald_writer 0",
        "seald_forgotten_documents 1",
        "seald_jobs_waiting 1",
    ] {
        assert!(answer.text().lines().any(|one| one == line), "{line} is not in\n{}", answer.text());
    }
}
