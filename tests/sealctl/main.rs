//! `sealctl`: its pages, its client against a real server on a real socket, and the program as a process.

mod binary;
mod client;
mod export;
mod hub;
mod made_up;
mod made_up_models;
mod pages;
mod pulling;
#[path = "../support/server.rs"]
mod server;
#[path = "../support/terminal.rs"]
mod terminal;
mod upkeep;
mod waiting;
mod watching;
