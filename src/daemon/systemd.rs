//! What systemd is told: ready, busy with what, alive, on the way down. Nothing where no one listens (`NOTIFY_SOCKET`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use sd_notify::NotifyState;

use super::hold::Hold;
use super::slot::ModelSlot;
use crate::config::Config;
use crate::pipeline::monitor::Monitor;
use seald_core::protocol::{Activity, Held, Tending};

/// Between two looks at what to tell.
const LOOK: Duration = Duration::from_secs(2);

/// Messages that may wait for systemd to read them; more are dropped.
const MAX_WAITING: usize = 16;
/// How long the daemon's end waits for its last message to be read.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A message, and whom to tell that it was sent.
type Message = (String, Option<SyncSender<()>>);

/// Tells systemd from a thread of its own: to send blocks while nobody reads at the other end.
#[derive(Clone)]
pub(super) struct Notifier(Option<SyncSender<Message>>);

impl Notifier {
    /// One that tells whoever listens.
    pub(super) fn new() -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self(None);
        }
        let (tell, told) = mpsc::sync_channel::<Message>(MAX_WAITING);
        let send = move || {
            for (message, sent) in told {
                if let Err(error) = sd_notify::notify(&[NotifyState::Custom(&message)]) {
                    tracing::debug!(%error, "systemd cannot be told");
                }
                drop(sent);
            }
        };
        match std::thread::Builder::new().name("seald-notify".into()).spawn(send) {
            Ok(_) => Self(Some(tell)),
            Err(error) => {
                tracing::warn!(%error, "systemd cannot be told");
                Self(None)
            }
        }
    }

    /// The daemon serves.
    pub(super) fn ready(&self, config: &Config) {
        tracing::info!(
            root = %config.root.display(),
            inbox = %config.inbox_path().display(),
            socket = %config.socket_path().display(),
            "ready"
        );
        self.tell(&[NotifyState::Ready]);
    }

    /// A new configuration is being read; [`Self::reloaded`] follows.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.tell(&[NotifyState::Reloading, now]),
            Err(_) => self.tell(&[NotifyState::Reloading]),
        }
    }

    /// The new configuration is in force.
    pub(super) fn reloaded(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The daemon is on its way down; returns once that is sent, or cannot be.
    pub(super) fn stopping(&self) {
        let (sent, wait) = mpsc::sync_channel(0);
        self.put(NotifyState::Stopping.to_string(), Some(sent));
        // Nothing is sent through it: it ends when the message is away, or was dropped.
        let _ = wait.recv_timeout(LAST_WORD);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
        self.put(lines.join("\n"), None);
    }

    fn put(&self, message: String, sent: Option<SyncSender<()>>) {
        if let Some(queue) = &self.0
            && queue.try_send((message, sent)).is_err()
        {
            tracing::debug!("systemd does not read what it is told");
        }
    }

    /// Keeps systemd's status line true and its watchdog fed while the learner shows signs of life: passes of the model, or
    /// beats of a thread that waits.
    pub(super) async fn keep_telling(self, monitor: Arc<Monitor>, hold: Arc<Hold>, slot: Arc<ModelSlot>) {
        let every = sd_notify::watchdog_enabled().map(|limit| limit / 4);
        let mut ticks = tokio::time::interval(every.unwrap_or(LOOK).min(LOOK));
        let (mut told, mut alive) = (String::new(), None);
        loop {
            ticks.tick().await;
            let now = monitor.now();
            let words = words(&now.activity, now.why_held());
            if words != told {
                self.tell(&[NotifyState::Status(&words)]);
                told = words;
            }
            if every.is_some() {
                let sign = (hold.beat.load(Ordering::Relaxed), slot.passes());
                let idle = !matches!(
                    now.activity,
                    Activity::Calibrating(_)
                        | Activity::Learning(_)
                        | Activity::Tending(_)
                        | Activity::Replaying { .. }
                );
                if idle || alive != Some(sign) {
                    self.tell(&[NotifyState::Watchdog]);
                }
                alive = Some(sign);
            }
        }
    }
}

/// One line on what is being done.
fn words(activity: &Activity, held: Option<&Held>) -> String {
    match (activity, held) {
        (Activity::Learning(learning), None) => {
            let title: String = learning.title.chars().filter(|c| !c.is_control()).take(60).collect();
            match &learning.trial {
                Some(trial) => format!("learning {title}: {} {}/{}", learning.stage, trial.step, trial.steps),
                None => format!("learning {title}: {}", learning.stage),
            }
        }
        (Activity::Calibrating(_), None) => "calibrating the base model".into(),
        (Activity::Tending(Tending { kind, stage, trial, .. }), None) => match trial {
            Some(trial) => format!("{kind}: {stage} {}/{}", trial.step, trial.steps),
            None => format!("{kind}: {stage}"),
        },
        (_, Some(Held::Paused { .. })) => "paused".into(),
        (_, Some(Held::QuietHours { .. })) => "quiet hours".into(),
        (_, Some(Held::Busy { others })) => {
            format!("waiting: other programs use {others} % of the processors")
        }
        (_, Some(Held::Trouble { reason, .. })) => format!("cannot learn: {reason}"),
        (Activity::Opening, None) => "preparing the base model".into(),
        (Activity::Replaying { .. }, None) => "asking about what was learned".into(),
        (Activity::Stopping, None) => "stopping".into(),
        (Activity::Idle, None) => "idle".into(),
    }
}
