//! What others see of the program: views of the database in the terms of `protocol`. The routes come with the daemon.

pub mod views;
