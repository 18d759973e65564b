//! The engine against golden files, other implementations and its own properties.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is a failed test")]

mod adapter_files;
mod anchors;
mod chat_templates;
mod engine_golden;
mod engine_oracles;
mod engine_properties;
mod generation;
mod held;
mod kernels;
mod lora;
mod model_config;
mod scoring;
mod training;
mod weights;

#[path = "../../../tests/support/golden_models.rs"]
mod golden_models;
#[path = "../../../tests/support/repository.rs"]
mod repository;
