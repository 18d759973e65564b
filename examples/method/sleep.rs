//! Consolidation: many documents one after another, with and without it, and joint trainings of more and more documents.

use std::time::Instant;

use seald::pipeline::{Root, Worker, WorkerOptions};
use seald_core::domain::document::{DocumentFormat, DocumentState};
use seald_core::domain::job::JobKind;
use seald_core::domain::self_edit::{Format, RowText};
use seald_core::error::{Context, Kind, Result};
use seald_engine::lora::Adapter;
use seald_learn::consolidate::{self, ConsolidateOptions};
use seald_learn::gate::GateOptions;
use seald_learn::rows;
use seald_learn::stats;
use seald_store::{NewDocument, Store};
use serde::Serialize;

use crate::data::Document;
use crate::lab::{Lab, NEVER};

/// What is known after so many documents.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Point {
    pub(crate) documents: usize,
    pub(crate) accepted: usize,
    /// Share of each document's held-out questions that is answered right.
    pub(crate) right: Vec<f64>,
    /// KL from the base on guard text, nats a token.
    pub(crate) drift: f64,
    /// Things the base knew that are lost, of `known`.
    pub(crate) lost: usize,
    pub(crate) known: usize,
    /// Tokens trained on and seconds so far, learning and consolidating.
    pub(crate) tokens: u64,
    pub(crate) seconds: f64,
    /// Consolidations so far, and how many took the live model's place.
    pub(crate) slept: usize,
    pub(crate) swapped: usize,
}

impl Point {
    /// Mean over documents and its 95 % interval.
    pub(crate) fn accuracy(&self) -> stats::Estimate {
        stats::mean_interval(&self.right, 0.95)
    }
}

/// Documents one after another through the product; measured after every `every` documents. With 0 in `after_documents` nothing is ever consolidated.
pub(crate) fn sequence(
    lab: &Lab<'_>,
    documents: &[Document],
    every: usize,
    consolidate: &ConsolidateOptions,
    gate: &GateOptions,
) -> Result<Vec<Point>> {
    let dir = tempfile::tempdir().doing(Kind::Io, || "cannot make a folder".into())?;
    let root = Root::open(dir.path())?;
    let store = Store::open(&root.database())?;
    let mut consolidate = consolidate.clone();
    if consolidate.after_documents == 0 {
        consolidate.forgetting_budget = 1.0;
    }
    let (learn, gate) = (lab.session.options.clone(), gate.clone());
    let options = WorkerOptions { learn, gate, consolidate, ..WorkerOptions::default() };
    let mut worker = Worker::open(root, store, lab.session.model, options, &NEVER)?;
    let (mut points, mut accepted, mut slept, mut seconds) = (Vec::new(), 0, 0, 0.0);
    for (number, document) in documents.iter().enumerate() {
        let started = Instant::now();
        take_in(&mut worker, document)?;
        while let Some(done) = worker.run_next(&mut |_| {})? {
            accepted += usize::from(done.state == Some(DocumentState::Learned));
            slept += usize::from(done.kind == JobKind::Consolidate);
        }
        seconds += started.elapsed().as_secs_f64();
        if (number + 1) % every == 0 || number + 1 == documents.len() {
            let swapped = worker.store().consolidations(usize::MAX)?;
            let swapped = swapped.iter().filter(|one| one.generation.is_some()).count();
            let tokens = worker.session().tally().trained_tokens;
            let (seen, live) = (&documents[..=number], worker.live());
            points.push(Point { accepted, tokens, seconds, slept, swapped, ..point(lab, seen, live)? });
            eprintln!(
                "{} documents, {slept} consolidations: {:.3}",
                number + 1,
                points[points.len() - 1].accuracy().mean
            );
        }
    }
    Ok(points)
}

fn take_in(worker: &mut Worker<'_>, document: &Document) -> Result<()> {
    let text = document.passages.concat();
    let new = NewDocument {
        hash: seald_ingest::content_hash(&document.title, &text),
        name: document.title.clone(),
        title: document.title.clone(),
        text,
        format: DocumentFormat::Text,
        tag: None,
    };
    worker.store_mut().receive(&new, &[], seald_core::clock::Clock::System.now()).map(drop)
}

/// One adapter from the base on self-edits of every format about all documents, none of them tried or judged.
pub(crate) fn joint(
    lab: &Lab<'_>,
    documents: &[Document],
    rate: f64,
    options: &ConsolidateOptions,
) -> Result<Point> {
    let mut curriculum = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        for passage in &document.passages {
            let text = RowText::Text(format!("{}\n{passage}", document.title));
            curriculum.push(rows::row(&lab.session, &text)?);
        }
        for &format in Format::ALL {
            for (_, row) in lab.edit(document, format, number as u64)? {
                curriculum.push(rows::row(&lab.session, &row)?);
            }
        }
    }
    curriculum.retain(rows::has_target);
    let done =
        consolidate::retrain(&lab.session, &curriculum, &lab.rehearsal, rate, options, "joint", &mut |_| {})?;
    let found = point(lab, documents, Some(&done.adapter))?;
    eprintln!("{} documents jointly, {} rows, {} steps", documents.len(), curriculum.len(), done.steps);
    Ok(Point { accepted: documents.len(), tokens: done.tokens, seconds: done.seconds, ..found })
}

fn point(lab: &Lab<'_>, documents: &[Document], adapter: Option<&Adapter>) -> Result<Point> {
    let mut right = Vec::new();
    for document in documents {
        let answered = lab.held_out(document, adapter)?;
        let share = answered.iter().filter(|a| a.grade.right).count() as f64 / answered.len().max(1) as f64;
        right.push(share);
    }
    Ok(Point {
        documents: documents.len(),
        accepted: 0,
        right,
        drift: lab.rehearsal.drift(&lab.session, adapter)?,
        lost: lab.lost(adapter)?,
        known: lab.known.len(),
        tokens: 0,
        seconds: 0.0,
        slept: 0,
        swapped: 0,
    })
}
