//! seald: a daemon that keeps a local language model learning from the documents you drop into a folder.
//!
//! The floors below this one are crates of their own, in `crates/`; `docs/architecture.md` is their map.

pub mod api;
pub mod config;
pub mod daemon;
pub mod endpoint;
pub mod export;
pub mod pipeline;
