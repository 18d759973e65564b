//! Documents one after another: what each learning costs the ones before it, the product against the published recipe (which merges every adapter into
//! the base).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use seald::pipeline::{Finished, Root, Worker, WorkerOptions};
use seald_core::domain::document::{DocumentFormat, DocumentState};
use seald_core::error::{Context, Kind, Result};
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_learn::gate::GateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::session::{Question, Session};
use seald_learn::work::Tally;
use seald_store::{NewDocument, Store};
use serde::Serialize;

use crate::data::Document;
use crate::lab::{Lab, NEVER, question};
use crate::seal::{self, Recipe};

/// One sequence: `matrix[i][j]` is the share of document j's held-out questions that is answered right after document i; row 0 is the base.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sequence {
    pub(crate) matrix: Vec<Vec<f64>>,
    /// Documents that were accepted; all of them where nothing judges.
    pub(crate) accepted: Vec<bool>,
    /// Things the base knew that are lost at the end, of `known`.
    pub(crate) lost: usize,
    pub(crate) known: usize,
    pub(crate) seconds: f64,
    pub(crate) tokens: u64,
    pub(crate) cost: Tally,
}

impl Sequence {
    fn documents(&self) -> usize {
        self.matrix.len() - 1
    }

    /// Mean over documents of the share right after each was learned.
    pub(crate) fn just_learned(&self) -> f64 {
        mean((0..self.documents()).map(|j| self.matrix[j + 1][j]))
    }

    /// Mean of the last row.
    pub(crate) fn last(&self) -> f64 {
        mean(self.matrix[self.documents()].iter().copied())
    }

    /// Mean of the base's row.
    pub(crate) fn base(&self) -> f64 {
        mean(self.matrix[0].iter().copied())
    }

    /// Mean over all documents but the last of R(T, j) - R(j, j) (Lopez-Paz & Ranzato 2017).
    pub(crate) fn backward_transfer(&self) -> f64 {
        let last = self.documents();
        mean((0..last - 1).map(|j| self.matrix[last][j] - self.matrix[j + 1][j]))
    }

    /// Documents that the last row knows less of than the base.
    pub(crate) fn below_base(&self) -> usize {
        let last = &self.matrix[self.documents()];
        last.iter().zip(&self.matrix[0]).filter(|(now, base)| now < base).count()
    }
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let all: Vec<f64> = values.collect();
    all.iter().sum::<f64>() / all.len().max(1) as f64
}

/// The product, through its own database and jobs.
pub(crate) fn ours(lab: &Lab<'_>, documents: &[Document], gate: &GateOptions) -> Result<Sequence> {
    let dir = tempfile::tempdir().doing(Kind::Io, || "cannot make a folder".into())?;
    let root = Root::open(dir.path())?;
    let store = Store::open(&root.database())?;
    let (learn, gate) = (lab.session.options.clone(), gate.clone());
    let options = WorkerOptions { learn, gate, ..WorkerOptions::default() };
    let mut worker = Worker::open(root, store, lab.session.model, options, &NEVER)?;
    let mut sequence = Sequence {
        matrix: vec![row(&lab.session, documents, None)?],
        accepted: Vec::new(),
        lost: 0,
        known: lab.known.len(),
        seconds: 0.0,
        tokens: 0,
        cost: Tally::default(),
    };
    for document in documents {
        let started = Instant::now();
        let new = NewDocument {
            hash: seald_ingest::content_hash(&document.title, &document.passages.concat()),
            name: document.title.clone(),
            title: document.title.clone(),
            text: document.passages.concat(),
            format: DocumentFormat::Text,
            tag: None,
        };
        let now = seald_core::clock::Clock::System.now();
        worker.store_mut().receive(&new, &[], now)?;
        let done = worker.run_next(&mut |_| {})?;
        sequence.seconds += started.elapsed().as_secs_f64();
        let accepted = done.as_ref().is_some_and(|d| d.state == Some(DocumentState::Learned));
        sequence.accepted.push(accepted);
        if let Some(id) = done.as_ref().and_then(Finished::learned).filter(|_| !accepted) {
            let found = worker.store().document(id)?;
            eprintln!("{}: {}: {}", document.title, found.state, found.reasons.join("; "));
        }
        sequence.tokens += done.map_or(0, |d| d.cost.trained_tokens);
        sequence.matrix.push(row(&lab.session, documents, worker.live())?);
    }
    sequence.cost = worker.session().tally();
    sequence.lost = lab.lost(worker.live())?;
    Ok(sequence)
}

/// The published recipe: the best of five self-edits, merged into the base, and so on.
pub(crate) fn seal(
    lab: &Lab<'_>,
    base: &Path,
    documents: &[Document],
    recipe: Recipe,
    seed: u64,
) -> Result<Sequence> {
    let compute = lab.session.model.decoder.compute().clone();
    let dir = tempfile::tempdir().doing(Kind::Io, || "cannot make a folder".into())?;
    let mut sequence = Sequence {
        matrix: vec![row(&lab.session, documents, None)?],
        accepted: vec![true; documents.len()],
        lost: 0,
        known: lab.known.len(),
        seconds: 0.0,
        tokens: 0,
        cost: Tally::default(),
    };
    let mut path = base.to_path_buf();
    for (number, document) in documents.iter().enumerate() {
        let model = Model::open(&path, &compute)?;
        let session = Session::new(&model, LearnOptions::default(), &NEVER)?;
        let made = seal::best_of_five(&session, &model, document, recipe, seed * 100 + number as u64)?;
        (sequence.seconds, sequence.tokens) =
            (sequence.seconds + made.seconds, sequence.tokens + made.tokens);
        path = merged(&path, &made.adapter, &dir.path().join(format!("merged-{number}")))?;
        let merged = Model::open(&path, &compute)?;
        let session = Session::new(&merged, LearnOptions::default(), &NEVER)?;
        sequence.matrix.push(row(&session, documents, None)?);
        let known: Vec<Question<'_>> = lab.known.iter().map(question).collect();
        sequence.lost = session.ask(&known, None)?.iter().filter(|a| !a.grade.right).count();
    }
    Ok(sequence)
}

/// Share of each document's held-out questions that is answered right.
fn row(session: &Session<'_>, documents: &[Document], adapter: Option<&Adapter>) -> Result<Vec<f64>> {
    let share = |document: &Document| -> Result<f64> {
        let asked: Vec<Question<'_>> = document.of(&["gate", "retain"]).map(|q| question(&q.asked)).collect();
        let answered = session.ask(&asked, adapter)?;
        Ok(answered.iter().filter(|a| a.grade.right).count() as f64 / answered.len() as f64)
    };
    documents.iter().map(share).collect()
}

/// A copy of a model directory with an adapter's update added to its matrices, in f32.
fn merged(base: &Path, adapter: &Adapter, to: &Path) -> Result<PathBuf> {
    let failed =
        |e: std::io::Error| seald_core::Error::new(Kind::Io, "cannot write the merged model").with_source(e);
    std::fs::create_dir(to).map_err(failed)?;
    let mut tensors: HashMap<String, Tensor> = HashMap::new();
    for entry in std::fs::read_dir(base).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_os_string();
        if path.extension().is_some_and(|e| e == "safetensors") {
            for (name, tensor) in candle_core::safetensors::load(&path, &Device::Cpu)? {
                tensors.insert(name, tensor.to_dtype(DType::F32)?);
            }
        } else {
            std::fs::copy(&path, to.join(name)).map_err(failed)?;
        }
    }
    for (layer, projection, matrices) in adapter.matrices() {
        let name = format!("model.layers.{layer}.{}.weight", projection.module_path());
        let update = (matrices.b.matmul(&matrices.a)? * f64::from(matrices.scale))?;
        let old =
            tensors.get(&name).ok_or_else(|| seald_core::Error::new(Kind::Corrupt, format!("no {name}")))?;
        tensors.insert(name, (old + update)?);
    }
    candle_core::safetensors::save(&tensors, to.join("model.safetensors"))?;
    Ok(to.to_path_buf())
}
