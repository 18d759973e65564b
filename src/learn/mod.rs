//! The method: what a document's self-edits and probes are made of, how answers are judged, what the gate lets through.

pub mod grade;

pub mod filter;
pub mod forgetting;
pub mod gate;
pub mod parse;
pub mod stats;
