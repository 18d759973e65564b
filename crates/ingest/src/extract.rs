//! The formats, each a row with its function, and reading one file by its row.

use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::sidecar::SuppliedProbe;
use super::sniff::{KNOWN, Sniffed, sniff};
use super::{Limits, clean, docx, html, jsonl, pdf, plain, source};
use seald_core::domain::document::DocumentFormat;
use seald_core::error::{Error, Kind, Result};
use seald_core::files::name_text;

/// One document as it was read from a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extracted {
    /// File name; documents of a `jsonl` file are `NAME#LINE`, lines counted from 1.
    pub name: String,
    /// Title: one line, never empty.
    pub title: String,
    /// Whether the title is the document's own, and not made of its file's name.
    pub titled: bool,
    /// Clean text, not empty: UTF-8, `\n` line ends, no control characters but tabs, no title as its first line.
    pub text: String,
    /// How it was read.
    pub format: DocumentFormat,
    /// Questions that came with it in a `jsonl` row. Those of a sidecar are read by [`super::read_probes`].
    pub questions: Vec<SuppliedProbe>,
}

impl Extracted {
    /// [`content_hash`], the same for a file that was renamed.
    pub fn hash(&self) -> String {
        content_hash(if self.titled { &self.title } else { "" }, &self.text)
    }
}

/// A document format.
pub struct Format {
    /// Its name.
    pub format: DocumentFormat,
    /// Extensions of its files, lower case.
    pub extensions: &'static [&'static str],
    /// What its content looks like.
    pub sniffed: Sniffed,
    /// Reads it.
    pub read: ReadFormat,
}

/// How a format's function gives what it read.
#[derive(Clone, Copy)]
pub enum ReadFormat {
    /// One document a file.
    One(fn(&[u8], &Limits) -> Result<Draft>),
    /// One document a line.
    Lines(fn(&[u8], &Limits) -> Result<Vec<Row>>),
}

/// What was read of a document, before it is cleaned and named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Its title, if the format says one.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
}

/// A document of a `jsonl` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its line, from 1.
    pub line: usize,
    /// Title and text.
    pub draft: Draft,
    /// Its questions.
    pub questions: Vec<SuppliedProbe>,
}

/// Every format. A new one is a function and a row here.
pub const FORMATS: &[Format] = &[
    Format {
        format: DocumentFormat::Text,
        extensions: &["txt", "text"],
        sniffed: Sniffed::Text,
        read: ReadFormat::One(plain::read_text),
    },
    Format {
        format: DocumentFormat::Markdown,
        extensions: &["md", "markdown", "mdown", "mkd"],
        sniffed: Sniffed::Text,
        read: ReadFormat::One(plain::read_markdown),
    },
    Format {
        format: DocumentFormat::Html,
        extensions: &["html", "htm", "xhtml"],
        sniffed: Sniffed::Html,
        read: ReadFormat::One(html::read),
    },
    Format {
        format: DocumentFormat::Pdf,
        extensions: &["pdf"],
        sniffed: Sniffed::Pdf,
        read: ReadFormat::One(pdf::read),
    },
    Format {
        format: DocumentFormat::Docx,
        extensions: &["docx", "docm"],
        sniffed: Sniffed::Docx,
        read: ReadFormat::One(docx::read),
    },
    Format {
        format: DocumentFormat::Jsonl,
        extensions: &["jsonl", "ndjson"],
        sniffed: Sniffed::Text,
        read: ReadFormat::Lines(jsonl::read),
    },
];

/// Reads a file in this process. What `limits.memory` says, and a parser's defects, only
/// [`super::extract_in_child`] holds.
///
/// # Errors
/// Each names the file, what is wrong with it and what to do. [`Kind::NotFound`]; [`Kind::Unsupported`] for what is
/// whole but not read (encrypted, too large, binary, no text layer, ...); [`Kind::Corrupt`] for what is damaged;
/// [`Kind::Invalid`] for a wrong `jsonl` row; [`Kind::Io`].
pub fn extract(path: &Path, limits: &Limits) -> Result<Vec<Extracted>> {
    extract_opened(path, source::open(path, limits)?, limits)
}

/// The same of a file that was opened as `path`: whatever has that name by now.
pub(super) fn extract_opened(path: &Path, file: File, limits: &Limits) -> Result<Vec<Extracted>> {
    let bytes = source::read_opened(path, file, limits)?;
    read_bytes(path, &bytes, limits).map_err(|e| e.context(path.display()))
}

fn read_bytes(path: &Path, bytes: &[u8], limits: &Limits) -> Result<Vec<Extracted>> {
    let row = format_of(path, bytes)?;
    let name = name_text(path.file_name().unwrap_or_default());
    let stem = name_text(path.file_stem().unwrap_or_default());
    let documents = match row.read {
        ReadFormat::One(read) => vec![finish(name, &stem, row.format, read(bytes, limits)?)?],
        ReadFormat::Lines(read) => {
            let finished = read(bytes, limits)?.into_iter().map(|found| {
                let (name, stem) = (format!("{name}#{}", found.line), format!("{stem} {}", found.line));
                let document = finish(name, &stem, row.format, found.draft);
                let document = document.map_err(|e| e.context(format!("line {}", found.line)))?;
                Ok(Extracted { questions: found.questions, ..document })
            });
            finished.collect::<Result<Vec<_>>>()?
        }
    };
    check_length(&documents, limits)?;
    Ok(documents)
}

/// The row to read it by. What a PDF or DOCX is, its content says; among texts, the extension says.
fn format_of(path: &Path, bytes: &[u8]) -> Result<&'static Format> {
    let sniffed = sniff(bytes)?;
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let named = FORMATS.iter().find(|f| extension.as_deref().is_some_and(|e| f.extensions.contains(&e)));
    let by_content = || FORMATS.iter().find(|f| f.sniffed == sniffed);
    let container = |s: Sniffed| matches!(s, Sniffed::Pdf | Sniffed::Docx);
    let found = match (named, &extension) {
        _ if container(sniffed) => by_content(),
        (Some(row), _) if container(row.sniffed) => {
            let text = format!("is named as {}, but is none inside, or is damaged: {KNOWN}", row.format);
            return Err(Error::new(Kind::Corrupt, text));
        }
        (Some(row), _) => Some(row),
        (None, None) => by_content(),
        (None, Some(_)) => None,
    };
    found.ok_or_else(|| {
        let extension = extension.unwrap_or_default();
        let text =
            format!("of the type .{extension} nothing is known: {KNOWN}, or rename it to .txt if it is text");
        Error::new(Kind::Unsupported, text)
    })
}

/// Cleans what was read, finds its title and takes that from the start of the text.
fn finish(name: String, stem: &str, format: DocumentFormat, draft: Draft) -> Result<Extracted> {
    let text = clean::clean(&draft.text);
    let title = draft.title.as_deref().and_then(clean::title);
    let title = title.or_else(|| clean::short_first_line(&text));
    let titled = title.is_some();
    let title = title.or_else(|| clean::title(stem));
    let title = title.unwrap_or_else(|| "Untitled".to_string());
    let text = clean::without_title(&text, &title).trim_end();
    if !text.chars().any(char::is_alphanumeric) {
        let text = "has no text but its title, or none at all: there is nothing to learn";
        return Err(Error::new(Kind::Unsupported, text));
    }
    Ok(Extracted { name, title, titled, text: text.to_string(), format, questions: Vec::new() })
}

fn check_length(documents: &[Extracted], limits: &Limits) -> Result<()> {
    let of_probe = |probe: &SuppliedProbe| {
        let answers = probe.answers.iter().map(|answer| answer.chars().count());
        probe.question.chars().count() + answers.sum::<usize>()
    };
    let of = |document: &Extracted| {
        let text = document.title.chars().count() + document.text.chars().count();
        text + document.questions.iter().map(of_probe).sum::<usize>()
    };
    let (chars, most) = (documents.iter().map(of).sum::<usize>(), limits.text_chars);
    if chars > most {
        let text = format!(
            "holds {chars} characters of text, at most {most} are taken at once: split it into parts"
        );
        return Err(Error::new(Kind::Unsupported, text));
    }
    Ok(())
}

/// BLAKE3 of the title, a line end and the text, hexadecimal: the same content is one document, whatever its file's
/// name or format. A title has no line end, so no two contents share their bytes. A title that is only the file's name
/// counts as none ([`Extracted::hash`]).
pub fn content_hash(title: &str, text: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(title.as_bytes()).update(b"\n").update(text.as_bytes());
    hasher.finalize().to_hex().to_string()
}
