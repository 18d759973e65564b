//! Documents that were not learned although they fit a question better than any that was: whoever asks about them should hear that the answer is not made of them.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

use super::documents::probes;
use super::why::stems;
use seald_core::domain::document::Document;
use seald_core::domain::evaluation::Subject;
use seald_core::error::Result;
use seald_core::protocol::{Source, Unlearned};
use seald_core::sentences;
use seald_store::{Store, is_common};

/// Most documents that are told of.
const MOST: usize = 2;
/// Documents that are compared, of the learned ones and of either kind of the others.
const COMPARED: usize = 4;

/// Those documents, the best first.
pub(in crate::api) fn unlearned(store: &Store, question: &str) -> Result<Vec<Unlearned>> {
    let telling: Vec<&str> = question.unicode_words().filter(|word| !is_common(word)).collect();
    let wanted = stems(&telling.join(" "));
    let others = store.look_up_unlearned(question, COMPARED)?;
    if others.is_empty() {
        return Ok(Vec::new());
    }
    let learned = store.look_up(question, COMPARED)?;
    let found = better(&learned, others, &wanted);
    found.into_iter().take(MOST).map(|document| told(store, document)).collect()
}

/// Those of `others` that have more to do with `wanted` than each of `learned`, the best first.
fn better(learned: &[Document], others: Vec<Document>, wanted: &HashSet<String>) -> Vec<Document> {
    let known: Vec<Fit> = learned.iter().map(|document| Fit::of(document, wanted)).collect();
    let fits: Vec<Fit> = others.iter().map(|document| Fit::of(document, wanted)).collect();
    let mut holders: HashMap<&String, f64> = HashMap::new();
    let all = || known.iter().chain(&fits);
    all().flat_map(|fit| fit.held()).for_each(|word| *holders.entry(word).or_default() += 1.0);
    let documents = all().count() as f64;
    // A word counts the more the fewer documents have it.
    let worth = |fit: &Fit| {
        let line = |words: &HashSet<String>| -> f64 {
            words.iter().map(|word| (1.0 + documents / holders[word]).ln()).sum()
        };
        fit.lines.iter().map(line).fold(0.0, f64::max)
    };
    let least = known.iter().map(worth).fold(0.0, f64::max);
    let worths: Vec<(f64, bool)> = fits.iter().map(|fit| (worth(fit), fit.is_about(wanted))).collect();
    let mut found: Vec<(f64, Document)> = others
        .into_iter()
        .zip(worths)
        .filter(|(_, (worth, about))| *about && *worth > least)
        .map(|(document, (worth, _))| (worth, document))
        .collect();
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.into_iter().map(|(_, document)| document).collect()
}

/// What a document shares with the words of a question.
struct Fit {
    title: HashSet<String>,
    /// Of each sentence, together with the title.
    lines: Vec<HashSet<String>>,
}

impl Fit {
    fn of(document: &Document, wanted: &HashSet<String>) -> Self {
        let shared = |text: &str| -> HashSet<String> { stems(text).intersection(wanted).cloned().collect() };
        let title = &shared(&document.title) | &shared(&document.name);
        let mut lines: Vec<_> =
            sentences::of(&document.text).map(|sentence| &shared(sentence) | &title).collect();
        lines.push(title.clone());
        Self { title, lines }
    }

    fn held(&self) -> HashSet<&String> {
        self.lines.iter().flatten().collect()
    }

    /// Whether the question is likely about it: one sentence has half of the question's words, and two of them, or the title has one.
    fn is_about(&self, wanted: &HashSet<String>) -> bool {
        let enough = if self.title.is_empty() { wanted.len().min(2) } else { 1 };
        let most = self.lines.iter().map(HashSet::len).max().unwrap_or(0);
        most >= enough && most * 2 >= wanted.len() && most > 0
    }
}

fn told(store: &Store, document: Document) -> Result<Unlearned> {
    // Of the list: a document whose job is under way is being learned.
    let state = store.document_row(document.id)?.state;
    let given: Vec<bool> = probes(store, document.id)?
        .iter()
        .filter_map(|probe| probe.given.iter().rev().find(|given| given.subject == Subject::Candidate))
        .map(|given| given.right)
        .collect();
    let right = given.iter().filter(|right| **right).count();
    let source = Source { document: document.id, title: document.title, name: document.name };
    Ok(Unlearned { source, state, asked: given.len(), right })
}

#[cfg(test)]
mod tests {
    use seald_core::clock::Timestamp;
    use seald_core::domain::document::{DocumentFormat, DocumentState};
    use seald_core::domain::ids::DocumentId;

    use super::*;

    fn document(id: i64, title: &str, text: &str) -> Document {
        Document {
            id: DocumentId(id),
            hash: String::new(),
            name: format!("{id}.txt"),
            title: title.into(),
            text: text.into(),
            format: DocumentFormat::Text,
            state: DocumentState::Rejected,
            reasons: vec![],
            received_at: Timestamp(1),
        }
    }

    fn found(learned: &[Document], others: &[Document], question: &str) -> Vec<i64> {
        better(learned, others.to_vec(), &stems(question)).iter().map(|document| document.id.0).collect()
    }

    #[test]
    fn only_what_fits_better_than_all_that_was_learned_is_told() {
        let town = document(1, "Drelpolford", "Its mayor is Ansel Vort. The harbour opens at nine.");
        let tool = document(2, "tidyscan README", "Run it with --fast to skip large files. It is free.");
        let other = document(3, "Minutes", "The mayor came late. Lunch was at noon.");
        let others = [tool, other];
        assert_eq!(found(std::slice::from_ref(&town), &others, "tidyscan skip large files"), [2]);
        assert_eq!(found(std::slice::from_ref(&town), &others, "tidyscan licence"), [2], "the title has it");
        assert!(found(std::slice::from_ref(&town), &others, "mayor Drelpolford").is_empty());
        assert!(found(&[], &others, "mayor Drelpolford").is_empty(), "one common word is no subject");
        assert!(found(&[], &others, "large ferries leave Brastonel harbour").is_empty());
    }
}
