//! The HTTP API over real sockets and a real database; the learner's desk is answered by the test.

mod changing;
mod daemon;
mod doors;
mod export;
#[path = "../store/made_up.rs"]
#[allow(dead_code, reason = "the tests of the database use all of it, these some")]
mod made_up;
mod openai;
mod problems;
mod reading;
mod schema;
mod streams;
mod upkeep;
