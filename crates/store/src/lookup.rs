//! Full-text search: which learned documents hold the words of a question.

use std::collections::HashSet;

use rusqlite::params;

use super::Store;
use super::columns::all;
use super::{documents, generations};
use seald_core::domain::document::Document;
use seald_core::domain::ids::DocumentId;
use seald_core::error::Result;

/// Passages looked at for each document wanted.
const PASSAGES_EACH: usize = 16;
/// Words of a question that are searched for, at most.
const MOST_WORDS: usize = 64;

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
                       JOIN documents d ON d.id = p.document AND d.state = 'accepted' AND d.replaced_by IS NULL
                       WHERE lookup MATCH ?1 ORDER BY bm25(lookup, 4.0, 1.0), p.id LIMIT ?2";
            let most = i64::try_from(limit.saturating_mul(PASSAGES_EACH)).unwrap_or(i64::MAX);
            let found: Vec<DocumentId> = all(db, sql, params![query, most], |row| row.get(0))?;
            let mut told = HashSet::new();
            let best = found.into_iter().filter(|id| learned.contains(id) && told.insert(*id)).take(limit);
            best.map(|id| documents::find(db, id)).collect()
        })
    }
}

/// Any of the words, each as a string, so that nothing in a question is an operator; none if there are no words.
fn query(question: &str) -> Option<String> {
    let words =
        question.split(|c: char| !c.is_alphanumeric()).filter(|w| w.chars().count() > 2 && !is_common(w));
    let words: Vec<String> = words.take(MOST_WORDS).map(|w| format!("\"{w}\"")).collect();
    (!words.is_empty()).then(|| words.join(" OR "))
}

/// Words of questions that say nothing about their subject.
fn is_common(word: &str) -> bool {
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
