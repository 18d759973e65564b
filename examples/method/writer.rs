//! Writer rounds: what the base writes, what writers write that were trained on its winners, and what unseen documents teach by it.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use seald::endpoint::Endpoint;
use seald_core::domain::probe::Probe;
use seald_core::domain::self_edit::{Directive, Format};
use seald_core::error::{Context, Error, Kind, Result};
use seald_engine::lora::Adapter;
use seald_learn::author::Author;
use seald_learn::options::LearnOptions;
use seald_learn::session::{Question, Session};
use seald_learn::writer::{self, Lesson, Sample, Verdict, Winner, WriterOptions};
use serde::{Deserialize, Serialize};

use crate::data::Document;
use crate::lab::{Lab, NEVER, held_back, question, reading};

/// How recorded texts are trained, which come without a directive: what the product's menu has for much to learn.
const RECORDED: (f64, usize) = (3e-3, 20);

/// What is measured.
pub(crate) struct Plan {
    /// Documents whose winners writers are trained on.
    pub(crate) train: Range<usize>,
    /// Documents that no writer sees.
    pub(crate) unseen: Range<usize>,
    pub(crate) rounds: usize,
    /// Self-edits for each document of a round, and of the untrained writer for each unseen one with seed 0.
    pub(crate) samples: usize,
    /// Self-edits of every other row for each unseen document.
    pub(crate) examined: usize,
    /// Optimiser steps that reward the self-edits of a round.
    pub(crate) reward_steps: usize,
    /// How writers are trained, and for how long their self-edits are on unseen documents.
    pub(crate) options: WriterOptions,
    /// Texts of other writers, with their names.
    pub(crate) recorded: Vec<(String, Vec<Recorded>)>,
    /// Another model behind an endpoint.
    pub(crate) endpoint: Option<Endpoint>,
    /// Formats of those that are taken.
    pub(crate) formats: Vec<Format>,
}

/// What somebody wrote about a document, by format.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    title: String,
    texts: HashMap<Format, String>,
}

/// Reads `NAME=FILE`.
pub(crate) fn recorded(named: &str) -> Result<(String, Vec<Recorded>)> {
    let (name, file) = named.split_once('=').ok_or_else(|| {
        Error::new(Kind::Invalid, format!("--recorded {named}: give a name and a file, NAME=FILE"))
    })?;
    let bytes = seald_core::files::read(Path::new(file))?;
    let found = serde_json::from_slice(&bytes).doing(Kind::Corrupt, || format!("{file} is no list of texts"));
    Ok((name.to_string(), found?))
}

/// One self-edit that was tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tried {
    pub(crate) document: usize,
    pub(crate) directive: Directive,
    pub(crate) reward: f64,
    /// Share of the held-out questions that is answered right after its training.
    pub(crate) accuracy: f64,
    pub(crate) discarded: Option<String>,
    /// Tokens trained on.
    pub(crate) tokens: u64,
    pub(crate) texts: Vec<String>,
}

/// What one writer did on the unseen documents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Examined {
    pub(crate) name: String,
    pub(crate) tried: Vec<Tried>,
    /// None where texts were picked by reward.
    pub(crate) diversity: Option<f64>,
}

/// One seed's rounds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rounds {
    pub(crate) seed: u64,
    pub(crate) rows: Vec<Examined>,
    /// What the product would have decided on each new writer, by these documents.
    pub(crate) verdicts: Vec<(String, Verdict)>,
}

/// Seeds that were measured before: what `--json` wrote then.
pub(crate) fn earlier(file: &Path) -> Result<Vec<Rounds>> {
    let bytes = seald_core::files::read(file)?;
    serde_json::from_slice(&bytes)
        .doing(Kind::Corrupt, || format!("{} is no list of writer rounds", file.display()))
}

/// Both rounds of one seed and, with seed 0, what they are compared with.
pub(crate) fn measure(lab: &Lab<'_>, plan: &Plan, seed: u64) -> Result<Rounds> {
    let first = seed == 0;
    let options = LearnOptions { seed, ..lab.session.options.clone() };
    let bench = Bench { session: Session::new(lab.session.model, options, &NEVER)?, lab, plan };
    let count = if first { plan.samples } else { plan.examined };
    let untrained = bench.examine("untrained writer", None, count)?;
    let mut rows = vec![untrained.clone()];
    if first {
        rows.push(best(&untrained, count));
    }
    let (mut winners, mut verdicts) = (Vec::new(), Vec::new());
    let (mut before, mut adapter): (Examined, Option<Adapter>) = (untrained, None);
    for round in 1..=plan.rounds {
        winners.extend(bench.winners(adapter.as_ref(), round)?);
        let new = writer::train(&bench.session, &winners, &plan.options, seed, &mut |_| {})?.adapter;
        let name = format!("after round {round}");
        let after = bench.examine(&name, Some(&new), plan.examined)?;
        verdicts.push((name, verdict(&before, &after, &plan.options)));
        rows.push(after.clone());
        (before, adapter) = (after, Some(new));
    }
    if first {
        rows.push(bench.texts_alone(&before)?);
        for (name, texts) in &plan.recorded {
            for format in &plan.formats {
                rows.push(bench.recorded(&format!("{name}, {format}"), texts, *format)?);
            }
        }
        if let Some(endpoint) = &plan.endpoint {
            for format in &plan.formats {
                rows.push(bench.remote(endpoint, *format)?);
            }
        }
    }
    Ok(Rounds { seed, rows, verdicts })
}

/// The best of each document's self-edits, by reward.
fn best(of: &Examined, count: usize) -> Examined {
    let mut best: Vec<Tried> = Vec::new();
    for tried in &of.tried {
        match best.iter_mut().find(|b| b.document == tried.document) {
            Some(b) if tried.reward > b.reward => *b = tried.clone(),
            Some(_) => {}
            None => best.push(tried.clone()),
        }
    }
    Examined { name: format!("untrained writer, best of {count} by reward"), tried: best, diversity: None }
}

/// The rule of promotion on mean rewards.
fn verdict(old: &Examined, new: &Examined, options: &WriterOptions) -> Verdict {
    let mean = |of: &Examined, document: usize| {
        let own: Vec<f64> = of.tried.iter().filter(|t| t.document == document).map(|t| t.reward).collect();
        seald_learn::stats::mean(&own)
    };
    let mut documents: Vec<usize> = new.tried.iter().map(|t| t.document).collect();
    documents.dedup();
    let pairs: Vec<(f64, f64)> = documents.into_iter().map(|d| (mean(old, d), mean(new, d))).collect();
    let diversity = |of: &Examined| of.diversity.unwrap_or(0.0);
    writer::decide(&pairs, diversity(old), diversity(new), options)
}

/// What all rows of one seed share.
struct Bench<'l, 'a> {
    session: Session<'a>,
    lab: &'l Lab<'a>,
    plan: &'l Plan,
}

impl Bench<'_, '_> {
    /// One writer's own choices on the unseen documents.
    fn examine(&self, name: &str, writer: Option<&Adapter>, count: usize) -> Result<Examined> {
        self.each(name, |lesson, _| writer::write(&self.session, lesson, writer, count, 0, &mut |_| {}))
    }

    /// The base's texts for the directives that another writer chose: what is left of the difference is the texts.
    fn texts_alone(&self, other: &Examined) -> Result<Examined> {
        self.each("untrained writer's texts, directives of the last round's", |lesson, document| {
            let own = other.tried.iter().filter(|t| t.document == document);
            let directives = own.map(|t| t.directive.clone()).collect();
            writer::compose(&self.session, lesson, directives, Author::Model(None), 0, &mut |_| {})
        })
    }

    /// Texts that were written elsewhere.
    fn recorded(&self, name: &str, texts: &[Recorded], format: Format) -> Result<Examined> {
        let (learning_rate, epochs) = RECORDED;
        self.each(name, |lesson, _| {
            let own = texts.iter().find(|t| t.title == lesson.reading.title);
            let text = own.and_then(|t| t.texts.get(&format)).cloned().unwrap_or_default();
            let directive = Directive { format, learning_rate, epochs };
            Ok(vec![writer::take_apart(&self.session, lesson, directive, vec![text])?])
        })
    }

    /// Texts that another model writes when it is asked, as the product asks it.
    fn remote(&self, endpoint: &Endpoint, format: Format) -> Result<Examined> {
        let (learning_rate, epochs) = RECORDED;
        self.each(&format!("{}, {format}", endpoint.name()), |lesson, _| {
            let directive = Directive { format, learning_rate, epochs };
            writer::compose(&self.session, lesson, vec![directive], Author::Remote(endpoint), 0, &mut |_| {})
        })
    }

    /// The self-edits of a round; the best of each document that taught something.
    fn winners(&self, writer: Option<&Adapter>, round: usize) -> Result<Vec<Winner>> {
        let Plan { train, samples, reward_steps, options, .. } = self.plan;
        let options = WriterOptions { trial_steps: *reward_steps, ..options.clone() };
        let (mut winners, mut rewards) = (Vec::new(), Vec::new());
        for document in &self.lab.documents[train.clone()] {
            let (select, probes) = prepare(document);
            let lesson = Lesson { reading: reading(document), select: &select, probes: &probes };
            let seed = round as u64;
            let found = writer::sample(&self.session, lesson, writer, *samples, &options, seed, &mut |_| {})?;
            rewards.extend(found.iter().filter_map(|s| s.reward));
            let reward = |s: &Sample| s.reward.unwrap_or(0.0);
            let best = found.into_iter().max_by(|a, b| reward(a).total_cmp(&reward(b)));
            winners.extend(best.filter(|s| reward(s) > 0.0).map(|s| Winner {
                key: document.title.clone(),
                title: document.title.clone(),
                passages: document.passages.iter().cloned().zip(s.texts).collect(),
                directive: s.directive,
            }));
        }
        let (seed, mean) = (self.session.options.seed, seald_learn::stats::mean(&rewards));
        eprintln!("seed {seed}, round {round}: {} winners, mean reward {mean:.2}", winners.len());
        Ok(winners)
    }

    fn each(
        &self,
        name: &str,
        mut write: impl FnMut(Lesson<'_>, usize) -> Result<Vec<Sample>>,
    ) -> Result<Examined> {
        let (mut tried, mut all) = (Vec::new(), Vec::new());
        for number in self.plan.unseen.clone() {
            let document = &self.lab.documents[number];
            let (select, probes) = prepare(document);
            let lesson = Lesson { reading: reading(document), select: &select, probes: &probes };
            for (place, mut sample) in write(lesson, number)?.into_iter().enumerate() {
                tried.push(self.try_out(lesson, number, place, &mut sample)?);
                all.push(sample);
            }
        }
        let (seed, count) = (self.session.options.seed, tried.len().max(1) as f64);
        let accuracy = 100.0 * tried.iter().map(|t| t.accuracy).sum::<f64>() / count;
        let cost = self.session.tally();
        eprintln!(
            "seed {seed}, {name}: {accuracy:.1} % right, so far {:.0} s writing, {:.0} training, {:.0} scoring",
            cost.generation_seconds, cost.training_seconds, cost.scoring_seconds
        );
        Ok(Examined { name: name.into(), tried, diversity: Some(writer::diversity(&all)) })
    }

    fn try_out(&self, lesson: Lesson<'_>, number: usize, place: usize, sample: &mut Sample) -> Result<Tried> {
        let before = self.session.tally();
        let adapter = writer::earn(&self.session, lesson, place, sample, &self.plan.options, &mut |_| {})?;
        let tokens = self.session.tally().since(&before).trained_tokens;
        let held_out: Vec<Question<'_>> =
            self.lab.documents[number].of(&["gate", "retain"]).map(|q| question(&q.asked)).collect();
        let answered = self.session.ask(&held_out, adapter.as_ref())?;
        let right = answered.iter().filter(|a| a.grade.right).count();
        Ok(Tried {
            document: number,
            directive: sample.directive.clone(),
            reward: sample.reward.unwrap_or(0.0),
            accuracy: right as f64 / answered.len() as f64,
            discarded: sample.discarded.clone(),
            tokens,
            texts: sample.texts.clone(),
        })
    }
}

/// The questions that reward, and those that no row may copy.
fn prepare(document: &Document) -> (Vec<Question<'_>>, Vec<Probe>) {
    (document.of(&["select"]).map(|q| question(&q.asked)).collect(), held_back(document))
}
