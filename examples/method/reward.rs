//! How much of a score is the self-edit's and how much is luck: every candidate is trained twice, with seeds that have nothing in common.

use seald::domain::probe::Role;
use seald::domain::self_edit::Format;
use seald::error::Result;
use seald::learn::options::LearnOptions;
use seald::learn::probes;
use seald::learn::session::{Question, Session};
use seald::learn::trials::Halving;

use crate::data::Document;
use crate::lab::{Lab, NEVER, edit, question, reading};

/// Scores of one candidate in two trainings.
pub(crate) struct Twice {
    pub(crate) document: usize,
    /// Mean gain of log p(answer) over the select probes, nats.
    pub(crate) gain: (f64, f64),
    /// Share of five questions answered right.
    pub(crate) accuracy: (f64, f64),
}

/// Trains one self-edit of each format of every document twice, as trials do before they are ranked.
pub(crate) fn measure(lab: &Lab<'_>, documents: &[Document], steps: Option<usize>) -> Result<Vec<Twice>> {
    let own = &lab.session.options;
    let steps = steps.or(own.rung_steps.last().copied()).unwrap_or(1);
    let (rows_in_step, rehearsal_rows, base_rows) = (own.trial_rows, 0, 0);
    let trial = LearnOptions { final_steps: steps, rows_in_step, rehearsal_rows, base_rows, ..own.clone() };
    let mut found = Vec::new();
    for (number, document) in documents.iter().enumerate() {
        let (kept, _) = probes::make(&lab.session, reading(document), &[], None)?;
        let select: Vec<Question<'_>> = kept
            .iter()
            .filter(|k| k.role == Role::Select)
            .map(|k| Question { text: &k.question, answers: &k.answers, passage: None })
            .collect();
        let five: Vec<Question<'_>> = document.of(&["gate"]).take(5).map(|q| question(&q.asked)).collect();
        if select.is_empty() {
            continue;
        }
        for &format in Format::ALL {
            let rows = lab.edit(document, format, number as u64)?;
            let mut scores = Vec::new();
            for seed in [101, 202] {
                let options = LearnOptions { seed, ..trial.clone() };
                let session = Session::new(lab.session.model, options, &NEVER)?;
                let halving = Halving::new(&session, lab.material(document), None, &select)?;
                let trials = halving.only(edit(rows.clone(), 3e-3, steps), &mut |_| {})?;
                let answered = session.ask(&five, Some(&trials.adapter))?;
                let right = answered.iter().filter(|a| a.grade.right).count() as f64;
                scores.push((trials.outcomes[0].gain, right / five.len() as f64));
            }
            let (gain, accuracy) = ((scores[0].0, scores[1].0), (scores[0].1, scores[1].1));
            found.push(Twice { document: number, gain, accuracy });
        }
        eprintln!("document {} of {}", number + 1, documents.len());
    }
    Ok(found)
}

/// Pairs of scores less their document's mean: what is left is what tells candidates of one document apart.
pub(crate) fn within(twice: &[Twice], score: impl Fn(&Twice) -> (f64, f64)) -> Vec<(f64, f64)> {
    let centre = |document: usize| {
        let own: Vec<(f64, f64)> = twice.iter().filter(|t| t.document == document).map(&score).collect();
        let n = own.len() as f64;
        (own.iter().map(|p| p.0).sum::<f64>() / n, own.iter().map(|p| p.1).sum::<f64>() / n)
    };
    let less = |t: &Twice| {
        let (one, other) = score(t);
        let (a, b) = centre(t.document);
        (one - a, other - b)
    };
    twice.iter().map(less).collect()
}
