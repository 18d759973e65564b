//! From rows of the database to what is said of them.

mod adapters;
mod backups;
mod documents;
mod jobs;
mod knowledge;
mod models;
mod report;
mod status;
mod suspects;
mod time_left;
mod unlearned;
mod why;
mod writer;

pub(super) use adapters::adapters;
pub(super) use backups::{backup, backups};
pub(super) use documents::{documents, line, self_edits, story};
pub(super) use jobs::{consolidations, job};
pub(super) use models::{change, models, place};
pub use report::{document, forgetting};
pub(super) use status::status;
pub(super) use unlearned::unlearned;
pub(super) use why::{Trace, learned, shares_words, trace};
pub(super) use writer::writer;
