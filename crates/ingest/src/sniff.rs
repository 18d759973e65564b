//! What a file is by its first bytes, whatever its name says.

use std::io::Cursor;

use infer::MatcherType;

use seald_core::error::{Error, Kind, Result};

/// The header of a PDF may stand this far in, bytes.
const PDF_HEADER_WITHIN: usize = 1024;
/// The container of old Office files, and of encrypted new ones.
const COMPOUND_FILE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// What the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// Characters, or nothing that is known to be otherwise.
    Text,
    /// Characters that begin as an HTML page does.
    Html,
    /// PDF.
    Pdf,
    /// A ZIP archive with a Word document in it.
    Docx,
}

/// Looks at `bytes`.
///
/// # Errors
/// [`Kind::Unsupported`], with what it is, for content that none of the formats has.
pub(super) fn sniff(bytes: &[u8]) -> Result<Sniffed> {
    let head = &bytes[..bytes.len().min(PDF_HEADER_WITHIN)];
    if head.starts_with(b"%PDF-") || (head.contains(&0) && has(head, b"%PDF-")) {
        return Ok(Sniffed::Pdf);
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return zip_content(bytes);
    }
    if bytes.starts_with(COMPOUND_FILE) {
        return Err(compound(bytes));
    }
    match infer::get(bytes) {
        Some(kind) if !matches!(kind.matcher_type(), MatcherType::Text | MatcherType::Book) => {
            let text = format!("is binary data ({}), not a document: {KNOWN}", kind.mime_type());
            Err(Error::new(Kind::Unsupported, text))
        }
        _ if begins_as_html(head) => Ok(Sniffed::Html),
        _ => Ok(Sniffed::Text),
    }
}

/// What can be given instead.
pub(super) const KNOWN: &str = "give text (.txt), Markdown (.md), HTML, PDF, DOCX or JSONL";

fn zip_content(bytes: &[u8]) -> Result<Sniffed> {
    let archive = zip::ZipArchive::new(Cursor::new(bytes));
    if archive.is_ok_and(|a| a.index_for_name("word/document.xml").is_some()) {
        return Ok(Sniffed::Docx);
    }
    let what = infer::get(bytes).map_or("application/zip", |kind| kind.mime_type());
    let text = format!("is a ZIP archive ({what}) without a Word document in it, or a damaged one: {KNOWN}");
    Err(Error::new(Kind::Unsupported, text))
}

fn compound(bytes: &[u8]) -> Error {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let text = if has(bytes, &name) {
        "is encrypted with a password: save it without one".to_string()
    } else {
        "is a document of an old Office format: save it as DOCX".to_string()
    };
    Error::new(Kind::Unsupported, text)
}

fn begins_as_html(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let begins = |tag: &[u8]| text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    begins(b"<!doctype html") || begins(b"<html")
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
