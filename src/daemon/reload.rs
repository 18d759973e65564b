//! SIGHUP: the configuration is read again; what can change while the daemon runs changes, the rest is named.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::SetLogLevel;
use super::clerk::Rules;
use super::learner::Settings;
use super::systemd::Notifier;
use crate::config::Config;
use crate::pipeline::WorkerOptions;
use seald_core::clock::Clock;
use seald_core::error::{Context, Kind, Result};
use seald_ingest::inbox::{DONE, InboxOptions};

/// What a reload changes.
pub(super) struct Reload {
    pub(super) settings: Arc<RwLock<Settings>>,
    pub(super) rules: Arc<RwLock<Rules>>,
    pub(super) inbox: Arc<RwLock<InboxOptions>>,
    pub(super) set_log_level: SetLogLevel,
    pub(super) clock: Clock,
    pub(super) hangups: Signal,
    pub(super) notifier: Notifier,
}

/// Listens for SIGHUP from now on.
pub(super) fn hangups() -> Result<Signal> {
    signal(SignalKind::hangup()).doing(Kind::Io, || "cannot listen for SIGHUP".to_string())
}

/// The learner's settings.
pub(super) fn settings(config: &Config, clock: &Clock) -> Settings {
    let (learn, writer, gate) = (config.learn.clone(), config.writer.clone(), config.gate.clone());
    let max_memory = config.resources.max_memory.as_ref().map(|size| size.bytes());
    Settings {
        worker: WorkerOptions {
            learn,
            writer,
            gate,
            consolidate: config.consolidate.clone(),
            writer_rounds: config.writer_rounds.clone(),
            done: Some(config.inbox_path().join(DONE)),
            max_memory,
            clock: clock.clone(),
            on_work: None,
            checkpoint_every: None,
        },
        patience: Duration::from_secs(config.resources.unload_after_seconds),
    }
}

impl Reload {
    /// Completes when somebody asks for a reload.
    pub(super) async fn asked(&mut self) {
        if self.hangups.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Reads the configuration again. One that cannot be read changes nothing.
    pub(super) fn now(&self, config: &mut Config) {
        self.notifier.reloading();
        match Config::load(config.source.as_deref(), Some(&config.root)) {
            Ok(new) => match self.take(config, new) {
                Ok(()) => {}
                Err(error) => tracing::error!(%error, "the new configuration is not taken"),
            },
            Err(error) => tracing::error!(%error, "the new configuration cannot be read; the old one stays"),
        }
        self.notifier.reloaded();
    }

    fn take(&self, config: &mut Config, new: Config) -> Result<()> {
        let (now, later) = config.reloadable_difference(&new);
        let rules = Rules::new(&new.schedule, &new.resources)?;
        (self.set_log_level)(&new.log.level)?;
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        *self.inbox.write().unwrap_or_else(PoisonError::into_inner) = new.inbox;
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings(&new, &self.clock);
        match (now.is_empty(), later.is_empty()) {
            (true, true) => tracing::info!("read the configuration again: nothing changed"),
            (_, true) => tracing::info!(changed = now.join(", "), "read the configuration again"),
            _ => tracing::warn!(
                changed = now.join(", "),
                needs_restart = later.join(", "),
                "read the configuration again; some of it takes effect only after a restart"
            ),
        }
        config.schedule = new.schedule;
        config.inbox = new.inbox;
        config.resources = new.resources;
        config.learn = new.learn;
        config.writer = new.writer;
        config.gate = new.gate;
        config.consolidate = new.consolidate;
        config.writer_rounds = new.writer_rounds;
        config.log = new.log;
        Ok(())
    }
}
