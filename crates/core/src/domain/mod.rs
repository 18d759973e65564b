//! The nouns of the method and their rules, without I/O: what a document, a probe, a self-edit, a trial, an evaluation,
//! a decision, a generation, a lineage, a calibration, an export, a writer and a job are.

pub mod calibration;
pub mod consolidation;
pub mod decision;
pub mod document;
pub mod evaluation;
pub mod export;
pub mod generation;
pub mod ids;
pub mod job;
pub mod lineage;
pub mod number;
pub mod probe;
pub mod progress;
pub mod self_edit;
pub mod stage;
pub mod trial;
pub(crate) mod words;
pub mod writer;
