//! The daemon: locks its root, takes up what an earlier process left, listens, and works until it is told to stop.
//!
//! Threads that block (the learner, the clerk, the answers, the inbox, the pushes) are named and watched; the end of any of them is the end of the daemon,
//! which systemd then starts again. Nothing is lost by that: everything that matters is in the database before it is acted upon.

mod answers;
mod clerk;
mod export;
mod hold;
mod housekeeping;
mod inbox;
mod learner;
mod others;
mod pushes;
mod reload;
mod schedule;
mod service;
mod slot;
mod start;
mod threads;
mod trouble;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::Config;
use crate::engine::kernels::Compute;
use crate::error::{Error, Kind, Result};

use start::Running;
use threads::Ended;

/// Longest that the step under way may take when the daemon stops; systemd's own patience is longer.
const PATIENCE: Duration = Duration::from_secs(50);

/// Changes what is logged: a level, or a filter as `RUST_LOG` takes it.
pub type SetLogLevel = Box<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// What the daemon needs of the program around it.
pub struct Surroundings {
    /// This program's file: it reads documents in child processes.
    pub program: PathBuf,
    /// Makes the engine's device, precision and threads.
    pub compute: Box<dyn Fn() -> Result<Compute> + Send + Sync>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Gives freed memory back to the system.
    pub release_memory: fn(),
    /// Changes what is logged.
    pub set_log_level: SetLogLevel,
}

/// Runs until `shutdown` completes, then finishes the step under way and gives the job back.
///
/// # Errors
/// [`Kind::Conflict`] where another process works in the root (with its id) or listens on the socket; [`Kind::Corrupt`] for a damaged database
/// (with the newest backup); [`Kind::Io`] where folders, sockets or threads cannot be made; [`Kind::Internal`] where a thread broke.
pub async fn run(config: Config, around: Surroundings, shutdown: impl Future<Output = ()>) -> Result<()> {
    let mut running = start::start(config, around).await?;
    running.teller.ready(&running.config);
    let broken = running.until(shutdown).await;
    running.teller.stopping();
    let Running { hold, monitor, threads, server, control, hints, pushes, .. } = running;
    tracing::info!("stopping after the step under way");
    monitor.update(|now| now.activity = crate::protocol::Activity::Stopping);
    hold.stop();
    // Whoever sleeps is woken: the clerk by a request, the inbox by a hint, the pushes by a word.
    control.look();
    let _ = hints.send(());
    if let Some(pushes) = pushes {
        let _ = pushes.send(pushes::Word::Look);
    }
    server.stop().await;
    drop(control);
    let late = threads.join(PATIENCE).await;
    if !late.is_empty() {
        tracing::warn!(
            threads = late.join(", "),
            "did not end in time; what they were doing is done again at the next start"
        );
    }
    tracing::info!("stopped");
    match broken {
        None => Ok(()),
        Some(Ended { name, error }) => Err(Error::new(Kind::Internal, format!("{name} ended: {error}"))),
    }
}
