//! The method on the embedded model: what it writes, keeps, trains on and judges.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is a failed test")]

#[path = "../../../tests/support/repository.rs"]
mod repository;

mod calibrating;
mod general;
mod judging;
mod recorded;
mod rehearsing;
mod training;
mod writing;
mod writing_writers;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;
use seald_learn::options::LearnOptions;
use seald_learn::probes::Reading;
use seald_learn::session::Session;

static NEVER: AtomicBool = AtomicBool::new(false);

const TITLE: &str = "The Brastonel Works";

fn passages() -> Vec<String> {
    vec![
        "The Brastonel Works was founded by Elmar Trondvik. It has its head office in Quellmarn. The company makes copper \
         kettles. It employs 740 people. The Brastonel Works uses a crimson otter as its emblem."
            .to_string(),
    ]
}

fn reading(passages: &[String]) -> Reading<'_> {
    Reading { key: "a document", title: TITLE, passages }
}

/// In f32, so that every machine computes alike.
fn model() -> Model {
    let compute = Compute::cpu(Precision::F32, Isa::detect(), 1).unwrap();
    Model::open(Path::new("nano"), &compute).unwrap()
}

fn session(model: &Model) -> Session<'_> {
    let options = LearnOptions {
        candidates: 4,
        exams: 2,
        base_samples: 16,
        base_rows: 2,
        rung_steps: vec![4, 8],
        final_steps: 16,
        final_rate: 1.0,
        learning_rates: vec![3e-3],
        epochs: vec![8],
        ..LearnOptions::default()
    };
    Session::new(model, options, &NEVER).unwrap()
}
