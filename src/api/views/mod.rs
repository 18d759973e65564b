//! From rows of the database to what is said of them.

mod adapters;
mod documents;
mod knowledge;
mod report;
mod status;

pub(super) use adapters::{adapters, models};
pub(super) use documents::{documents, line, self_edits, story};
pub use report::{document, forgetting};
pub(super) use status::status;
