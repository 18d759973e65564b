//! The product from end to end, and what belongs to the repository as a whole. One program, so that it is linked once.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is a failed test")]

mod api;
mod architecture;
mod cli;
mod config;
mod daemon;
mod endpoint;
mod export;
mod ingest;
mod nano;
mod pipeline;

#[path = "support/golden_models.rs"]
mod golden_models;
#[path = "support/made_up_rows.rs"]
#[allow(dead_code, reason = "the tests of the database use all of it, these some")]
mod made_up_rows;
#[path = "support/programs.rs"]
mod programs;
#[path = "support/repository.rs"]
mod repository;
#[path = "support/server.rs"]
mod server;
#[path = "support/small.rs"]
mod small;
#[path = "support/tiny_model.rs"]
#[allow(dead_code, reason = "each test crate uses a part")]
mod tiny_model;
#[path = "support/vllm.rs"]
mod vllm;
