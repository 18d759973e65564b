//! Waiting: until nothing is to be done any more, the daemon has ended, or nothing goes on.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::ledger::{open_jobs, waiting_files};

/// Where nothing that the status tells has changed for so long, nothing goes on.
const STILL: Duration = Duration::from_secs(90);
/// Files that are still there, while nothing else is to be done, are not taken.
const LEFT: Duration = Duration::from_secs(15);
/// Times that it is told not to wait out a trouble.
const URGED: usize = 20;

/// What waiting came to.
#[derive(Debug)]
pub(crate) enum Settled {
    Idle,
    Ended(ExitStatus),
    /// It waits out a trouble that comes again and again.
    Trouble(String),
    /// Something is to be done and nobody does it.
    Stuck(String),
}

/// Waits until everything is done. Pauses are ended, and troubles not waited out.
pub(crate) fn until_idle(daemon: &mut Daemon) -> Settled {
    let (mut before, mut since, mut urged, mut held) = (Value::Null, Instant::now(), 0, Value::Null);
    loop {
        if let Some(status) = daemon.ended() {
            return Settled::Ended(status);
        }
        let Ok(status) = daemon.status() else {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        };
        let (files, jobs) = (waiting_files(&daemon.root), open_jobs(&daemon.root));
        let jobs = jobs.unwrap_or_else(|error| vec![error.to_string()]);
        match status["held"]["why"].as_str() {
            Some("trouble") if urged >= URGED => {
                return Settled::Trouble(status["held"]["reason"].as_str().unwrap_or_default().to_string());
            }
            // Once for each time that it begins to wait.
            Some(_) if status["held"] != held => {
                urged += usize::from(status["held"]["why"] == "trouble");
                if matches!(daemon.ask("POST", "/v1/resume", b"{}"), Ok((200, _))) {
                    held = status["held"].clone();
                }
            }
            Some(_) => {}
            None => {}
        }
        let idle =
            status["activity"]["state"] == "idle" && status["documents"]["waiting"] == 0 && jobs.is_empty();
        if idle && status["held"].is_null() && (files.is_empty() || since.elapsed() > LEFT) {
            return Settled::Idle;
        }
        let now = json!([status["activity"], status["documents"], status["work"], files.len(), jobs, urged]);
        if now != before {
            (before, since) = (now, Instant::now());
        } else if since.elapsed() > STILL {
            return Settled::Stuck(format!(
                "{} {files:?} {jobs:?} {}",
                status["activity"], status["documents"]
            ));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until what was handed in was taken; false where the daemon ended, or it is not.
pub(crate) fn until_taken(daemon: &mut Daemon) -> bool {
    let started = Instant::now();
    while !waiting_files(&daemon.root).is_empty() {
        if daemon.ended().is_some() || started.elapsed() > STILL {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Waits for something; false where the daemon ended, or it does not come.
pub(crate) fn until(daemon: &mut Daemon, wanted: impl Fn(&Daemon) -> bool) -> bool {
    let started = Instant::now();
    while !wanted(daemon) {
        if daemon.ended().is_some() || started.elapsed() > STILL {
            return false;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    true
}
