//! What a learned document has to do with an answer: sentences, training rows and questions that share words with it.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

use super::documents::probes;
use seald_core::domain::document::Document;
use seald_core::domain::evaluation::Subject;
use seald_core::domain::generation::Generation;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::self_edit::RowText;
use seald_core::error::Result;
use seald_core::protocol::{ProbeView, Source, WhyDocument, WhyProbe, WhyRow};
use seald_core::sentences;
use seald_store::Store;

/// How much of each kind is told.
const QUOTES: usize = 2;
const ROWS: usize = 3;
const PROBES: usize = 2;
/// The least that an item is worth beside the best one.
const LEAST: f64 = 0.5;
/// Letters by which words are compared: endings differ.
const STEM: usize = 6;
/// Letters of words that say nothing about a subject.
const SHORT: usize = 2;
/// From here on a character may be a word: Chinese, Japanese.
const SIGNS: char = '\u{2e80}';

/// A document with the generations after and before it was learned.
pub(in crate::api) struct Trace {
    /// What it has to do with the answer; its share is yet to be weighed.
    pub(in crate::api) document: WhyDocument,
    /// The generation that learned it.
    pub(in crate::api) after: GenerationId,
    /// The one that that continued.
    pub(in crate::api) before: GenerationId,
}

/// The generation that learned `document`, of those that `who` stands on, and the one that that continued; none if `who` does not contain it.
pub(in crate::api) fn learned(
    store: &Store,
    who: GenerationId,
    document: DocumentId,
) -> Result<Option<(GenerationId, GenerationId)>> {
    // A document that was dropped and learned again has another generation, which did not lead to this answer.
    let found = store.chain(who)?.into_iter().find(|generation| generation.documents.contains(&document));
    Ok(found.map(|Generation { id, parent, .. }| (id, parent)))
}

/// Whether `document` has a word of `answer` that `question` has not.
pub(in crate::api) fn shares_words(
    store: &Store,
    document: &Document,
    question: &str,
    answer: &str,
) -> Result<bool> {
    let asked = stems(question);
    let said: HashSet<String> = stems(answer).into_iter().filter(|word| !asked.contains(word)).collect();
    let passages = store.passages(document.id)?;
    let mut texts = passages.iter().map(|passage| &passage.text).chain([&document.title]);
    Ok(texts.any(|text| !stems(text).is_disjoint(&said)))
}

/// What `document` has to do with `words`, a question and its answer by `who`; none if that does not contain it.
pub(in crate::api) fn trace(
    store: &Store,
    who: GenerationId,
    document: Document,
    words: &str,
) -> Result<Option<Trace>> {
    let id = document.id;
    let Some((after, before)) = learned(store, who, id)? else { return Ok(None) };
    let wanted = stems(words);
    let passages = store.passages(id)?;
    let sentences = passages.iter().flat_map(|passage| sentences::of(&passage.text));
    let quotes = best(sentences.map(str::to_string), |text| text.clone(), &wanted, QUOTES);
    let trials = store.trials(id)?;
    let chosen: HashSet<_> =
        trials.iter().filter(|trial| trial.chosen).flat_map(|trial| &trial.self_edits).collect();
    let edits = store.self_edits(id)?.into_iter().filter(|edit| chosen.contains(&edit.id));
    let rows = edits.flat_map(|edit| {
        let format = edit.directive.format;
        edit.rows.into_iter().map(move |row| WhyRow { format, row })
    });
    let rows = best(rows, |row| row_text(&row.row), &wanted, ROWS);
    let asked = best(probes(store, id)?, probe_text, &wanted, PROBES);
    let document = WhyDocument {
        source: Source { document: id, title: document.title, name: document.name },
        learned_in: Some(after.folder()),
        share: None,
        quotes,
        rows,
        probes: asked.into_iter().map(probe).collect(),
    };
    Ok(Some(Trace { document, after, before }))
}

fn row_text(row: &RowText) -> String {
    match row {
        RowText::Text(text) => text.clone(),
        RowText::Turn { question, answer } => format!("{question} {answer}"),
    }
}

fn probe_text(probe: &ProbeView) -> String {
    format!("{} {}", probe.question, probe.answers.join(" "))
}

fn probe(view: ProbeView) -> WhyProbe {
    let learned = |subject| matches!(subject, Subject::Candidate | Subject::Replay);
    let right = view.given.iter().rev().find(|given| learned(given.subject)).map(|given| given.right);
    WhyProbe { question: view.question, answers: view.answers, right }
}

/// Beginnings of the words of a text, in small letters.
pub(super) fn stems(text: &str) -> HashSet<String> {
    let counts = |c: char| c.is_numeric() || c >= SIGNS;
    let words = text.unicode_words().filter(|word| word.chars().count() > SHORT || word.chars().any(counts));
    words.map(|word| word.to_lowercase().chars().take(STEM).collect()).collect()
}

/// The distinct items that share most with `wanted`, at most `most`; a word counts the more the fewer items have it. Those
/// that share less than half of what the best one does are left out; of equal ones the first comes first.
fn best<T>(
    items: impl IntoIterator<Item = T>,
    text: impl Fn(&T) -> String,
    wanted: &HashSet<String>,
    most: usize,
) -> Vec<T> {
    let mut seen = HashSet::new();
    let items: Vec<(T, HashSet<String>)> = items
        .into_iter()
        .map(|item| (text(&item), item))
        .filter(|(text, _)| seen.insert(text.clone()))
        .map(|(text, item)| (item, stems(&text).intersection(wanted).cloned().collect()))
        .collect();
    let mut holders: HashMap<&String, f64> = HashMap::new();
    items.iter().flat_map(|(_, shared)| shared).for_each(|word| *holders.entry(word).or_default() += 1.0);
    let all = items.len() as f64;
    let worth: Vec<f64> = items
        .iter()
        .map(|(_, shared)| shared.iter().map(|word| (1.0 + all / holders[word]).ln()).sum())
        .collect();
    let least = LEAST * worth.iter().copied().fold(0.0, f64::max);
    let mut order: Vec<usize> = (0..items.len()).filter(|at| worth[*at] > least).collect();
    order.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]));
    order.truncate(most);
    let mut items: Vec<Option<T>> = items.into_iter().map(|(item, _)| Some(item)).collect();
    order.into_iter().filter_map(|at| items[at].take()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_count_more_and_endings_do_not() {
        let lines = [
            "The harbour of Drelpolford opened in spring.",
            "The harbour was founded by Ansel Vort.",
            "Nothing else.",
            "The harbour was founded by Ansel Vort.",
            "Who is the founder of the harbour? Ansel Vort",
        ];
        let wanted = stems("Who founded the harbour? Ansel Vort");
        let found = best(lines, |line| line.to_string(), &wanted, 2);
        assert_eq!(found, [lines[4], lines[1]]);
        assert!(best(lines, |line| line.to_string(), &stems("Is it?"), 2).is_empty());
    }

    #[test]
    fn short_words_count_where_they_are_numbers_or_signs() {
        assert_eq!(stems("It is 7 of us"), HashSet::from(["7".to_string()]));
        assert!(!stems("港口").is_disjoint(&stems("新港")));
    }
}
