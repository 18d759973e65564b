//! `sealctl`: its pages, its client against a real server on a real socket, and the program as a process.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a panic is a failed test")]

mod binary;
mod care;
mod client;
mod completing;
mod export;
mod hub;
mod made_up;
mod made_up_models;
mod pages;
mod pulling;
mod reading;
#[path = "../../../tests/support/repository.rs"]
mod repository;
#[path = "../../../tests/support/server.rs"]
mod server;
#[path = "../../../tests/support/terminal.rs"]
mod terminal;
mod upkeep;
mod waiting;
mod watching;
