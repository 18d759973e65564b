//! The method: what a document's self-edits and probes are made of, how answers are judged, what the gate lets through.




pub mod grade;

pub mod stats;
pub mod gate;
pub mod forgetting;
pub mod parse;
