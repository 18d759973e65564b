//! The pipeline on the embedded model: real documents, real trainings, a real database; and a process that dies at every named place.

mod crash;
mod intake;
mod settle;
mod support;
mod upkeep;
mod upkeep_kill;

#[expect(dead_code, reason = "shared with tests of the database")]
#[path = "../store/made_up.rs"]
mod made_up;
#[expect(dead_code, reason = "shared with other tests")]
#[path = "../support/tiny_model.rs"]
mod tiny_model;
