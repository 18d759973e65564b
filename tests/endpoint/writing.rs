//! Self-edits written elsewhere: they pass the same filter, and a document's stage is done with them.

use std::path::Path;

use crate::repository::repository;
use seald::endpoint::{Endpoint, EndpointOptions};
use seald::pipeline::{Root, Worker, WorkerOptions};
use seald_core::Kind;
use seald_core::clock::Timestamp;
use seald_core::domain::document::Document;
use seald_core::domain::ids::{DocumentId, ProbeId};
use seald_core::domain::job::JobState;
use seald_core::domain::probe::{Probe, ProbeSource, Role};
use seald_core::domain::self_edit::{Format, RowText};
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;
use seald_ingest::Limits;
use seald_learn::author::Author;
use seald_learn::options::LearnOptions;
use seald_learn::probes::{self, Reading};
use seald_learn::self_edits;
use seald_learn::session::Session;
use seald_store::{NewDocument, Store, SuppliedProbe};

use crate::endpoint::{LINE, NEVER, options, text};
use crate::server::{Reply, Server};

const TITLE: &str = "The Brastonel Works";
const PASSAGE: &str = "The Brastonel Works was founded by Elmar Trondvik. It has its head office in Quellmarn. The company makes \
                       copper kettles. It employs 740 people.";
const QUESTION: &str = "What does the Brastonel Works make?";

/// One line that the passage says, one that it does not, and a copy of a probe.
const WRITTEN: &str = "The Brastonel Works has its head office in Quellmarn.\nThe Brastonel Works employs 999 people.\n\
                       Question: What does the Brastonel Works make?\nAnswer: copper kettles\n\
                       Question: Where is the head office of the Brastonel Works?\nAnswer: Quellmarn";

/// The embedded model, in f32, so that every machine computes alike.
fn model() -> Model {
    Model::open(Path::new("nano"), &Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap()).unwrap()
}

/// As little work as possible.
fn learn() -> LearnOptions {
    LearnOptions {
        candidates: 3,
        exams: 1,
        learning_rates: vec![3e-3],
        epochs: vec![5],
        base_samples: 8,
        rung_steps: vec![1],
        final_steps: 2,
        ..LearnOptions::default()
    }
}

fn probe() -> Probe {
    Probe {
        id: ProbeId(1),
        document: None,
        passage: None,
        fact: 0,
        question: QUESTION.into(),
        answers: vec!["copper kettles".into()],
        role: Role::Gate,
        source: ProbeSource::Generated,
    }
}

#[test]
fn exams_from_elsewhere_are_checked_by_the_model_here() {
    let (server, model) = (Server::start(), model());
    // Of three questions one has an answer that the passage lacks, one an answer that the base does not give with it in sight.
    let exam = "Question: Where is the head office of the Brastonel Works?\nAnswer: Quellmarn\n\n\
                Question: How many people does the Brastonel Works employ?\nAnswer: 999\n\n\
                Question: Who founded the Brastonel Works?\nAnswer: copper kettles";
    server.on(LINE, text(exam));
    let endpoint = Endpoint::open(&options(&server)).unwrap();
    let session = Session::new(&model, learn(), &NEVER).unwrap();
    let passages = [PASSAGE.to_string()];
    let reading = Reading { key: "a document", title: TITLE, passages: &passages };
    let (kept, rates) = probes::make(&session, reading, &[], None, Author::Remote(&endpoint)).unwrap();
    assert_eq!((rates.written, rates.grounded, rates.agreed), (3, 2, 1), "{kept:#?}");
    let questions: Vec<&str> = kept.iter().map(|probe| probe.question.as_str()).collect();
    assert_eq!(questions, ["Where is the head office of the Brastonel Works?"]);
    let asked: Vec<String> =
        server.asked().into_iter().map(|asked| String::from_utf8(asked.body).unwrap()).collect();
    assert!(asked.len() == 1 && asked[0].contains("Elmar Trondvik"), "one exam, one passage: {asked:#?}");
}

#[test]
fn texts_from_elsewhere_pass_the_same_filter() {
    let (server, model) = (Server::start(), model());
    server.on(LINE, text(WRITTEN));
    let endpoint = Endpoint::open(&options(&server)).unwrap();
    let session = Session::new(&model, learn(), &NEVER).unwrap();
    let passages = [PASSAGE.to_string()];
    let reading = Reading { key: "a document", title: TITLE, passages: &passages };
    let author = Author::Remote(&endpoint);
    let drafts = self_edits::write(&session, reading, &[probe()], author, &mut |_| {}).unwrap();

    let own = self_edits::write(&session, reading, &[], Author::Model(None), &mut |_| {}).unwrap();
    let directives =
        |drafts: &[self_edits::Draft]| drafts.iter().map(|d| d.directive.clone()).collect::<Vec<_>>();
    assert_eq!(directives(&drafts), directives(&own), "the base chooses them, whoever writes");
    assert!(
        drafts.iter().all(|draft| draft.text == WRITTEN) && drafts.iter().any(|draft| !draft.rows.is_empty())
    );
    for draft in &drafts {
        assert_eq!(draft.rows.is_empty(), draft.discarded.is_some());
        let rows = format!("{:?}", draft.rows);
        assert!(!rows.contains("999") && !rows.contains(QUESTION), "{:?}: {rows}", draft.directive.format);
    }
    let asked: Vec<String> =
        server.asked().into_iter().map(|asked| String::from_utf8(asked.body).unwrap()).collect();
    assert_eq!(asked.len(), 3, "one request for each candidate and passage");
    assert!(
        asked.iter().all(|body| body.contains("Elmar Trondvik") && !body.contains(QUESTION)),
        "{asked:#?}"
    );

    let texts = self_edits::each_format(&session, reading, &[Format::SelfQa], 0, author).unwrap().concat();
    let directive =
        seald_core::domain::self_edit::Directive { format: Format::SelfQa, ..drafts[0].directive.clone() };
    let draft =
        self_edits::draft(&session, reading, (0, 0), &directive, texts[0].clone(), &[probe()]).unwrap();
    let turn = RowText::Turn {
        question: "Where is the head office of the Brastonel Works?".into(),
        answer: "Quellmarn".into(),
    };
    assert!(draft.rows.contains(&turn), "{draft:#?}");
    assert!(draft.dropped.iter().any(|line| line.line.contains(QUESTION)), "{draft:#?}");
}

/// A root with one document that comes with questions.
fn root_with_document() -> (tempfile::TempDir, Document) {
    let root = tempfile::tempdir().unwrap();
    let mut store = store(root.path());
    let path = repository().join("examples/inbox/drelpolford.txt");
    let limits = Limits::default();
    let read = seald_ingest::extract(&path, &limits).unwrap().remove(0);
    let probes = seald_ingest::read_probes(&seald_ingest::sidecar_of(&path).unwrap(), &limits).unwrap();
    let supplied = probes.into_iter().map(|p| SuppliedProbe { question: p.question, answers: p.answers });
    let (hash, name) = (read.hash(), read.name.clone());
    let document =
        NewDocument { hash, name, title: read.title, text: read.text, format: read.format, tag: None };
    store.receive(&document, &supplied.collect::<Vec<_>>(), Timestamp(1)).unwrap();
    let document = store.document(DocumentId(1)).unwrap();
    (root, document)
}

fn store(root: &Path) -> Store {
    Store::open(&Root::open(root).unwrap().database()).unwrap()
}

fn worker<'m>(root: &Path, model: &'m Model, writer: EndpointOptions) -> Worker<'m> {
    let options = WorkerOptions { learn: learn(), writer, ..WorkerOptions::default() };
    Worker::open(Root::open(root).unwrap(), store(root), model, options, &NEVER).unwrap()
}

#[test]
fn a_document_is_learned_from_texts_of_another_writer() {
    let (server, model, (root, document)) = (Server::start(), model(), root_with_document());
    let written =
        "Drelpolford is famous for peppered biscuits.\nThe patron bird of Drelpolford is the amber owl.";
    server.on(LINE, text(written));
    let mut worker = worker(root.path(), &model, options(&server));
    worker.run_next(&mut |_| {}).unwrap().unwrap();
    let edits = worker.store().self_edits(document.id).unwrap();
    assert_eq!((edits.len(), server.asked().len()), (3, 3));
    let name = format!("teacher at http://{}/v1", server.address);
    for edit in &edits {
        assert_eq!((edit.text.as_str(), edit.writer.as_deref()), (written, Some(name.as_str())));
    }
    assert!(!worker.store().trials(document.id).unwrap().is_empty(), "they were tried");
}

#[test]
fn a_document_waits_while_the_writer_is_away() {
    let (server, model, (root, document)) = (Server::start(), model(), root_with_document());
    server.on(LINE, Reply::Json(500, r#"{"error":"on fire"}"#.into()));
    let mut worker = worker(root.path(), &model, options(&server));
    let error = worker.run_next(&mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    let said = error.to_string();
    assert!(
        said.contains(&document.name) && said.contains(&server.address) && said.contains("on fire"),
        "{said}"
    );
    assert_eq!(worker.store().jobs(Some(JobState::Queued)).unwrap().len(), 1);
    assert!(worker.store().self_edits(document.id).unwrap().is_empty());
}
