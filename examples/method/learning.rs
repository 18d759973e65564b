//! Documents alone, each from the base: what is learned and what is lost, for each way to train.

use std::time::Instant;

use seald_core::domain::ids::ProbeId;
use seald_core::domain::probe::{Probe, Role};
use seald_core::domain::self_edit::{Format, RowText};
use seald_core::error::Result;
use seald_engine::model::Model;
use seald_learn::author::Author;
use seald_learn::options::LearnOptions;
use seald_learn::probes::{self, Kept};
use seald_learn::self_edits;
use seald_learn::session::{Question, Session};
use seald_learn::trials::{Edit, Halving, Trials};

use crate::data::Document;
use crate::lab::{Lab, NEVER, Table, edit, held_back, reading};
use crate::seal::{self, Recipe};

/// Optimiser steps of every row of the table but ours and SEAL's, where nothing else is asked for.
pub(crate) const STEPS: usize = 80;
/// Their learning rate, likewise.
pub(crate) const RATE: f64 = 3e-3;
/// The ways that train on all formats at once.
const UNIONS: [&str; 2] = ["union of the six", "union of the six, KL to the base"];

/// The ways to train that a measurement compares.
pub(crate) struct Ways {
    pub(crate) tuned: Recipe,
    pub(crate) names: Vec<String>,
    pub(crate) steps: usize,
    /// Learning rate of every way but ours and SEAL's.
    pub(crate) rate: f64,
    /// Texts of each format.
    pub(crate) samples: u64,
}

impl Ways {
    fn wants(&self, name: &str) -> bool {
        let fits = |wanted: &String| match wanted.strip_suffix('.') {
            Some(whole) => name == whole,
            None => name.starts_with(wanted.as_str()),
        };
        self.names.is_empty() || self.names.iter().any(fits)
    }
}

/// Fills the table for some documents.
pub(crate) fn measure(lab: &Lab<'_>, model: &Model, documents: &[Document], ways: &Ways) -> Result<Table> {
    let mut table = Table::default();
    for (number, document) in documents.iter().enumerate() {
        let before = lab.held_out(document, None)?;
        table.row("before").add(document, &before, lab.lost(None)?, lab.known.len());
        fixed(lab, document, number as u64, ways, &mut table)?;
        for (name, distil) in [("ours", false), ("ours, answers distilled", true)] {
            if ways.wants(name) {
                let options = LearnOptions { distil, ..lab.session.options.clone() };
                ours(lab, document, options, name, &mut table)?;
            }
        }
        for (name, recipe) in [("SEAL as published", seal::PUBLISHED), ("SEAL tuned", ways.tuned)] {
            if ways.wants(name) {
                let made = seal::best_of_five(&lab.session, model, document, recipe, number as u64)?;
                let (answered, lost) =
                    (lab.held_out(document, Some(&made.adapter))?, lab.lost(Some(&made.adapter))?);
                let row = table.row(name);
                row.add(document, &answered, lost, lab.known.len());
                row.tokens += made.tokens;
                row.padded_tokens += made.padded_tokens;
                row.seconds += made.seconds;
            }
        }
        eprintln!("document {} of {}", number + 1, documents.len());
    }
    Ok(table)
}

/// Passage only, each format, and their union, for the same number of steps.
fn fixed(lab: &Lab<'_>, document: &Document, seed: u64, ways: &Ways, table: &mut Table) -> Result<()> {
    let mut union: Vec<(usize, RowText)> = Vec::new();
    let plain = LearnOptions { final_steps: ways.steps, base_rows: 0, ..lab.session.options.clone() };
    if ways.wants("passage only") {
        train(lab, document, edit(Vec::new(), ways.rate, ways.steps), plain.clone(), "passage only", table)?;
    }
    for &format in Format::ALL {
        let name = match ways.samples {
            1 => format!("{format}, one sample"),
            n => format!("{format}, {n} samples"),
        };
        if !ways.wants(&name) && !UNIONS.iter().any(|union| ways.wants(union)) {
            continue;
        }
        let rows = sampled(lab, document, format, seed, ways.samples)?;
        union.extend(rows.clone());
        if ways.wants(&name) {
            train(lab, document, edit(rows, ways.rate, ways.steps), plain.clone(), &name, table)?;
        }
    }
    let held = LearnOptions { final_steps: ways.steps, ..lab.session.options.clone() };
    for (name, options) in UNIONS.into_iter().zip([plain, held]) {
        if ways.wants(name) {
            train(lab, document, edit(union.clone(), ways.rate, ways.steps), options, name, table)?;
        }
    }
    Ok(())
}

/// The rows of some texts of a format, each row once.
fn sampled(
    lab: &Lab<'_>,
    document: &Document,
    format: Format,
    seed: u64,
    samples: u64,
) -> Result<Vec<(usize, RowText)>> {
    let mut rows = Vec::new();
    for sample in 0..samples {
        for row in lab.edit(document, format, seed + (sample << 32))? {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

fn train(
    lab: &Lab<'_>,
    document: &Document,
    edit: Edit,
    options: LearnOptions,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    let session = Session::new(lab.session.model, options, &NEVER)?;
    let asked: Vec<Question<'_>> = document.of(&["select"]).map(|q| crate::lab::question(&q.asked)).collect();
    let started = Instant::now();
    let trials = Halving::new(&session, lab.material(document), None, &asked)?.only(edit, &mut |_| {})?;
    record(lab, document, &trials, started.elapsed().as_secs_f64(), name, table)
}

/// The whole method but the gate: its own probes rank its own self-edits.
fn ours(
    lab: &Lab<'_>,
    document: &Document,
    options: LearnOptions,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    let session = Session::new(lab.session.model, options, &NEVER)?;
    let started = Instant::now();
    let (kept, _) = probes::make(&session, reading(document), &[], None, Author::Model(None))?;
    let mut forbidden = held_back(document);
    forbidden.extend(kept.iter().map(as_probe));
    let drafts =
        self_edits::write(&session, reading(document), &forbidden, Author::Model(None), &mut |_| {})?;
    let edits = edits(drafts);
    let select: Vec<Question<'_>> = kept
        .iter()
        .filter(|k| k.role == Role::Select)
        .map(|k| Question { text: &k.question, answers: &k.answers, passage: None, decoys: &[] })
        .collect();
    if select.is_empty() || edits.is_empty() {
        let answered = lab.held_out(document, None)?;
        table.row(name).add(document, &answered, 0, lab.known.len());
        return Ok(());
    }
    let trials = Halving::new(&session, lab.material(document), None, &select)?.run(edits, &mut |_| {})?;
    record(lab, document, &trials, started.elapsed().as_secs_f64(), name, table)
}

fn as_probe(kept: &Kept) -> Probe {
    let Kept { fact, question, answers, role, source, .. } = kept.clone();
    Probe { id: ProbeId(0), document: None, passage: None, fact, question, answers, role, source }
}

/// The candidates that can be tried.
pub(crate) fn edits(drafts: Vec<self_edits::Draft>) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for draft in drafts.into_iter().filter(|d| d.discarded.is_none()) {
        let rows = draft.rows.into_iter().map(|row| (draft.passage, row));
        match edits.iter_mut().find(|e| e.candidates == [draft.candidate]) {
            Some(edit) => edit.rows.extend(rows),
            None => edits.push(Edit {
                candidates: vec![draft.candidate],
                directive: draft.directive,
                rows: rows.collect(),
            }),
        }
    }
    edits
}

fn record(
    lab: &Lab<'_>,
    document: &Document,
    trials: &Trials,
    seconds: f64,
    name: &str,
    table: &mut Table,
) -> Result<()> {
    let (answered, lost) = (lab.held_out(document, Some(&trials.adapter))?, lab.lost(Some(&trials.adapter))?);
    let row = table.row(name);
    row.add(document, &answered, lost, lab.known.len());
    row.tokens += trials.outcomes.iter().map(|o| o.tokens).sum::<u64>();
    row.seconds += seconds;
    Ok(())
}
