//! A small root with small options, so that a document takes a second or two.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::repository::repository;
use seald::pipeline::{Root, Worker, WorkerOptions, crash};
use seald_core::clock::{Clock, Timestamp};
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;
use seald_ingest::Limits;
use seald_learn::consolidate::ConsolidateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::writer::WriterOptions;
use seald_store::{NewDocument, Received, Store, SuppliedProbe};

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// Two bulletins about things that nano has never seen; the first comes with questions.
const DOCUMENTS: [&str; 2] = ["drelpolford.txt", "nequobel-pudding.txt"];

/// The embedded model, in f32, so that every machine computes alike.
pub(crate) fn model() -> Model {
    model_on(1)
}

/// The same, computed by so many threads, for what other tests wait for.
pub(crate) fn model_on(threads: usize) -> Model {
    let compute = Compute::cpu(Precision::F32, Isa::detect(), threads);
    Model::open(Path::new("nano"), &compute.unwrap()).unwrap()
}

/// As little work as still is the whole method.
pub(crate) fn options() -> WorkerOptions {
    let learn: LearnOptions = toml::from_str(crate::small::LEARN).unwrap();
    // Two of the three documents that come with questions examine writers.
    let writer_rounds = WriterOptions {
        exam_share: 0.6,
        min_examples: 1,
        samples: 2,
        trial_steps: 8,
        ..WriterOptions::default()
    };
    let consolidate = ConsolidateOptions { rows_in_step: 8, min_steps: 60, ..ConsolidateOptions::default() };
    let clock = Clock::at(Timestamp(1_763_769_600_000));
    WorkerOptions {
        learn,
        consolidate,
        writer_rounds,
        clock,
        checkpoint_every: each_step(),
        ..WorkerOptions::default()
    }
}

/// After each step, in a process that is to die at one.
pub(crate) fn each_step() -> Option<Duration> {
    let dies_at = std::env::var(crash::VARIABLE).unwrap_or_default();
    dies_at.contains("step-").then_some(Duration::ZERO)
}

/// Opens the root's database.
pub(crate) fn store(root: &Path) -> Store {
    Store::open(&Root::open(root).unwrap().database()).unwrap()
}

/// A worker on the root.
pub(crate) fn worker<'m>(root: &Path, model: &'m Model) -> seald_core::Result<Worker<'m>> {
    Worker::open(Root::open(root).unwrap(), store(root), model, options(), &NEVER)
}

/// Takes the first of the documents in.
pub(crate) fn take_in(root: &Path, count: usize) {
    take_in_named(root, &DOCUMENTS[..count]);
}

/// Takes shipped examples in.
pub(crate) fn take_in_named(root: &Path, names: &[&str]) {
    let mut store = store(root);
    let limits = Limits::default();
    for name in names {
        let path = repository().join("examples/inbox").join(name);
        let read = seald_ingest::extract(&path, &limits).unwrap().remove(0);
        let probes = seald_ingest::sidecar_of(&path)
            .map(|sidecar| seald_ingest::read_probes(&sidecar, &limits).unwrap());
        let supplied: Vec<SuppliedProbe> = probes
            .unwrap_or_default()
            .into_iter()
            .map(|p| SuppliedProbe { question: p.question, answers: p.answers })
            .collect();
        let document = NewDocument {
            hash: read.hash(),
            name: read.name.clone(),
            title: read.title,
            text: read.text,
            format: read.format,
            tag: None,
        };
        let received = store.receive(&document, &supplied, Timestamp(1)).unwrap();
        assert!(matches!(received, Received::New(..)));
    }
}
