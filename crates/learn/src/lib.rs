//! The method: how a document is read, turned into training data, tried and judged. It knows no database and no HTTP.

pub use seald_engine::adapter_files::verify as verify_adapter;
pub use seald_engine::chat::{Message, Role};
pub use seald_engine::examples::TrainRow;
pub use seald_engine::inspect::{ModelSummary, inspect};
pub use seald_engine::lora::Adapter;
pub use seald_engine::model::Model;

pub mod answer;
pub mod author;
pub mod calibrate;
pub mod checkpoints;
pub mod consolidate;
pub mod controls;
pub mod directive;
mod evidence;
pub mod exam;
pub mod filter;
pub mod forgetting;
pub mod gate;
pub mod grade;
pub mod judge;
pub mod options;
pub mod parse;
pub mod probes;
pub mod prompt;
mod question;
pub mod rehearsal;
pub mod rows;
pub mod self_edits;
mod self_study;
pub mod session;
pub mod stats;
pub mod study;
mod training;
pub mod trials;
pub mod work;
pub mod writer;
