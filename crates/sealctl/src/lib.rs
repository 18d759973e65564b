//! What `sealctl` is made of beside its verbs: the client of the daemon's API, and that of the Hugging Face hub.

pub mod client;
pub mod hub;
