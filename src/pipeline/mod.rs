//! Jobs in motion: a worker takes them one after the other through their stages. Every stage computes, writes its files, and stores its
//! rows in one transaction; whatever kills the process, the stage is done again and ends the same.

mod backups;
mod budget;
mod calibration;
mod consolidate;
pub mod control;
pub mod crash;
mod generation_files;
mod intake;
mod knowledge;
mod lineage;
pub mod model_requests;
pub mod monitor;
mod pace;
mod place;
mod publish;
mod purge;
mod questions;
mod recover;
mod restore;
mod root;
mod stages;
mod told;
mod trainings;
mod worker;
mod writer_round;
mod writers;

pub use backups::{BackupFile, back_up, clean_backups, list_backups, newest_backup, open_database};
pub use calibration::{calibrated_with, kept_calibration};
pub use intake::{Intake, Ready, Taken, TakenDocument, keep_all, read, read_opened, take_in};
pub use knowledge::matrix;
pub use lineage::choose_base;
pub use pace::{BYTES_A_TOKEN, Course, REMEMBERED, document_seconds, longest_learned, seconds_a_byte};
pub use place::last_place;
pub use publish::roll_back;
pub use recover::{heal_live, unknown_adapters, unknown_in_words};
pub use restore::{
    FinishedRestore, Prepared, Unknown, finish_restore, prepare_restore, restore, restore_under_way,
    unknown_to,
};
pub use root::Root;
pub use seald_learn::forgetting::Share as Counted;
pub use stages::Replayed;
pub use worker::{Finished, Worker, WorkerOptions};
