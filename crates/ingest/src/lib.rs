//! Ingest: from a file that a person dropped to a title, clean text and passages, or a refusal that says why.
//!
//! Everything here treats what a document holds as data. Reading is bounded by [`Limits`]; what could still go wrong
//! (a defect in a parser, a file made to harm) goes wrong in a child process: [`extract_in_child`].

mod blocks;
mod child;
mod clean;
mod docx;
mod encoding;
mod extract;
mod html;
pub mod inbox;
mod jsonl;
mod limits;
mod ooxml;
mod passages;
mod pdf;
mod pdf_lines;
mod plain;
mod sidecar;
mod sniff;
mod source;
mod walk;

pub use child::{extract_in_child, extract_opened_in_child, serve};
pub use extract::{Draft, Extracted, FORMATS, Format, ReadFormat, Row, content_hash, extract};
pub use limits::Limits;
pub use passages::{PassageSize, longest_text, passages};
pub use sidecar::{SuppliedProbe, check_probes, is_sidecar, read_opened_probes, read_probes, sidecar_of};
pub use sniff::Sniffed;
pub use walk::{collect, is_passing};
