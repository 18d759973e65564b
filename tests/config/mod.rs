//! `seald.toml` as its writer meets it, the systemd units, and what the package holds.

mod example;
mod package;
mod systemd;
mod verb;
mod wrong;

use std::path::PathBuf;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    crate::repository::repository().join(path)
}

/// The text of a file of the repository.
fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}
