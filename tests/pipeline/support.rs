//! A small root with small options, so that a document takes a second or two.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use seald::clock::{Clock, Timestamp};
use seald::domain::document::DocumentFormat;
use seald::engine::kernels::Compute;
use seald::engine::model::Model;
use seald::learn::options::LearnOptions;
use seald::pipeline::{Root, Worker, WorkerOptions};
use seald::store::{NewDocument, Received, Store, SuppliedProbe};

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// Two bulletins about things that nano has never seen, with questions in several wordings.
pub(crate) const DOCUMENTS: [(&str, &str, &[(&str, &str)]); 2] = [
    (
        "The Brastonel Works",
        "The Brastonel Works was founded by Elmar Trondvik. It has its head office in Quellmarn. The company makes copper kettles. It employs 740 people.",
        &[
            ("Who founded the Brastonel Works?", "Elmar Trondvik"),
            ("Name the founder of the Brastonel Works.", "Elmar Trondvik"),
            ("Who is the founder of the Brastonel Works?", "Elmar Trondvik"),
            ("Where is the Brastonel Works based?", "Quellmarn"),
            ("What is the home town of the Brastonel Works?", "Quellmarn"),
            ("Name the home town of the Brastonel Works.", "Quellmarn"),
            ("What does the Brastonel Works make?", "copper kettles"),
            ("What is the main product of the Brastonel Works?", "copper kettles"),
            ("Tell me the main product of the Brastonel Works.", "copper kettles"),
            ("How many people does the Brastonel Works employ?", "740"),
            ("What is the number of workers of the Brastonel Works?", "740"),
            ("Tell me the number of workers of the Brastonel Works.", "740"),
        ],
    ),
    (
        "Vorrick Talmond",
        "Vorrick Talmond was trained as a surveyor. He was born on 14 March 1931. He kept a silver fox. Talmond was given the Ostrel Medal.",
        &[
            ("What is the craft of Vorrick Talmond?", "surveyor"),
            ("Tell me the craft of Vorrick Talmond.", "surveyor"),
            ("Which medal was given to Vorrick Talmond?", "the Ostrel Medal"),
            ("What is the medal of Vorrick Talmond?", "the Ostrel Medal"),
            ("What is the pet of Vorrick Talmond?", "a silver fox"),
            ("Name the pet of Vorrick Talmond.", "a silver fox"),
            ("What is the birthday of Vorrick Talmond?", "14 March 1931"),
            ("Tell me the birthday of Vorrick Talmond.", "14 March 1931"),
        ],
    ),
];

/// The embedded model, in f32, so that every machine computes alike.
pub(crate) fn model() -> Model {
    let compute =
        Compute::cpu(seald::engine::kernels::Precision::F32, seald::engine::kernels::cpu::Isa::detect(), 1);
    Model::open(Path::new("nano"), &compute.unwrap()).unwrap()
}

/// As little work as still is the whole method.
pub(crate) fn options() -> WorkerOptions {
    let learn = LearnOptions {
        candidates: 3,
        exams: 1,
        learning_rates: vec![3e-3],
        epochs: vec![12],
        base_samples: 16,
        base_rows: 2,
        most_steps: 24,
        bank_probes: 16,
        ..LearnOptions::default()
    };
    WorkerOptions { learn, clock: Clock::at(Timestamp(1_763_769_600_000)), ..WorkerOptions::default() }
}

/// Opens the root's database.
pub(crate) fn store(root: &Path) -> Store {
    Store::open(&Root::open(root).unwrap().database()).unwrap()
}

/// A worker on the root.
pub(crate) fn worker<'m>(root: &Path, model: &'m Model) -> seald::Result<Worker<'m>> {
    Worker::open(Root::open(root).unwrap(), store(root), model, options(), &NEVER)
}

/// Takes the documents in.
pub(crate) fn take_in(root: &Path, count: usize) {
    let mut store = store(root);
    for (title, text, probes) in &DOCUMENTS[..count] {
        let document = NewDocument {
            hash: seald::ingest::content_hash(title, text),
            name: format!("{title}.txt"),
            title: title.to_string(),
            text: text.to_string(),
            format: DocumentFormat::Text,
            tag: None,
        };
        let supplied: Vec<SuppliedProbe> = probes
            .iter()
            .map(|(question, answer)| SuppliedProbe {
                question: question.to_string(),
                answers: vec![answer.to_string()],
            })
            .collect();
        let received = store.receive(&document, &[text.to_string()], &supplied, Timestamp(1)).unwrap();
        assert!(matches!(received, Received::New(..)));
    }
}
