//! The HTTP API over real sockets and a real database; the learner's desk is answered by the test.

mod backups;
mod bodies;
mod changing;
mod daemon;
mod doors;
mod export;
mod openai;
mod problems;
mod reading;
mod schema;
mod streams;
mod under_way;
mod upkeep;
