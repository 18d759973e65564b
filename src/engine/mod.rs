//! Tensors: loads a decoder, generates with it, scores text with it and trains LoRA adapters on it.
//!
//! Knows token ids, not what a text is for: prompts, probes and self-edits belong to `learn`.

pub(crate) mod adapter_config;
pub mod adapter_files;
pub(crate) mod config_json;
pub mod lora;
pub mod model_config;
pub mod weights;
