//! How much of a score is the self-edit's and how much is luck: every candidate is trained twice, with seeds that have nothing in common. And how well
//! it foretells what the whole training of that candidate gives.

use seald_core::domain::probe::Role;
use seald_core::domain::self_edit::{Format, RowText};
use seald_core::error::Result;
use seald_learn::author::Author;
use seald_learn::options::LearnOptions;
use seald_learn::probes;
use seald_learn::session::{Question, Session};
use seald_learn::trials::{Halving, Trials};
use serde::Serialize;

use crate::data::Document;
use crate::lab::{Lab, NEVER, edit, question, reading};
use crate::learning::{RATE, STEPS};

/// Scores of one candidate in two short trainings and a whole one.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scored {
    pub(crate) document: usize,
    pub(crate) format: Format,
    /// Mean gain of log p(answer) over the select probes, nats.
    pub(crate) gain: (f64, f64),
    /// Share of five questions answered right.
    pub(crate) accuracy: (f64, f64),
    /// The gain after the whole training, nats.
    pub(crate) whole_gain: f64,
    /// Share of the held-out questions (gate and retain wordings) answered right after it.
    pub(crate) whole_accuracy: f64,
}

/// Trains one self-edit of each format of every document: twice as trials do before they are ranked, once as the learning table does.
pub(crate) fn measure(lab: &Lab<'_>, documents: &[Document], steps: Option<usize>) -> Result<Vec<Scored>> {
    let own = &lab.session.options;
    let steps = steps.or(own.rung_steps.last().copied()).unwrap_or(1);
    let (rows_in_step, rehearsal_rows, base_rows) = (own.trial_rows, 0, 0);
    let short = LearnOptions { final_steps: steps, rows_in_step, rehearsal_rows, base_rows, ..own.clone() };
    let mut found = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let (kept, _) = probes::make(&lab.session, reading(document), &[], None, Author::Model(None))?;
        let select: Vec<Question<'_>> = kept
            .iter()
            .filter(|k| k.role == Role::Select)
            .map(|k| Question { text: &k.question, answers: &k.answers, passage: None, decoys: &[] })
            .collect();
        let five: Vec<Question<'_>> = document.of(&["gate"]).take(5).map(|q| question(&q.asked)).collect();
        if select.is_empty() {
            continue;
        }
        for &format in Format::ALL {
            let rows = lab.edit(document, format, number as u64)?;
            let mut scores = Vec::new();
            for seed in [101, 202] {
                let options = LearnOptions { seed, ..short.clone() };
                let trials = train(lab, document, &select, &rows, options)?;
                scores.push((trials.outcomes[0].gain, right(lab, &five, &trials)?));
            }
            let whole = LearnOptions { final_steps: STEPS, seed: 303, ..own.clone() };
            let whole = train(lab, document, &select, &rows, whole)?;
            let asked: Vec<Question<'_>> =
                document.of(&["gate", "retain"]).map(|q| question(&q.asked)).collect();
            found.push(Scored {
                document: number,
                format,
                gain: (scores[0].0, scores[1].0),
                accuracy: (scores[0].1, scores[1].1),
                whole_gain: whole.outcomes[0].gain,
                whole_accuracy: right(lab, &asked, &whole)?,
            });
        }
        eprintln!("document {} of {}", number + 1, documents.len());
    }
    Ok(found)
}

/// One training from the base, to the end that its options name.
fn train(
    lab: &Lab<'_>,
    document: &Document,
    select: &[Question<'_>],
    rows: &[(usize, RowText)],
    options: LearnOptions,
) -> Result<Trials> {
    let steps = options.final_steps;
    let session = Session::new(lab.session.model, options, &NEVER)?;
    let halving = Halving::new(&session, lab.material(document), None, select)?;
    halving.only(edit(rows.to_vec(), RATE, steps), &mut |_| {})
}

/// Share of the questions that a training's adapter answers right.
fn right(lab: &Lab<'_>, asked: &[Question<'_>], trials: &Trials) -> Result<f64> {
    let answered = lab.session.ask(asked, Some(&trials.adapter))?;
    Ok(answered.iter().filter(|a| a.grade.right).count() as f64 / answered.len() as f64)
}

/// Pairs of scores less their document's mean: what is left is what tells candidates of one document apart.
pub(crate) fn within(scored: &[Scored], score: impl Fn(&Scored) -> (f64, f64)) -> Vec<(f64, f64)> {
    let centre = |document: usize| {
        let own: Vec<(f64, f64)> = scored.iter().filter(|t| t.document == document).map(&score).collect();
        let n = own.len() as f64;
        (own.iter().map(|p| p.0).sum::<f64>() / n, own.iter().map(|p| p.1).sum::<f64>() / n)
    };
    let less = |t: &Scored| {
        let (one, other) = score(t);
        let (a, b) = centre(t.document);
        (one - a, other - b)
    };
    scored.iter().map(less).collect()
}

/// What choosing by the first short training is worth: a document's accuracy after the whole training of the candidate that it ranks first, of all on
/// average, and of the best one, which nobody knows beforehand.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Choice {
    pub(crate) chosen: f64,
    pub(crate) average: f64,
    pub(crate) best: f64,
}

/// One for each document.
pub(crate) fn choices(scored: &[Scored]) -> Vec<Choice> {
    let of_one = |own: &[Scored]| {
        let whole = |t: &Scored| t.whole_accuracy;
        let chosen = own.iter().max_by(|a, b| a.gain.0.total_cmp(&b.gain.0)).map_or(f64::NAN, whole);
        let average = own.iter().map(whole).sum::<f64>() / own.len() as f64;
        Choice { chosen, average, best: own.iter().map(whole).fold(f64::NAN, f64::max) }
    };
    scored.chunk_by(|a, b| a.document == b.document).map(of_one).collect()
}
