//! What systemd is told: ready, busy with what, alive, on the way down. Nothing where no one listens (`NOTIFY_SOCKET`).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sd_notify::NotifyState;

use super::hold::Hold;
use super::slot::ModelSlot;
use crate::config::Config;
use crate::pipeline::monitor::Monitor;
use crate::protocol::{Activity, Held};

/// Between two looks at what to tell.
const LOOK: Duration = Duration::from_secs(2);

/// The daemon serves.
pub(super) fn ready(config: &Config) {
    tracing::info!(
        root = %config.root.display(),
        inbox = %config.inbox_path().display(),
        socket = %config.socket_path().display(),
        "ready"
    );
    tell(&[NotifyState::Ready]);
}

/// A new configuration is being read; [`reloaded`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The new configuration is in force.
pub(super) fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// The daemon is on its way down.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Keeps systemd's status line true and its watchdog fed while the learner shows signs of life: passes of the model, or
/// beats of a thread that waits.
pub(super) async fn keep_telling(monitor: Arc<Monitor>, hold: Arc<Hold>, slot: Arc<ModelSlot>) {
    let every = sd_notify::watchdog_enabled().map(|limit| limit / 4);
    let mut ticks = tokio::time::interval(every.unwrap_or(LOOK).min(LOOK));
    let (mut told, mut alive) = (String::new(), None);
    loop {
        ticks.tick().await;
        let now = monitor.now();
        let words = words(&now.activity, now.held.as_ref());
        if words != told {
            tell(&[NotifyState::Status(&words)]);
            told = words;
        }
        if every.is_some() {
            let sign = (hold.beat.load(Ordering::Relaxed), slot.passes());
            let idle = !matches!(now.activity, Activity::Learning(_) | Activity::Replaying { .. });
            if idle || alive != Some(sign) {
                tell(&[NotifyState::Watchdog]);
            }
            alive = Some(sign);
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
        (_, Some(Held::Paused { .. })) => "paused".into(),
        (_, Some(Held::QuietHours { .. })) => "quiet hours".into(),
        (_, Some(Held::Busy { others })) => {
            format!("waiting: other programs use {others} % of the processors")
        }
        (_, Some(Held::Trouble { reason, .. })) => format!("cannot learn: {reason}"),
        (Activity::Opening, None) => "opening the base model".into(),
        (Activity::Replaying { .. }, None) => "asking about what was learned".into(),
        (Activity::Stopping, None) => "stopping".into(),
        (Activity::Idle, None) => "idle".into(),
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
