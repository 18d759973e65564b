//! A document and its passages.

use super::ids::{DocumentId, PassageId};
use super::words::words;
use crate::clock::Timestamp;

words! {
    /// What became of a document.
    DocumentState {
        /// Its job is not finished.
        Waiting = "waiting",
        /// Its job is under way. Lists tell it apart; the row of the document says `waiting` until its job is finished.
        Learning = "learning",
        /// A generation was made from it.
        Learned = "learned",
        /// It was tried, and the gate did not accept what came of it, or nothing could be asked about it.
        Rejected = "rejected",
        /// Something went wrong: its text could not be read, or its job ended in an error.
        Failed = "failed",
    }
}

words! {
    /// How a file's text is read.
    DocumentFormat {
        /// Plain text.
        Text = "text",
        /// Markdown; read as it is.
        Markdown = "markdown",
        /// HTML.
        Html = "html",
        /// PDF with a text layer.
        Pdf = "pdf",
        /// Office Open XML.
        Docx = "docx",
        /// One document a line: `{"title", "text", "questions"?}`.
        Jsonl = "jsonl",
    }
}

/// A document as it was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its row.
    pub id: DocumentId,
    /// BLAKE3 of title and text, hexadecimal: the same content is one document.
    pub hash: String,
    /// File name as the user knows it; documents of a `jsonl` file are `NAME#LINE`.
    pub name: String,
    /// Title, one line, never empty.
    pub title: String,
    /// Clean text, UTF-8 with `\n` line ends.
    pub text: String,
    /// How it was read.
    pub format: DocumentFormat,
    /// What became of it.
    pub state: DocumentState,
    /// Why it was rejected or failed, in words; empty otherwise.
    pub reasons: Vec<String>,
    /// When it came.
    pub received_at: Timestamp,
}

impl Document {
    /// The first digits of its hash, to tell documents of one title apart.
    pub fn short_hash(&self) -> &str {
        self.hash.get(..16).unwrap_or(&self.hash)
    }
}

/// A piece of a document that fits the model: 400-600 tokens where the model is large enough. The passages of a document, put end to
/// end, are its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its row.
    pub id: PassageId,
    /// Whose it is.
    pub document: DocumentId,
    /// Its number within the document, from 0.
    pub index: usize,
    /// Its text, as it stands in the document.
    pub text: String,
}
