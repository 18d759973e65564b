//! What all measurements share: the model, its rehearsal rows, asking, and what counts as right.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use seald_core::domain::ids::ProbeId;
use seald_core::domain::probe::{Probe, ProbeSource, Role};
use seald_core::domain::self_edit::{Directive, Format, RowText};
use seald_core::error::Result;
use seald_engine::lora::Adapter;
use seald_engine::model::Model;
use seald_learn::author::Author;
use seald_learn::options::LearnOptions;
use seald_learn::probes::Reading;
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::self_edits;
use seald_learn::session::{Answered, Question, Session};
use seald_learn::trials::{Edit, Material};

use crate::data::{self, Asked, Document, DocumentQuestion};

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// The model and what it knows.
pub(crate) struct Lab<'a> {
    pub(crate) session: Session<'a>,
    pub(crate) rehearsal: Rehearsal,
    pub(crate) documents: Vec<Document>,
    /// Questions that the base answers right without any document.
    pub(crate) known: Vec<Asked>,
}

impl<'a> Lab<'a> {
    /// Reads the sets and finds out what the base knows.
    pub(crate) fn open(model: &'a Model, eval: &Path, options: LearnOptions) -> Result<Self> {
        let session = Session::new(model, options, &NEVER)?;
        let rehearsal = Rehearsal::new(&session, &rehearsal::draw(&session)?)?;
        let documents = data::documents(&eval.join("bulletins-200.json"))?;
        let memory = data::memory(&eval.join("memory-400.json"))?;
        let right = session.ask(&memory.iter().map(question).collect::<Vec<_>>(), None)?;
        let asked = memory.len();
        let known: Vec<Asked> =
            memory.into_iter().zip(right).filter(|(_, r)| r.grade.right).map(|(m, _)| m).take(100).collect();
        eprintln!(
            "the base answers {} of {asked} questions about its own world (100 at most are asked again)",
            known.len()
        );
        Ok(Self { session, rehearsal, documents, known })
    }

    /// What trials of a document need.
    pub(crate) fn material<'m>(&'m self, document: &'m Document) -> Material<'m> {
        Material {
            key: &document.title,
            title: &document.title,
            passages: &document.passages,
            curriculum: &[],
            rehearsal: &self.rehearsal,
        }
    }

    /// Self-edits of one candidate: one text for each passage, with what the probes' filter leaves of it.
    pub(crate) fn edit(
        &self,
        document: &Document,
        format: Format,
        seed: u64,
    ) -> Result<Vec<(usize, RowText)>> {
        let reading = reading(document);
        let directive = Directive { format, learning_rate: 1e-3, epochs: 1 };
        let probes = held_back(document);
        let written = self_edits::each_format(&self.session, reading, &[format], seed, Author::Model(None))?;
        let mut rows = Vec::new();
        for (passage, text) in written.into_iter().flatten().enumerate() {
            let draft = self_edits::draft(&self.session, reading, (0, passage), &directive, text, &probes)?;
            rows.extend(draft.rows.into_iter().map(|row| (passage, row)));
        }
        Ok(rows)
    }

    /// Answers of an adapter to a document's held-out questions (gate and retain wordings).
    pub(crate) fn held_out(&self, document: &Document, adapter: Option<&Adapter>) -> Result<Vec<Answered>> {
        let asked: Vec<Question<'_>> = document.of(&HELD_OUT).map(|q| question(&q.asked)).collect();
        self.session.ask(&asked, adapter)
    }

    /// How many of the things that the base knew are lost.
    pub(crate) fn lost(&self, adapter: Option<&Adapter>) -> Result<usize> {
        let asked: Vec<Question<'_>> = self.known.iter().map(question).collect();
        Ok(self.session.ask(&asked, adapter)?.iter().filter(|a| !a.grade.right).count())
    }
}

/// As the method reads it.
pub(crate) fn reading(document: &Document) -> Reading<'_> {
    Reading { key: &document.title, title: &document.title, passages: &document.passages }
}

/// Without a passage.
pub(crate) fn question(asked: &Asked) -> Question<'_> {
    Question { text: &asked.question, answers: &asked.answers, passage: None, decoys: &[] }
}

/// The questions that no training row may copy.
pub(crate) fn held_back(document: &Document) -> Vec<Probe> {
    let probe = |q: &DocumentQuestion| Probe {
        id: ProbeId(0),
        document: None,
        passage: None,
        fact: q.fact,
        question: q.asked.question.clone(),
        answers: q.asked.answers.clone(),
        role: Role::Gate,
        source: ProbeSource::Supplied,
    };
    document.questions.iter().map(probe).collect()
}

/// An edit of some candidates.
pub(crate) fn edit(rows: Vec<(usize, RowText)>, learning_rate: f64, epochs: usize) -> Edit {
    let directive = Directive { format: Format::Implications, learning_rate, epochs };
    Edit { candidates: vec![0], directive, rows }
}

/// The roles of the questions that nothing trains on or picks by.
const HELD_OUT: [&str; 2] = ["gate", "retain"];

/// A held-out question with another answer than the accepted ones.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Missed {
    document: String,
    role: String,
    question: String,
    answers: Vec<String>,
    said: String,
}

/// A table's columns that add up over documents.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub(crate) struct Row {
    pub(crate) documents: usize,
    pub(crate) asked: usize,
    pub(crate) right: usize,
    pub(crate) by_document: Vec<f64>,
    pub(crate) lost: usize,
    pub(crate) known: usize,
    pub(crate) tokens: u64,
    pub(crate) padded_tokens: u64,
    pub(crate) seconds: f64,
    pub(crate) missed: Vec<Missed>,
}

impl Row {
    /// Adds one document's answers to its held-out questions.
    pub(crate) fn add(&mut self, document: &Document, answered: &[Answered], lost: usize, known: usize) {
        let right = answered.iter().filter(|a| a.grade.right).count();
        self.documents += 1;
        self.asked += answered.len();
        self.right += right;
        self.by_document.push(right as f64 / answered.len() as f64);
        self.lost += lost;
        self.known += known;
        for (q, a) in document.of(&HELD_OUT).zip(answered).filter(|(_, a)| !a.grade.right) {
            self.missed.push(Missed {
                document: document.title.clone(),
                role: q.role.clone(),
                question: q.asked.question.clone(),
                answers: q.asked.answers.clone(),
                said: a.text.clone(),
            });
        }
    }
}

/// Rows by name, in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Table {
    names: Vec<String>,
    rows: HashMap<String, Row>,
}

impl Table {
    /// The row of that name.
    pub(crate) fn row(&mut self, name: &str) -> &mut Row {
        if !self.rows.contains_key(name) {
            self.names.push(name.to_string());
        }
        self.rows.entry(name.to_string()).or_default()
    }

    /// All rows, in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.names.iter().map(|name| (name.as_str(), &self.rows[name]))
    }
}
