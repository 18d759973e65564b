//! Tensors: loads a decoder, generates with it, scores text with it and trains LoRA adapters on it.
//!
//! Knows token ids, not what a text is for: prompts, probes and self-edits belong to `learn`.

mod adapter_config;
pub mod adapter_files;
mod admission;
mod anchors;
pub mod backward;
pub mod batch;
mod block;
pub mod cache;
pub mod chat;
pub mod checkpoint;
mod config_json;
pub mod decode_stream;
pub mod decoder;
pub mod embedded;
pub mod examples;
pub mod generate;
pub mod grammar;
pub mod inspect;
pub mod kernels;
mod live_rows;
mod load;
pub mod lora;
pub mod loss;
pub mod memory;
pub mod model;
pub mod model_config;
pub mod optimizer;
mod prefill;
mod python_json;
pub mod running;
pub mod sampler;
pub mod schedule;
mod schema_bounds;
pub mod score;
pub mod selftest;
mod shared_beginnings;
pub mod special_tokens;
pub mod step;
mod stop;
mod token_bytes;
mod token_spans;
pub mod tokenizer;
pub mod tokenizer_files;
pub mod train;
pub mod weights;
