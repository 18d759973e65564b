//! Writing files so that a crash leaves the old one or the new, and what the programs say to one another.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is a failed test")]

mod files;
mod protocol;
#[path = "../../../tests/support/repository.rs"]
mod repository;
