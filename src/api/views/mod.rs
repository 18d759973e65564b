//! From rows of the database to what is said of them.

mod adapters;
mod documents;
mod jobs;
mod knowledge;
mod models;
mod report;
mod status;
mod time_left;
mod why;
mod writer;

pub(super) use adapters::adapters;
pub(super) use documents::{documents, line, self_edits, story};
pub(super) use jobs::{consolidations, job};
pub(super) use models::{change, models, place};
pub use report::{document, forgetting};
pub(super) use status::status;
pub(super) use why::{Trace, trace};
pub(super) use writer::writer;
