//! Which questions point to their answer: what is kept of an exam.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{Asked, content, decoys};
use crate::probes::Reading;
use crate::session::{Question, Session};
use seald_core::error::Result;

/// Asked of every passage for comparison: it points to no answer.
const ANY_QUESTION: &str = "What does the text say?";

/// How likely the answers of a passage are after each question about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The answers that are asked about, each once.
    pub answers: Vec<String>,
    /// `ln p(answer | passage, question)`, nats: a row for each question in its order and one for a question about anything, a column for each
    /// answer.
    pub log_probs: Vec<Vec<f64>>,
}

/// The questions that point to their answer ([`choose`] from [`tables`]) and that the base, with the passage in sight, answers with it; at most `each` for
/// one answer, the surest first.
///
/// # Errors
/// From the engine.
pub fn supported(
    session: &Session<'_>,
    document: Reading<'_>,
    asked: Vec<Asked>,
    each: usize,
) -> Result<Vec<Asked>> {
    let tables = tables(session, document, &asked)?;
    // Some will not be answered right.
    let mut found = choose(&asked, &tables, 2 * each);
    found = agreed(session, document, found)?;
    at_most(&mut found, each);
    Ok(found.into_iter().map(|(one, _)| one).collect())
}

/// Those that the base answers right with the passage in sight: the round trip.
fn agreed(
    session: &Session<'_>,
    document: Reading<'_>,
    chosen: Vec<(Asked, f64)>,
) -> Result<Vec<(Asked, f64)>> {
    let answers: Vec<[String; 1]> = chosen.iter().map(|(one, _)| [one.span.text.clone()]).collect();
    let passage = |one: &Asked| document.passages[one.passage].as_str();
    let rivals: Vec<Vec<String>> = chosen
        .iter()
        .zip(&answers)
        .map(|((one, _), answers)| decoys(&one.question, answers, passage(one)))
        .collect();
    let questions: Vec<Question<'_>> = chosen
        .iter()
        .zip(&answers)
        .zip(&rivals)
        .map(|(((one, _), answers), decoys)| {
            let passage = Some((document.title, passage(one)));
            Question { text: &one.question, answers, passage, decoys }
        })
        .collect();
    let answered = session.ask(&questions, None)?;
    let right = chosen.into_iter().zip(answered).filter(|(_, answered)| answered.grade.right);
    Ok(right.map(|(one, _)| one).collect())
}

/// The table of each passage.
///
/// # Errors
/// From the engine.
pub fn tables(session: &Session<'_>, document: Reading<'_>, asked: &[Asked]) -> Result<Vec<Table>> {
    let table = |number: usize| {
        let own: Vec<&Asked> = asked.iter().filter(|one| one.passage == number).collect();
        let mut answers: Vec<String> = own.iter().map(|one| one.span.text.clone()).collect();
        answers.sort();
        answers.dedup();
        let mut questions: Vec<&str> = own.iter().map(|one| one.question.as_str()).collect();
        questions.push(ANY_QUESTION);
        let log_probs = answers_to(session, document, number, &questions, &answers)?;
        Ok(Table { answers, log_probs })
    };
    (0..document.passages.len()).map(table).collect()
}

/// The questions that point to their answer, at most `each` for one answer, the surest first, each with by how much, nats: above 0, the question makes its
/// own answer likelier than any other answer of the passage. Compared is with what other questions about the passage make of the same answer:
/// `ln p(a | passage, q) - mean ln p(a | passage, q')` over questions `q'` for other answers. That takes out how common the words of an answer are, how many,
/// and that the passage names it, which makes it likelier after any question at all. `tables` are those of the passages, in their order.
pub fn choose(asked: &[Asked], tables: &[Table], each: usize) -> Vec<(Asked, f64)> {
    let mut found: Vec<(Asked, f64)> = Vec::new();
    for (number, Table { answers, log_probs }) in tables.iter().enumerate() {
        let own: Vec<&Asked> = asked.iter().filter(|one| one.passage == number).collect();
        let of = |one: &&Asked| answers.iter().position(|answer| *answer == one.span.text);
        let places: Vec<Option<usize>> = own.iter().map(of).collect();
        let margins = pointing(log_probs, &places, answers);
        found.extend(own.into_iter().cloned().zip(margins).filter(|(_, margin)| *margin > 0.0));
    }
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    at_most(&mut found, each);
    found
}

/// Leaves the first `each` questions for every answer.
fn at_most(found: &mut Vec<(Asked, f64)>, each: usize) {
    let mut taken: BTreeMap<(usize, String), usize> = BTreeMap::new();
    found.retain(|(one, _)| {
        let count = taken.entry((one.passage, one.span.text.clone())).or_default();
        *count += 1;
        *count <= each
    });
}

/// By how much each question (a row of `table`, whose last row is [`ANY_QUESTION`]'s) makes its own answer, given by its column, likelier than any other answer
/// does, both against what the other rows make of them. Answers that share a word that matters ("Port Ellis", "in Port Ellis") are no rivals.
fn pointing(table: &[Vec<f64>], own: &[Option<usize>], answers: &[String]) -> Vec<f64> {
    let content: Vec<HashSet<String>> = answers.iter().map(|answer| content(answer)).collect();
    let related = |a: usize, b: usize| a == b || !content[a].is_disjoint(&content[b]);
    let usual: Vec<f64> = (0..answers.len())
        .map(|answer| {
            let others = table.iter().zip(own.iter().copied().chain([None]));
            let others = others.filter(|(_, own)| own.is_none_or(|own| !related(own, answer)));
            crate::stats::mean(&others.map(|(row, _)| row[answer]).collect::<Vec<_>>())
        })
        .collect();
    let margin = |(row, own): (&Vec<f64>, &Option<usize>)| {
        let Some(own) = *own else { return 0.0 };
        let rivals = (0..answers.len()).filter(|rival| !related(own, *rival));
        let rival = rivals.map(|rival| row[rival] - usual[rival]).fold(0.0, f64::max);
        row[own] - usual[own] - rival
    };
    table.iter().zip(own).map(margin).collect()
}

/// `ln p(answer | passage, question)` for each question (a row) and each answer (a column), nats.
fn answers_to(
    session: &Session<'_>,
    document: Reading<'_>,
    passage: usize,
    questions: &[&str],
    answers: &[String],
) -> Result<Vec<Vec<f64>>> {
    if answers.is_empty() {
        return Ok(vec![Vec::new(); questions.len()]);
    }
    let passage = Some((document.title, document.passages[passage].as_str()));
    let mut cells = Vec::with_capacity(questions.len() * answers.len());
    for text in questions {
        let answers = answers.iter().map(std::slice::from_ref);
        cells.extend(answers.map(|answers| Question { text, answers, passage, decoys: &[] }));
    }
    let scores = session.log_probs(&cells, None)?;
    Ok(scores.chunks(answers.len()).map(<[f64]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_must_point_to_its_answer() {
        let answers = ["Port Ellis", "in Port Ellis", "1988", "120"].map(String::from);
        // Every question makes "Port Ellis" likely, for the passage names it twice; only the first is about it.
        let table = [
            vec![-1.0, -1.5, -8.0, -9.0],
            vec![-2.0, -3.0, -4.0, -9.0],
            vec![-2.0, -3.0, -8.0, -8.9],
            vec![-2.5, -3.5, -8.0, -9.0],
        ];
        let own = [Some(0), Some(2), Some(0)];
        let margins = pointing(&table, &own, &answers);
        assert!(margins[0] > 0.5 && margins[1] > 2.0, "{margins:?}");
        assert!(margins[2] < 0.3, "a question beside its answer: {margins:?}");
        // One answer alone: there is only the question about anything to compare with.
        let alone = [vec![-3.0], vec![-2.0]];
        assert_eq!(pointing(&alone, &[Some(0)], &["1988".to_string()]), [-1.0]);
    }
}
