//! Made-up documents, and stages whose results depend on nothing but the database.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use seald_core::clock::Timestamp;
use seald_core::domain::decision::{Decision, Finding, Rule};
use seald_core::domain::document::DocumentFormat;
use seald_core::domain::evaluation::{Evaluation, Subject};
use seald_core::domain::ids::{DocumentId, GenerationId, JobId, ProbeId};
use seald_core::domain::job::{Job, JobKind, Stage};
use seald_core::domain::probe::{ProbeSource, Role};
use seald_core::domain::self_edit::{Directive, DroppedLine, Format, RowText};
use seald_store::{
    NewDocument, NewEvaluation, NewGeneration, NewProbe, NewSelfEdit, NewTrial, Received, Store,
    SuppliedProbe,
};
use tempfile::TempDir;

/// A moment.
pub(crate) const NOW: Timestamp = Timestamp(1_000_000);
/// Fingerprint of the base model, unless another is present.
pub(crate) const BASE: &str = "base";
/// Seconds of a lease.
pub(crate) const LEASE: i64 = 60;

/// A folder with a database in it.
pub(crate) struct Root {
    dir: TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file("state/seald.db")
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.database()).unwrap()
    }
}

/// A database that is opened once; its folder goes with it.
pub(crate) struct Fresh {
    store: Store,
    _root: Root,
}

pub(crate) fn fresh() -> Fresh {
    let root = Root::new();
    Fresh { store: root.open(), _root: root }
}

impl Deref for Fresh {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for Fresh {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

pub(crate) fn document(n: usize) -> NewDocument {
    NewDocument {
        hash: format!("hash {n}"),
        name: format!("{n}.txt"),
        title: format!("Bulletin {n}"),
        text: format!("The ferry of pier {n} leaves at noon. It carries {n} goats."),
        format: DocumentFormat::Text,
        tag: None,
    }
}

pub(crate) fn passages(n: usize) -> Vec<String> {
    vec![format!("The ferry of pier {n} leaves at noon. "), format!("It carries {n} goats.")]
}

pub(crate) fn supplied(n: usize) -> Vec<SuppliedProbe> {
    vec![SuppliedProbe {
        question: format!("When does ferry {n} leave?"),
        answers: vec!["noon".into(), "12".into()],
    }]
}

/// Takes in document `n` at `now`.
pub(crate) fn receive_at(store: &mut Store, n: usize, now: Timestamp) -> (DocumentId, JobId) {
    match store.receive(&document(n), &supplied(n), now).unwrap() {
        Received::New(document, job) => (document, job),
        Received::Known(id) => panic!("document {n} is known as {id}"),
    }
}

pub(crate) fn receive(store: &mut Store, n: usize) -> (DocumentId, JobId) {
    receive_at(store, n, NOW)
}

/// Claims the next job; a document that is begun is cut into its passages.
pub(crate) fn claim(store: &mut Store) -> Job {
    let job = store.claim_next(NOW, LEASE).unwrap().expect("a queued job");
    cut(store, &job);
    job
}

/// The document that a job learns.
pub(crate) fn learned(job: &Job) -> DocumentId {
    job.document.expect("a job that learns")
}

/// Cuts the document of a job at its first stage.
pub(crate) fn cut(store: &mut Store, job: &Job) {
    if job.stage == JobKind::Learn.first() {
        let text = store.document(learned(job)).unwrap().text;
        let (first, second) = text.split_at(text.find("It carries").expect("a made-up text"));
        store.cut(job, &[first.to_string(), second.to_string()]).unwrap();
    }
}

/// An answer that is right or wrong.
pub(crate) fn answer(subject: Subject, generation: GenerationId, right: bool) -> NewEvaluation {
    let share = if right { 1.0 } else { 0.25 };
    let answer = if right { "noon" } else { "dusk" }.to_string();
    NewEvaluation {
        subject,
        generation,
        answer,
        right,
        recall: share,
        f1: share,
        exact: right,
        log_prob: -2.5,
        margin: None,
    }
}

pub(crate) fn asked(probe: ProbeId, subject: Subject, generation: GenerationId, right: bool) -> Evaluation {
    answer(subject, generation, right).of(probe)
}

/// A probe of each role, asked of the base, which knows the last.
pub(crate) fn probes(store: &Store, document: DocumentId) -> Vec<NewProbe> {
    let passages = store.passages(document).unwrap();
    let supplied = store.supplied_probes(document).unwrap();
    let probe = |(fact, role): (usize, &Role)| NewProbe {
        passage: Some(passages[fact % passages.len()].id),
        fact,
        question: format!("{} ({role})", supplied[0].question),
        answers: supplied[0].answers.clone(),
        role: *role,
        source: ProbeSource::Supplied,
        evaluations: vec![answer(Subject::Base, GenerationId::BASE, *role == Role::Preserve)],
    };
    Role::ALL.iter().enumerate().map(probe).collect()
}

/// Two candidates with a self-edit for each passage; one is discarded.
pub(crate) fn self_edits(store: &Store, document: DocumentId) -> Vec<NewSelfEdit> {
    let passages = store.passages(document).unwrap();
    let one = |candidate: usize| {
        passages.iter().map(move |passage| NewSelfEdit {
            passage: passage.id,
            candidate,
            directive: Directive { format: Format::SelfQa, learning_rate: 1e-3, epochs: 10 },
            prompt_version: "p1".into(),
            writer: (candidate == 1).then(|| "w1".into()),
            text: format!("candidate {candidate} of {}", passage.text),
            rows: vec![
                RowText::Text(format!("{candidate}: {}", passage.text)),
                RowText::Turn { question: "When?".into(), answer: format!("noon {candidate}") },
            ],
            discarded: (candidate == 1 && passage.index == 1).then(|| "repeats itself".into()),
            dropped: vec![DroppedLine { line: "The the".into(), reason: "copies a probe".into() }],
        })
    };
    (0..2).flat_map(one).collect()
}

/// The passage alone, whose loss is not a number, and the first candidate, which is chosen.
pub(crate) fn trials(store: &Store, document: DocumentId) -> Vec<NewTrial> {
    let edits = store.self_edits(document).unwrap();
    let first = NewTrial {
        name: "passage only".into(),
        self_edits: Vec::new(),
        learning_rate: 1e-3,
        rung: 0,
        steps: 10,
        tokens: 500,
        seconds: 1.5,
        loss: f64::NAN,
        gain: f64::NEG_INFINITY,
        accuracy: None,
        chosen: false,
    };
    let chosen = NewTrial {
        name: "self_qa 1e-3 x10".into(),
        // Not in the order of their numbers, to see that theirs is kept.
        self_edits: vec![edits[1].id, edits[0].id],
        loss: 0.5,
        gain: 1.25,
        accuracy: Some(0.5),
        chosen: true,
        ..first.clone()
    };
    vec![first, chosen]
}

pub(crate) fn decision(accepted: bool) -> Decision {
    let finding =
        |rule, holds, value| Finding { rule, holds, value, bound: 0.0, words: format!("{rule} at {value}") };
    let findings = vec![finding(Rule::Gain, accepted, 0.125), finding(Rule::Drift, true, f64::INFINITY)];
    Decision { accepted, findings, scale: 0.5 }
}

/// Makes a generation live in the database alone, without what a rollback does besides.
pub(crate) fn set_live(store: &Store, id: GenerationId) {
    let database = rusqlite::Connection::open(store.path()).unwrap();
    assert_eq!(
        database
            .execute("UPDATE live SET generation = ?", [(id != GenerationId::BASE).then_some(id.0)])
            .unwrap(),
        1
    );
}

pub(crate) fn live(store: &Store) -> GenerationId {
    store.live().unwrap().map_or(GenerationId::BASE, |g| g.id)
}

/// Before and after, on the document's gate probe and on the bank.
pub(crate) fn gate_answers(store: &Store, document: DocumentId) -> Vec<Evaluation> {
    let live = live(store);
    let gate = store.probes(document, Some(Role::Gate)).unwrap();
    let bank = store.bank(100, 7).unwrap();
    let both = |id| [asked(id, Subject::Before, live, false), asked(id, Subject::Candidate, live, true)];
    gate.iter().chain(&bank).flat_map(|probe| both(probe.id)).collect()
}

pub(crate) fn generation(store: &Store, now: Timestamp) -> NewGeneration {
    let id = store.next_generation_id().unwrap();
    NewGeneration {
        id,
        parent: live(store),
        base_fingerprint: store
            .lineage()
            .unwrap()
            .map_or_else(|| BASE.into(), |present| present.base_fingerprint),
        adapter_hash: format!("adapter {id}"),
        created_at: now,
    }
}

/// Every probe of the bank, asked of the live generation: right but for the first document's.
pub(crate) fn replay_answers(store: &Store) -> Vec<Evaluation> {
    let live = live(store);
    let right = |document| document != Some(DocumentId(1));
    let bank = store.bank(100, 7).unwrap().into_iter();
    bank.map(|probe| asked(probe.id, Subject::Replay, live, right(probe.document))).collect()
}

/// Does the stage that the job is at. Documents with an even number are rejected by the gate.
pub(crate) fn do_stage_at(store: &mut Store, job: &Job, now: Timestamp) -> Job {
    cut(store, job);
    let document = learned(job);
    match job.stage {
        Stage::Probes => store.finish_probes(
            job,
            &probes(store, document),
            &serde_json::json!({ "written": 5, "kept": 4 }),
        ),
        Stage::SelfEdits => store.finish_self_edits(job, &self_edits(store, document)),
        Stage::Trials => store.finish_trials(job, &trials(store, document)),
        Stage::Gate => {
            let answers = gate_answers(store, document);
            store.finish_gate(job, &answers, &decision(document.0 % 2 == 1))
        }
        Stage::Publish => store.finish_publish(job, &generation(store, now)),
        Stage::Replay => store.finish_replay(job, &replay_answers(store)),
        other => panic!("{other} is no stage of learning"),
    }
    .unwrap()
}

/// Does stages until the job is at `stage`.
pub(crate) fn until(store: &mut Store, mut job: Job, stage: Stage) -> Job {
    while job.stage != stage {
        job = do_stage_at(store, &job, NOW);
    }
    job
}

/// Does every job that is queued to its end.
pub(crate) fn learn_all(store: &mut Store) {
    while let Some(job) = store.claim_next(NOW, LEASE).unwrap() {
        finish(store, job);
    }
}

/// Takes a job to its end.
pub(crate) fn finish(store: &mut Store, mut job: Job) {
    while job.lease_until.is_some() {
        job = do_stage_at(store, &job, NOW);
    }
}
