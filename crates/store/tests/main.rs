//! The database, on real files: what is stored, what is refused, what a kill leaves.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is a failed test")]

mod documents;
mod files;
mod jobs;
mod knowledge;
mod lineages;
#[path = "../../../tests/support/made_up_rows.rs"]
mod made_up;
mod service;
mod stages;
mod upkeep;
