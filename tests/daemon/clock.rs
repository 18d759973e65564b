//! A daemon in the test's own process, with a clock that the test moves.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use sealctl::client::{Client, Place};
use seald::config::Config;
use seald::daemon::{self, Environment};
use seald_core::clock::Clock;
use seald_core::error::Result;
use seald_core::protocol::{Held, StatusView};
use seald_engine::kernels::Compute;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::daemon::host::FAR_TOO_LONG;

/// A minute of 22 November 2025, milliseconds since 1970.
pub(super) const START: i64 = 1_763_762_400_000;

/// The daemon.
pub(super) struct InProcess {
    pub(super) client: Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<()>>,
}

impl InProcess {
    /// Starts it on `root` and waits until it answers.
    pub(super) async fn start(root: &Path, time: Arc<AtomicI64>) -> Self {
        let around = Environment {
            program: crate::programs::seald().to_path_buf(),
            compute: Arc::new(|| Compute::best_cpu(0)),
            clock: Clock::Set(time),
            release_memory: || {},
            set_log_level: Arc::new(|_| Ok(())),
        };
        let config = Config::load(None, Some(root)).unwrap();
        let socket = config.socket_path();
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(daemon::run(config, around, async { drop(stopped.await) }));
        let client = Client::new(Place::Socket { path: socket, tried: Vec::new() });
        let answers = async {
            while client.get("/v1/status").await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(timeout(FAR_TOO_LONG, answers).await.is_ok(), "it does not answer");
        Self { client, stop, running }
    }

    pub(super) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }

    /// Waits until the status is as wanted. The clerk looks at the clock whenever somebody asks for something, and else every few seconds.
    async fn until(&self, what: &str, wanted: impl Fn(&StatusView) -> bool) {
        let started = Instant::now();
        loop {
            let status = self.client.read("/v1/status").await.unwrap();
            if wanted(&status) {
                return;
            }
            assert!(started.elapsed() < FAR_TOO_LONG, "not {what}: {status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn is_paused(status: &StatusView) -> bool {
    matches!(status.held, Some(Held::Paused { .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_makes_neither_pauses_nor_schedules_last() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("seald.toml"), "[schedule]\nbackup = \"0 0 * * * *\"\n").unwrap();
    let time = Arc::new(AtomicI64::new(START));
    let daemon = InProcess::start(dir.path(), time.clone()).await;
    let backed_up = |status: &StatusView| {
        status.next.iter().find(|run| run.what == "backup").and_then(|run| run.last).map(|last| last.0)
    };
    daemon.until("backed up", |status| backed_up(status).is_some()).await;

    daemon.client.post("/v1/pause", &json!({ "seconds": 1 })).await.unwrap();
    daemon.until("paused", is_paused).await;
    let earlier = START - 7_200_000;
    time.store(earlier, Ordering::Relaxed);
    // A second on the new clock, wherever it stands, once the clerk has seen that: long before the clock is where it was.
    daemon
        .until("at work again on the new clock", |status| {
            time.fetch_add(20, Ordering::Relaxed);
            !is_paused(status)
        })
        .await;

    // The next full hour of the new clock lies before the last backup.
    time.store(earlier + 3_600_000, Ordering::Relaxed);
    daemon.client.post("/v1/resume", &Value::Null).await.unwrap();
    daemon
        .until("backed up by the new clock", |status| backed_up(status).is_some_and(|last| last < START))
        .await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_without_a_document_become_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let time = Arc::new(AtomicI64::new(START));
    let daemon = InProcess::start(dir.path(), time.clone()).await;
    let inbox = dir.path().join("inbox");
    let row = r#"{"question":"Who built it?","answer":"Osk Tarr"}"#;
    std::fs::write(inbox.join("x.probes.jsonl"), row).unwrap();
    // Whatever is handed in makes it look.
    let look = async || daemon.client.upload("/v1/documents?name=broken.docx", b"{}".to_vec()).await.unwrap();
    let problem = async || daemon.client.read::<StatusView>("/v1/status").await.unwrap().problems.pop();
    let said = loop {
        look().await;
        if let Some(said) = problem().await {
            break said;
        }
        time.fetch_add(10_000, Ordering::Relaxed);
    };
    assert!(said.contains("x.probes.jsonl holds questions") && said.contains("called x or x.md"), "{said}");
    assert!(time.load(Ordering::Relaxed) - START >= 300_000, "its document may be on its way");
    std::fs::remove_file(inbox.join("x.probes.jsonl")).unwrap();
    look().await;
    daemon.until("no problem left", |status| status.problems.is_empty()).await;
    daemon.stop().await;
}
