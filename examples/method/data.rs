//! The evaluation sets: documents with held-out questions, and questions about what the base knows.

use std::path::Path;

use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;
use serde::Deserialize;

/// A question with its accepted answers.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asked {
    pub(crate) question: String,
    pub(crate) answers: Vec<String>,
}

/// A question about a document.
#[derive(Debug, Clone)]
pub(crate) struct DocumentQuestion {
    pub(crate) asked: Asked,
    /// Number of its fact within the document.
    pub(crate) fact: usize,
    /// `select`, `gate` or `retain`, by wording.
    pub(crate) role: String,
}

/// A document.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) passages: Vec<String>,
    pub(crate) questions: Vec<DocumentQuestion>,
}

impl Document {
    /// Questions of some roles.
    pub(crate) fn of<'d>(&'d self, roles: &'d [&str]) -> impl Iterator<Item = &'d DocumentQuestion> {
        self.questions.iter().filter(|q| roles.contains(&q.role.as_str()))
    }
}

#[derive(Deserialize)]
struct Set {
    data: Vec<Article>,
}

#[derive(Deserialize)]
struct Article {
    title: String,
    paragraphs: Vec<Paragraph>,
}

#[derive(Deserialize)]
struct Paragraph {
    context: String,
    qas: Vec<Qa>,
}

#[derive(Deserialize)]
struct Qa {
    question: String,
    answers: Vec<Answer>,
    role: String,
    fact: String,
}

#[derive(Deserialize)]
struct Answer {
    text: String,
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = files::read(path)?;
    serde_json::from_slice(&bytes)
        .doing(Kind::Corrupt, || format!("{} is not what it should be", path.display()))
}

/// The documents of `eval/bulletins-200.json`.
pub(crate) fn documents(path: &Path) -> Result<Vec<Document>> {
    read::<Set>(path)?.data.into_iter().map(document).collect()
}

fn document(article: Article) -> Result<Document> {
    let (mut passages, mut questions, mut facts) = (Vec::new(), Vec::new(), Vec::new());
    for paragraph in article.paragraphs {
        passages.push(paragraph.context);
        for qa in paragraph.qas {
            let fact = facts.iter().position(|f| *f == qa.fact).unwrap_or_else(|| {
                facts.push(qa.fact.clone());
                facts.len() - 1
            });
            let answers = qa.answers.into_iter().map(|a| a.text).collect();
            let asked = Asked { question: qa.question, answers };
            questions.push(DocumentQuestion { asked, fact, role: qa.role });
        }
    }
    if questions.is_empty() {
        return Err(Error::new(Kind::Corrupt, format!("{:?} has no questions", article.title)));
    }
    Ok(Document { title: article.title, passages, questions })
}

/// The questions of `eval/memory-400.json`.
pub(crate) fn memory(path: &Path) -> Result<Vec<Asked>> {
    read(path)
}
