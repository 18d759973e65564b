//! The pipeline on the embedded model: real documents, real trainings, a real database; and a process that dies at every named place.

mod calibrating;
mod crash;
mod foretold;
mod intake;
mod settle;
mod support;
mod upkeep;
mod upkeep_kill;
