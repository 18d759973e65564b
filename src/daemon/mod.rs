//! The daemon: locks its root, takes up what an earlier process left, listens, and works until it is told to stop.
//!
//! Threads that block (the learner, the clerk, the answers, the inbox, the pushes) are named and watched; the end of any of them is the end of the daemon,
//! which systemd then starts again. Nothing is lost by that: everything that matters is in the database before it is acted upon.

mod answers;
mod backoff;
mod clerk;
mod cpu_load;
mod export;
mod handing_in;
mod hold;
mod housekeeping;
mod inbox;
mod learner;
mod pushes;
mod reload;
mod schedule;
mod slot;
mod sockets;
mod start;
mod systemd;
mod threads;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use seald_core::clock::Clock;
use seald_core::error::{Error, Kind, Result};
use seald_engine::kernels::Compute;

pub use answers::try_schema;
use pushes::PushMessage;
use start::{End, RunningDaemon};
use systemd::Notifier;
use threads::Ended;

/// Longest that the step under way may take when the daemon stops; systemd's own patience is longer.
const PATIENCE: Duration = Duration::from_secs(50);

/// Changes what is logged: a level, or a filter as `RUST_LOG` takes it.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<()> + Send + Sync>;

/// What the daemon needs of the program around it.
#[derive(Clone)]
pub struct Environment {
    /// This program's file: it reads documents and tries schemas in child processes.
    pub program: PathBuf,
    /// Makes the engine's device, precision and threads.
    pub compute: Arc<dyn Fn() -> Result<Compute> + Send + Sync>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Gives freed memory back to the system.
    pub release_memory: fn(),
    /// Changes what is logged.
    pub set_log_level: SetLogLevel,
}

/// Runs until `shutdown` completes, then finishes the step under way and gives the job back. Where another base model is to be used, it stops
/// in the same way, and begins again with that one.
///
/// # Errors
/// [`Kind::Conflict`] where another process works in the root (with its id) or listens on the socket, and where the base model that was
/// learned on is gone; [`Kind::Corrupt`] for a damaged database
/// (with the newest backup); [`Kind::Io`] where folders, sockets or threads cannot be made; [`Kind::Internal`] where a thread broke.
pub async fn run(config: Config, around: Environment, shutdown: impl Future<Output = ()>) -> Result<()> {
    tokio::pin!(shutdown);
    let (mut config, notifier) = (config, Notifier::new());
    loop {
        let mut running = start::start(config.clone(), around.clone(), notifier.clone()).await?;
        notifier.ready(&running.config);
        let end = running.until(shutdown.as_mut()).await;
        if !matches!(end, End::BeginAgain) {
            notifier.stopping();
        }
        // What a reload changed stays.
        config = running.config.clone();
        let late = stop(running).await;
        match end {
            End::Asked => return Ok(()),
            // Two of them on one root would be one too many: the process goes, and the service manager starts another.
            End::BeginAgain if !late.is_empty() => {
                let text = format!("{} did not end in time: start seald again", late.join(", "));
                return Err(Error::new(Kind::Internal, text));
            }
            End::BeginAgain => tracing::info!("beginning again with another base model"),
            End::Broken(Ended { name, error }) => {
                return Err(Error::new(Kind::Internal, format!("{name} ended: {error}")));
            }
        }
    }
}

/// Ends every part, and lets go of the root; the threads that did not end in time.
async fn stop(running: RunningDaemon) -> Vec<&'static str> {
    tracing::info!("stopping after the step under way");
    running.monitor.turn_to(seald_core::protocol::Activity::Stopping);
    running.hold.stop();
    // Whoever sleeps is woken: the clerk by a request, the inbox by a hint, the pushes by a word.
    running.control.look();
    let _ = running.hints.send(());
    let RunningDaemon { threads, server, control, pushes, store, .. } = running;
    if let Some(pushes) = pushes {
        let _ = pushes.send(PushMessage::Look);
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
    // Last of all, so that the file is whole without its log: people copy it.
    if let Err(error) = store.close() {
        tracing::warn!(%error, "the database is whole only with the files beside it");
    }
    tracing::info!("stopped");
    late
}
