//! Full-text search: which documents hold the words of a question, of those that were learned and of the others.

use std::collections::HashSet;

use rusqlite::{Connection, params, params_from_iter};

use super::Store;
use super::columns::all;
use super::{documents, generations};
use seald_core::domain::document::Document;
use seald_core::domain::ids::DocumentId;
use seald_core::error::Result;

/// Passages looked at for each document wanted.
const PASSAGES_EACH: usize = 16;
/// Words of a question that are searched for, at most.
const MAX_WORDS: usize = 64;
/// What was not cut into passages is in no index, and is read: so many documents of it, the newest, from each so many characters, for so many words.
const MAX_READ: usize = 64;
const READ_EACH: usize = 65_536;
const WORDS_READ: usize = 8;

impl Store {
    /// Documents that the live model learned and whose passages hold words of `question`, the best match first (BM25),
    /// at most `limit`.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn look_up(&self, question: &str, limit: usize) -> Result<Vec<Document>> {
        let Some(query) = query(question) else { return Ok(Vec::new()) };
        self.read("the learned documents", |db| {
            let chain = generations::chain(db, generations::live_id(db)?)?;
            let learned: HashSet<DocumentId> = chain.into_iter().flat_map(|g| g.documents).collect();
            let sql = "SELECT p.document FROM lookup JOIN passages p ON p.id = lookup.rowid
                       JOIN documents d ON d.id = p.document AND d.state = 'learned' AND d.replaced_by IS NULL
                       WHERE lookup MATCH ?1 ORDER BY bm25(lookup, 4.0, 1.0), p.id LIMIT ?2";
            let most = i64::try_from(limit.saturating_mul(PASSAGES_EACH)).unwrap_or(i64::MAX);
            let found: Vec<DocumentId> = all(db, sql, params![query, most], |row| row.get(0))?;
            let mut told = HashSet::new();
            let best = found.into_iter().filter(|id| learned.contains(id) && told.insert(*id)).take(limit);
            best.map(|id| documents::find(db, id)).collect()
        })
    }

    /// Documents that were rejected, failed, or still wait, and whose text holds words of `question`: the best match first among those
    /// that were cut into passages, then among those that were not, at most `limit` of either. Versions that a newer one replaced are none of them.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn look_up_unlearned(&self, question: &str, limit: usize) -> Result<Vec<Document>> {
        let Some(query) = query(question) else { return Ok(Vec::new()) };
        self.read("the documents that were not learned", |db| {
            let sql = "SELECT p.document FROM lookup JOIN passages p ON p.id = lookup.rowid
                       JOIN documents d ON d.id = p.document AND d.state <> 'learned' AND d.replaced_by IS NULL
                       WHERE lookup MATCH ?1 ORDER BY bm25(lookup, 4.0, 1.0), p.id LIMIT ?2";
            let most = i64::try_from(limit.saturating_mul(PASSAGES_EACH)).unwrap_or(i64::MAX);
            let cut: Vec<DocumentId> = all(db, sql, params![query, most], |row| row.get(0))?;
            let mut told = HashSet::new();
            let mut best: Vec<DocumentId> =
                cut.into_iter().filter(|id| told.insert(*id)).take(limit).collect();
            best.extend(uncut(db, question, limit)?);
            best.into_iter().map(|id| documents::find(db, id)).collect()
        })
    }
}

/// Documents that are not learned and have no passages, those first that hold most of the question's longest words.
fn uncut(db: &Connection, question: &str, limit: usize) -> Result<Vec<DocumentId>> {
    let mut words: Vec<&str> = telling(question).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.truncate(WORDS_READ);
    // A word is letters and digits: nothing in it means anything to LIKE.
    let holds = vec!["(words LIKE ?)"; words.len()].join(" + ");
    let sql = format!(
        "SELECT id FROM (SELECT id, {holds} AS held FROM (
             SELECT d.id, d.title || char(10) || substr(d.text, 1, {READ_EACH}) AS words FROM documents d
             WHERE d.state <> 'learned' AND d.replaced_by IS NULL
                 AND NOT EXISTS (SELECT 1 FROM passages p WHERE p.document = d.id)
             ORDER BY d.id DESC LIMIT {MAX_READ}))
         WHERE held > 0 ORDER BY held DESC, id LIMIT {limit}"
    );
    let values = words.iter().map(|word| format!("%{word}%"));
    all(db, &sql, params_from_iter(values), |row| row.get(0))
}

/// The words of a question that say something about its subject.
fn telling(question: &str) -> impl Iterator<Item = &str> {
    let words = question.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| word.chars().count() > 2 && !is_common(word))
}

/// Any of the words, each as a string, so that nothing in a question is an operator; none if there are no words.
fn query(question: &str) -> Option<String> {
    let words: Vec<String> = telling(question).take(MAX_WORDS).map(|w| format!("\"{w}\"")).collect();
    (!words.is_empty()).then(|| words.join(" OR "))
}

/// Whether it is a word of questions that says nothing about their subject.
pub fn is_common(word: &str) -> bool {
    const COMMON: &[&str] = &[
        "the", "what", "which", "who", "whom", "whose", "when", "where", "why", "how", "does", "did", "was",
        "were", "are", "and", "for", "from", "with", "that", "this", "has", "have", "had", "its", "many",
        "much", "can", "you",
    ];
    COMMON.contains(&word.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_words_and_never_operators() {
        assert_eq!(
            query("Who is the founder of \"Brastonel\" NEAR(x) * Works?").as_deref(),
            Some("\"founder\" OR \"Brastonel\" OR \"NEAR\" OR \"Works\"")
        );
        assert_eq!(query("?? * -- who"), None);
    }
}
