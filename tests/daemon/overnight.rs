//! A daemon left alone for a night: a clock that the test moves, sixty documents, everything on schedule every hour. Slow:
//! `cargo test --release --test main -- --ignored --nocapture daemon::overnight`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::daemon::clock::InProcess;
use crate::repository::repository;
use sealctl::client::Client;
use seald::pipeline::{self, Root};
use seald_core::protocol::{Activity, StatusView};
use seald_store::Store;

const DOCUMENTS: usize = 60;
const HOURS: usize = 10;
const HOUR_MS: i64 = 3_600_000;
/// An hour's work, in their order.
const WORK: [(&str, i64); 3] = [("replay", 10), ("consolidate", 20), ("writer_round", 40)];

const CONFIG: &str = r#"
[inbox]
settle_seconds = 0
[schedule]
replay = "0 10 * * * *"
consolidate = "0 20 * * * *"
writer_round = "0 40 * * * *"
"#;

/// The night as the test sees it.
struct Night {
    root: PathBuf,
    time: Arc<AtomicI64>,
    client: Client,
}

impl Night {
    async fn status(&self) -> StatusView {
        self.client.read("/v1/status").await.unwrap()
    }

    /// Waits until nothing is under way and the status is as wanted.
    async fn rest(&self, wanted: impl Fn(&StatusView) -> bool) {
        loop {
            let status = self.status().await;
            if status.activity == Activity::Idle
                && status.documents.waiting == 0
                && wanted(&status)
                && self.nothing_open()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn nothing_open(&self) -> bool {
        Store::open(&Root::open(&self.root).unwrap().database()).unwrap().count_open_jobs().unwrap() == 0
    }

    /// Drops documents and waits until they are done.
    async fn documents(&self, texts: &[(String, String)], before: usize) {
        for (name, text) in texts {
            let staged = self.root.join("dropping");
            std::fs::write(&staged, text).unwrap();
            std::fs::rename(staged, self.root.join("inbox").join(name)).unwrap();
        }
        let wanted = before + texts.len();
        self.rest(|s| s.documents.learned + s.documents.rejected + s.documents.failed == wanted).await;
    }

    /// Moves the clock to a minute of the hour, and waits until that minute's work is done.
    async fn work(&self, hour: i64, what: &str, minute: i64) {
        let now = hour + minute * 60_000;
        self.time.store(now, Ordering::Relaxed);
        // The clerk looks at the clock whenever somebody asks for something.
        self.client.post("/v1/resume", &serde_json::Value::Null).await.unwrap();
        self.rest(|s| s.next.iter().any(|run| run.what == what && run.last.is_some_and(|at| at.0 >= now)))
            .await;
    }
}

/// Sixty documents of the evaluation set, as text files.
fn documents() -> Vec<(String, String)> {
    let path = repository().join("eval/bulletins-200.json");
    let set: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let all = set["data"].as_array().unwrap().iter().take(DOCUMENTS);
    all.map(|one| {
        let title = one["title"].as_str().unwrap();
        let parts = one["paragraphs"].as_array().unwrap().iter().map(|p| p["context"].as_str().unwrap());
        let text = parts.collect::<Vec<_>>().join("\n\n");
        (format!("{}.txt", title.replace(['/', ' '], "-")), format!("{title}\n\n{text}\n"))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "an hour on two cores"]
#[expect(clippy::print_stdout, reason = "the story of the night is for whoever runs it")]
async fn a_night_alone_ends_with_more_knowledge_and_nothing_below_the_base() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().to_path_buf();
    std::fs::write(root.join("seald.toml"), CONFIG).unwrap();
    std::fs::create_dir_all(root.join("inbox")).unwrap();
    let start = 1_763_762_400_000;
    let time = Arc::new(AtomicI64::new(start));
    let daemon = InProcess::start(&root, time.clone()).await;
    let night = Night { root: root.clone(), time, client: daemon.client.clone() };
    for (hour, texts) in documents().chunks(DOCUMENTS / HOURS).enumerate() {
        night.documents(texts, hour * (DOCUMENTS / HOURS)).await;
        let begins = start + hour as i64 * HOUR_MS;
        for (what, minute) in WORK {
            night.work(begins, what, minute).await;
        }
        let now = night.status().await.knowledge;
        println!(
            "hour {}: {:?} of {} documents",
            hour + 1,
            now.now.map(|s| (s.right, s.asked)),
            now.documents
        );
    }
    let status = Command::of(&root, &["status"]);
    println!("{status}\n{}\n{}", Command::of(&root, &["forgetting"]), Command::of(&root, &["adapters"]));
    daemon.stop().await;

    let store = Store::open(&Root::open(&root).unwrap().database()).unwrap();
    let live = store.live().unwrap().expect("something was learned");
    let matrix = pipeline::matrix(&store).unwrap();
    let base = matrix.generations()[0];
    for column in matrix.columns() {
        let (Some(then), Some(now)) =
            (matrix.cell(base, column.document), matrix.cell(live.id, column.document))
        else {
            continue;
        };
        assert!(
            now.accuracy() >= then.accuracy(),
            "of document {} it knows less than the base",
            column.document
        );
    }
    let slept = store.consolidations(100).unwrap();
    let rounds = store.writer_rounds(100).unwrap();
    println!(
        "{} consolidations, {} swapped",
        slept.len(),
        slept.iter().filter(|c| c.generation.is_some()).count()
    );
    for round in &rounds {
        println!("{:?} {:?}", round.writer, round.examined.as_ref().map(|e| &e.reasons));
    }
    assert!(store.writer().unwrap().is_some(), "no writer was better than the base");
    assert!(status.contains("Knows"), "{status}");
}

/// `sealctl` on the root.
struct Command;

impl Command {
    fn of(root: &Path, verb: &[&str]) -> String {
        let program = crate::programs::sealctl();
        let output = std::process::Command::new(program).args(verb).arg("--root").arg(root).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
