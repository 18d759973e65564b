//! What every part of seald stands on: its errors, its clock, how it writes files and tries again, its nouns, and what
//! its programs say to one another.

pub mod clock;
pub mod confined;
pub mod domain;
pub mod error;
pub mod files;
pub mod protocol;
pub mod retry;
pub mod sentences;
#[cfg(feature = "sqlite")]
mod sqlite;
pub mod unit;

pub use error::{Error, Kind, Result};
