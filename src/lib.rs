//! seald: a daemon that keeps a local language model learning from the documents you drop into a folder.

pub mod api;
pub mod client;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod endpoint;
pub mod engine;
pub mod error;
pub mod export;
pub mod files;
pub mod hub;
pub mod ingest;
pub mod learn;
pub mod pause;
pub mod pipeline;
pub mod protocol;
pub mod store;
pub mod terminal;

pub use error::{Error, Kind, Result};
