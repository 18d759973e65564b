//! Threads with names and an owner: how each ends is told, and the end waits for all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use seald_core::error::{Context, Kind, Result};

/// Between two looks at threads that are to end.
const LOOK: Duration = Duration::from_millis(20);

/// A thread that ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its name.
    pub(super) name: &'static str,
    /// Why.
    pub(super) error: String,
}

/// The daemon's threads.
#[derive(Debug)]
pub(super) struct Threads {
    running: Vec<(&'static str, JoinHandle<()>)>,
    ended: mpsc::UnboundedSender<Ended>,
}

impl Threads {
    /// None yet, and where their ends are told.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Ended>) {
        let (ended, ends) = mpsc::unbounded_channel();
        (Self { running: Vec::new(), ended }, ends)
    }

    /// Starts one. A panic in it ends that thread alone, and is told.
    ///
    /// # Errors
    /// [`Kind::Io`] where the system has no more threads.
    pub(super) fn start(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let ended = self.ended.clone();
        let run = move || {
            let error = match catch_unwind(AssertUnwindSafe(work)) {
                Ok(Ok(())) => "it had nothing more to do".to_string(),
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("it panicked: {}", words(panic.as_ref())),
            };
            // At the end of the daemon nobody asks any more.
            let _ = ended.send(Ended { name, error });
        };
        let thread = std::thread::Builder::new().name(format!("seald-{name}")).spawn(run);
        let thread = thread.doing(Kind::Io, || format!("cannot start the thread {name}"))?;
        self.running.push((name, thread));
        Ok(())
    }

    /// Waits for all to end; the names of those that have not after `patience`.
    pub(super) async fn join(self, patience: Duration) -> Vec<&'static str> {
        let started = Instant::now();
        while self.running.iter().any(|(_, thread)| !thread.is_finished()) && started.elapsed() < patience {
            tokio::time::sleep(LOOK).await;
        }
        self.running.iter().filter(|(_, thread)| !thread.is_finished()).map(|(name, _)| *name).collect()
    }
}

/// Does work on a thread of its own and waits for it, so that the memory it worked with can go when it is done: what a
/// thread frees stays with that thread.
pub(super) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

/// What a panic said.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::error::Error;

    #[tokio::test]
    async fn the_end_of_a_thread_is_told_however_it_ends() {
        let (mut threads, mut ends) = Threads::new();
        threads.start("one", || Err(Error::new(Kind::Io, "the disk is gone"))).unwrap();
        let end = ends.recv().await.unwrap();
        assert_eq!((end.name, end.error.as_str()), ("one", "the disk is gone"));
        threads.start("two", || panic!("a defect")).unwrap();
        let end = ends.recv().await.unwrap();
        assert!(end.name == "two" && end.error.contains("a defect"), "{}", end.error);
        assert_eq!(threads.join(Duration::from_secs(60)).await, Vec::<&str>::new());
    }
}
