//! The clerk: one thread that takes requests at once, however long learning takes, watches the clock, and says when learning is held.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::{Local, TimeZone};
use tokio::sync::Notify;

use super::cpu_load::CpuLoad;
use super::hold::Hold;
use super::housekeeping;
use super::learner::Work;
use super::schedule::Entry;
use super::slot::ModelSlot;
use crate::config::{QuietHours, ResourceOptions, ScheduleOptions};
use crate::pipeline::control::Request;
use crate::pipeline::monitor::Monitor;
use crate::pipeline::{self, Root};
use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::job::{Event, JobKind, JobState};
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{Held, NextRun};
use seald_store::{NewEvent, Pause, Store};

/// Longest sleep.
const TICK: Duration = Duration::from_secs(20);
/// Sleep while other programs are watched.
const WATCHING: Duration = Duration::from_secs(5);

/// What the clerk goes by; changed by a reload.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    entries: Vec<Entry>,
    quiet: QuietHours,
    keep_backups: usize,
    keep_generations: usize,
    above_others: Option<u8>,
    unload_after: Duration,
}

impl Rules {
    /// From the configuration.
    pub(super) fn new(schedule: &ScheduleOptions, resources: &ResourceOptions) -> Result<Self> {
        let ScheduleOptions { replay, consolidate, writer_round, prune, backup, .. } = schedule;
        let times = [
            ("replay", replay),
            (JobKind::Consolidate.as_str(), consolidate),
            (JobKind::WriterRound.as_str(), writer_round),
            ("prune", prune),
            ("backup", backup),
        ];
        let mut entries = Vec::new();
        for (what, expression) in times {
            entries.extend(Entry::new(what, expression)?);
        }
        Ok(Self {
            entries,
            quiet: schedule.quiet()?,
            keep_backups: schedule.keep_backups,
            keep_generations: schedule.keep_generations,
            above_others: resources.pause_above_others,
            unload_after: Duration::from_secs(resources.unload_after_seconds),
        })
    }
}

/// The thread.
pub(super) struct Clerk {
    pub(super) root: Root,
    pub(super) store: Store,
    pub(super) slot: Arc<ModelSlot>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) hold: Arc<Hold>,
    pub(super) rules: Arc<RwLock<Rules>>,
    pub(super) learner: Sender<Work>,
    pub(super) clock: Clock,
    pub(super) cpu_load: CpuLoad,
    /// Told when the daemon is to stop and begin again.
    pub(super) begin_again: Arc<Notify>,
}

impl Clerk {
    /// Says whether learning is held now.
    pub(super) fn look(&mut self) -> Result<()> {
        self.see_to_hold(&self.read_rules())
    }

    /// Works until the daemon stops.
    pub(super) fn run(mut self, requests: Receiver<Request>) {
        let mut wait = Duration::ZERO;
        while !self.hold.is_stopping() {
            match requests.recv_timeout(wait) {
                Ok(request) => self.serve(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            wait = self.tick().unwrap_or_else(|error| {
                tracing::error!(%error, "the schedule cannot be kept");
                self.monitor.problem("schedule", Some(error.reason_first()));
                TICK
            });
        }
    }

    fn serve(&mut self, request: Request) {
        // Whoever asked may have gone.
        match request {
            Request::Pause(until, reply) => drop(reply.send(self.pause(until))),
            Request::Resume(reply) => drop(reply.send(self.resume())),
            Request::Retry(document, reply) => drop(reply.send(self.retry(document))),
            Request::Rollback(to, reply) => {
                self.pass_on(Work::Rollback(to, reply));
                // It does not wait for the document under way, whose stage is given back and begun again.
                self.hold.interrupt.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Request::Replay(reply) => self.pass_on(Work::Replay(vec![reply])),
            Request::Queue(kind, reply) => drop(reply.send(self.queue(kind, "asked for"))),
            Request::Forget(document, keep, reply) => drop(reply.send(self.forget(document, keep))),
            Request::UseModel(model, reply) => {
                let noted = self.want_model(&model);
                let begins_again = noted.is_ok();
                drop(reply.send(noted));
                if begins_again {
                    self.begin_again.notify_one();
                }
            }
            Request::BackUp(reply) => drop(reply.send(self.back_up_now())),
            Request::Look => self.pass_on(Work::Look),
        }
    }

    /// Notes the base model that the daemon is to begin again with.
    fn want_model(&mut self, model: &str) -> Result<()> {
        self.store.want_model(Some(model))?;
        self.note("base_wanted", None, serde_json::json!({ "model": model }))
    }

    /// To the learner. One that has gone drops the reply, which tells whoever waits for it.
    fn pass_on(&self, work: Work) {
        let _ = self.learner.send(work);
    }

    fn pause(&mut self, until: Option<Timestamp>) -> Result<()> {
        self.store.set_pause(Some(Pause { since: self.clock.now(), until }))?;
        self.note("paused", None, serde_json::json!({ "until": until }))?;
        // Whoever asked finds it held as soon as the answer is there.
        self.look()
    }

    fn resume(&mut self) -> Result<()> {
        self.store.set_pause(None)?;
        self.note("resumed", None, serde_json::Value::Null)?;
        self.pass_on(Work::TryNow);
        self.look()
    }

    fn read_rules(&self) -> Rules {
        self.rules.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn retry(&mut self, document: DocumentId) -> Result<()> {
        let job = self.store.job_of(document)?;
        if matches!(job.state, JobState::Queued | JobState::Running) {
            let text = format!("document {document} waits to be learned already");
            return Err(Error::new(Kind::Conflict, text));
        }
        self.store.apply(job.id, Event::Retried)?;
        self.note("retried", Some(document), serde_json::Value::Null)?;
        self.pass_on(Work::Look);
        Ok(())
    }

    fn queue(&mut self, kind: JobKind, reason: &str) -> Result<JobId> {
        let job = self.store.queue(kind, None, reason)?.id;
        self.pass_on(Work::Look);
        Ok(job)
    }

    fn forget(&mut self, document: DocumentId, keep_history: bool) -> Result<JobId> {
        let job = self.store.forget(document, keep_history)?.id;
        self.note("forget_asked", Some(document), serde_json::json!({ "keep_history": keep_history }))?;
        self.pass_on(Work::Look);
        Ok(job)
    }

    /// Looks at the clock; how long until the next look.
    fn tick(&mut self) -> Result<Duration> {
        let rules = self.read_rules();
        self.see_to_hold(&rules)?;
        let next = self.do_what_is_due(&rules)?;
        self.monitor.problem("schedule", None);
        let stays = self.slot.let_go_after(rules.unload_after);
        let watching = rules.above_others.map(|_| WATCHING);
        let soonest = [next, stays, watching, self.pause_left()?].into_iter().flatten().min();
        Ok(soonest.unwrap_or(TICK).clamp(Duration::from_millis(50), TICK))
    }

    /// The same by these rules.
    fn see_to_hold(&mut self, rules: &Rules) -> Result<()> {
        let held = self.held(rules)?;
        if self.hold.held() != held {
            let goes_on = held.is_none();
            self.hold.set(held.clone());
            self.monitor.update(|now| now.held = held);
            if goes_on {
                self.pass_on(Work::Look);
            }
        }
        Ok(())
    }

    /// Why learning is held now, if it is: by a person first, then by the clock, then by others.
    fn held(&mut self, rules: &Rules) -> Result<Option<Held>> {
        let now = self.clock.now();
        if let Some(pause) = self.store.pause()? {
            let Pause { since, until } = pause.seen_at(now);
            if since != pause.since {
                self.store.set_pause(Some(Pause { since, until }))?;
            }
            if until.is_none_or(|until| now < until) {
                return Ok(Some(Held::Paused { since, until }));
            }
            self.store.set_pause(None)?;
            self.note("resumed", None, serde_json::Value::Null)?;
        }
        let local = Local.timestamp_millis_opt(now.0).single();
        if let Some(until) = local.and_then(|local| rules.quiet.quiet_until(local.naive_local())) {
            // A time that the change of the clocks skips or doubles: either of the two, or now and again in a minute.
            let until = Local.from_local_datetime(&until).earliest();
            let until = until.map_or(now.plus_seconds(60), |until| Timestamp(until.timestamp_millis()));
            return Ok(Some(Held::QuietHours { until }));
        }
        let Some(above) = rules.above_others else { return Ok(None) };
        let others = self.cpu_load.share();
        Ok(others.filter(|others| *others >= above).map(|others| Held::Busy { others }))
    }

    fn pause_left(&self) -> Result<Option<Duration>> {
        let until = self.store.pause()?.and_then(|pause| pause.until);
        let left = until.map(|until| until.0.saturating_sub(self.clock.now().0).max(0));
        Ok(left.map(|left| Duration::from_millis(left as u64)))
    }

    /// Does scheduled work whose time has come; how long until the next.
    fn do_what_is_due(&mut self, rules: &Rules) -> Result<Option<Duration>> {
        let (now, known) = (self.clock.now(), self.store.scheduled()?);
        let mut next = Vec::new();
        for entry in &rules.entries {
            let (mut since, mut last) = match known.iter().find(|one| one.what == entry.what) {
                // The clock was set back since: what was to come in that time would not come for as long.
                Some(one) if one.since > now => {
                    self.store.schedule_from(entry.what, now)?;
                    (now, one.last_run)
                }
                Some(one) => (one.since, one.last_run),
                None => {
                    self.store.schedule_from(entry.what, now)?;
                    (now, None)
                }
            };
            // A root without any backup gets its first at once.
            let first = last.is_none() && entry.what == "backup";
            if first || entry.due(since, now, &Local) {
                self.start(entry.what, rules)?;
                self.store.ran(entry.what, now)?;
                (since, last) = (now, Some(now));
            }
            let at = entry.after(since.min(now), &Local);
            next.extend(at.map(|at| NextRun { what: entry.what.into(), at, last }));
        }
        next.sort_by_key(|run| run.at);
        let left =
            next.first().map(|run| Duration::from_millis(run.at.0.saturating_sub(now.0).max(0) as u64));
        self.monitor.update(|now| now.next = next);
        Ok(left)
    }

    fn start(&mut self, what: &str, rules: &Rules) -> Result<()> {
        tracing::info!(what, "scheduled work begins");
        match what {
            "replay" => self.pass_on(Work::Replay(Vec::new())),
            "consolidate" if self.store.learned_since_consolidation()? > 1 => {
                self.queue(JobKind::Consolidate, "scheduled")?;
            }
            "writer_round" if self.store.winners_since_round()? > 0 => {
                self.queue(JobKind::WriterRound, "scheduled")?;
            }
            // Nothing was learned since the last time.
            "consolidate" | "writer_round" => {}
            "prune" => {
                let gone = housekeeping::prune(&self.root, &self.store, rules.keep_generations)?;
                let names: Vec<String> = gone.iter().map(|id| id.folder()).collect();
                if !names.is_empty() {
                    self.note("pruned", None, serde_json::json!({ "generations": names }))?;
                }
            }
            // What a person must see to does not end by trying again every few seconds: the schedule goes on.
            _ => match self.back_up(rules) {
                Err(error) if error.kind() == Kind::Corrupt => tracing::error!(%error, "cannot back up"),
                made => drop(made?),
            },
        }
        Ok(())
    }

    fn back_up(&mut self, rules: &Rules) -> Result<PathBuf> {
        let made = pipeline::back_up(&self.root, &self.store, self.clock.now(), rules.keep_backups);
        let damaged = made.as_ref().err().filter(|error| error.kind() == Kind::Corrupt);
        self.monitor.problem("database", damaged.map(Error::reason_first));
        let made = made?;
        self.note("backed_up", None, serde_json::json!({ "path": made }))?;
        Ok(made)
    }

    /// Because somebody asked; the schedule goes on from here.
    fn back_up_now(&mut self) -> Result<PathBuf> {
        let made = self.back_up(&self.read_rules())?;
        self.store.ran("backup", self.clock.now())?;
        Ok(made)
    }

    fn note(&mut self, kind: &str, document: Option<DocumentId>, body: serde_json::Value) -> Result<()> {
        self.store.log(&[NewEvent { at: self.clock.now(), job: None, document, kind: kind.into(), body }])?;
        self.monitor.logged();
        Ok(())
    }
}
