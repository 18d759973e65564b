//! Plays a seed: life after life, then one without faults until nothing waits, and the checks.

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::{Value, json};

use crate::actions::Outside;
use crate::check;
use crate::daemon::{self, Daemon};
use crate::damage;
use crate::faults::Tools;
use crate::ledger::{Ledger, rows};
use crate::plan::{End, Fault, Life, Plan};
use crate::settle::{Settled, until_idle};

/// What came of a seed.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What must not be.
    pub(crate) wrong: Vec<String>,
    /// What is worth knowing.
    pub(crate) notes: Vec<String>,
    pub(crate) faults: Vec<Value>,
    pub(crate) documents: usize,
}

/// Where a seed is played.
struct Stage<'t> {
    tools: &'t Tools,
    place: PathBuf,
    root: PathBuf,
    ledger: Ledger,
    told: Told,
}

/// Plays it in `place`, which is not there yet.
pub(crate) fn play(plan: &Plan, place: &Path, tools: &Tools) -> Told {
    let (place, root) = (place.to_path_buf(), place.join("root"));
    daemon::make_root(&root);
    let mut stage = Stage { tools, place, root, ledger: Ledger::default(), told: Told::default() };
    for (number, life) in plan.lives.iter().enumerate() {
        stage.live(plan.seed, number, life);
    }
    stage.end_well(plan.seed);
    stage.told
}

impl Stage<'_> {
    fn wrong(&mut self, words: impl Into<String>) {
        self.told.wrong.push(words.into());
    }

    fn note(&mut self, life: usize, words: impl std::fmt::Display) {
        self.told.notes.push(format!("life {life}: {words}"));
    }

    /// One life, with what goes before it.
    fn live(&mut self, seed: u64, number: usize, life: &Life) {
        if let Some(what) = life.damage {
            let done = damage::inflict(what, &self.root, &self.place, &mut self.ledger, self.tools);
            let kind = format!("{what:?}");
            let kind = kind.split('(').next().unwrap().to_lowercase();
            self.told
                .faults
                .push(json!({"kind": format!("damage: {kind}"), "struck": done.is_some(), "what": what}));
            self.told.wrong.extend(done.unwrap_or_default());
        }
        let (log, told) =
            (self.place.join(format!("life-{number}.log")), self.place.join(format!("struck-{number}")));
        let mut daemon = Daemon::start(self.tools, &self.root, &life.fault, &log, &told);
        // Whatever is refused from here on may have been refused for it.
        self.ledger.io_failed |= matches!(
            life.fault,
            Fault::CallFails { .. } | Fault::NoMemory { .. } | Fault::OutOfMemory { .. }
        );
        if daemon.wait_ready() {
            let mut outside =
                Outside { seed, ledger: &mut self.ledger, place: &self.place, wrong: Vec::new() };
            for action in &life.actions {
                if daemon.ended().is_some() {
                    break;
                }
                outside.act(action, &mut daemon, &life.fault);
            }
            let wrong = std::mem::take(&mut outside.wrong);
            self.told.wrong.extend(wrong.into_iter().map(|words| format!("{words} (life {number})")));
        } else {
            self.note(number, "it ended before it served");
        }
        let status = self.end(number, life, &mut daemon);
        let struck = std::fs::read_to_string(&told).unwrap_or_default();
        self.judge_end(number, &life.fault, status, &struck, &daemon.logged());
    }

    /// Lets a life end; how it did.
    fn end(&mut self, number: usize, life: &Life, daemon: &mut Daemon) -> ExitStatus {
        if let (End::StopAtOnce, Fault::Nothing | Fault::Clock { .. }) = (life.end, &life.fault) {
            return daemon.stop();
        }
        match until_idle(daemon) {
            Settled::Ended(status) => return status,
            Settled::Idle => self.ledger.note_learned(&self.root),
            Settled::Trouble(reason) => self.note(number, format!("trouble: {reason}")),
            Settled::Stuck(words) => self.wrong(format!("stuck: nothing goes on in life {number}: {words}")),
        }
        match life.end {
            End::IdleAndKill => daemon.kill(),
            End::IdleAndStop | End::StopAtOnce => daemon.stop(),
        }
    }

    /// Whether it ended as its fault lets it end, and whether the fault struck.
    fn judge_end(&mut self, number: usize, fault: &Fault, status: ExitStatus, told: &str, log: &str) {
        let signal = status.signal();
        let struck = match fault {
            Fault::Nothing => false,
            Fault::CrashAt(_) => signal == Some(libc::SIGABRT),
            Fault::Clock { .. } => true,
            Fault::KillAfterEvents(_) | Fault::OutOfMemory { .. } => signal == Some(libc::SIGKILL),
            Fault::KillAtCall { .. } | Fault::CallFails { .. } | Fault::NoMemory { .. } => !told.is_empty(),
        };
        let how =
            signal.map_or_else(|| format!("code {:?}", status.code()), |signal| format!("signal {signal}"));
        let first = told.lines().next().map(|line| line.replace(&*self.root.to_string_lossy(), "…"));
        let fault_told =
            json!({"kind": fault.kind(), "what": fault, "struck": struck, "ended": how, "first": first});
        self.told.faults.push(fault_told);
        let calls = matches!(fault, Fault::CallFails { .. } | Fault::NoMemory { .. });
        match (signal, status.code()) {
            (Some(libc::SIGKILL), _) => {}
            (Some(libc::SIGABRT), _) if matches!(fault, Fault::CrashAt(_)) => {}
            (Some(libc::SIGABRT), _) if matches!(fault, Fault::NoMemory { .. }) && struck => {}
            (Some(signal), _) => {
                self.wrong(format!("ended: by signal {signal} in life {number}, {}", fault.kind()))
            }
            (None, Some(0)) => {}
            (None, code) if calls && struck => {
                if !log.contains("ERROR") && !log.to_lowercase().contains("error:") {
                    self.wrong(format!("unseen: it ended with {code:?} and said nothing, in life {number}"));
                }
            }
            (None, code) => {
                self.wrong(format!("ended: with {code:?} in life {number}, {}: {}", fault.kind(), last(log)))
            }
        }
        if let Some(line) =
            log.lines().find(|line| line.contains("panicked at") || line.contains("it panicked"))
        {
            self.wrong(format!("panic in life {number}: {line}"));
        }
    }

    /// Faults off, everything done, one document more, and then the checks.
    fn end_well(&mut self, seed: u64) {
        let (log, told) = (self.place.join("last.log"), self.place.join("none"));
        let mut daemon = Daemon::start(self.tools, &self.root, &Fault::Nothing, &log, &told);
        if !daemon.wait_ready() {
            return self.wrong(format!("start: it does not start: {}", last(&daemon.logged())));
        }
        let _ = daemon.ask("POST", "/v1/resume", b"{}");
        match until_idle(&mut daemon) {
            Settled::Idle => {}
            other => self.wrong(format!("idle: not in the end: {other:?}")),
        }
        let mut outside = Outside { seed, ledger: &mut self.ledger, place: &self.place, wrong: Vec::new() };
        let last_one = outside.hand_last();
        self.told.wrong.extend(std::mem::take(&mut outside.wrong));
        match until_idle(&mut daemon) {
            Settled::Idle => {}
            other => self.wrong(format!("idle: not after one document more: {other:?}")),
        }
        let wrong = check::while_it_runs(&daemon, &self.ledger, &self.root, &last_one);
        self.told.wrong.extend(wrong);
        let status = daemon.stop();
        if status.code() != Some(0) {
            self.wrong(format!("stop: it ended with {status:?}: {}", last(&daemon.logged())));
        }
        let log = daemon.logged();
        for line in log.lines().filter(|line| line.contains("panicked")) {
            self.wrong(format!("panic in the end: {line}"));
        }
        let wrong = check::afterwards(&self.root, &self.ledger);
        self.told.wrong.extend(wrong);
        self.told.documents = rows(&self.root).map_or(0, |rows| rows.len());
    }
}

fn last(log: &str) -> String {
    log.lines().last().unwrap_or_default().to_string()
}
