//! What a person reads at a terminal: views of the protocol as text, and the words and looks that both programs share.
//! Nothing here writes anything: every function returns text.

pub mod adapters;
pub mod answer;
pub mod backups;
pub mod calibration;
pub mod checks;
pub mod document_progress;
pub mod documents;
pub mod edits;
pub mod feed;
pub mod forget;
pub mod heatmap;
pub mod jobs;
pub mod lines;
pub mod log;
pub mod look;
pub mod models;
pub mod page;
pub mod status;
pub mod story;
pub mod times;
pub mod top;
pub mod why;
pub mod words;
pub mod writer;

pub use look::{Look, columns, many_lines, one_line, reached_with};
pub use times::{Times, Zone};
