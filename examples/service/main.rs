//! The daemon's own cost: time until it is ready, memory and processor time while it is idle, what large requests cost others, and how long a status takes
//! with many documents.
//!
//!     cargo build --release --bins && cargo run --release --example service [-- --documents 10000 --idle-seconds 30 --program target/release/seald]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a measuring program: a panic ends it")]
#![expect(clippy::print_stdout, reason = "a measuring program prints its figures")]

mod beside;

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentFormat;
use seald_store::{NewDocument, Store};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Starts to take the median of.
const STARTS: usize = 11;
/// Requests to take the median of.
const REQUESTS: usize = 500;

#[derive(Parser)]
struct Options {
    /// Documents in the database for the last part
    #[arg(long, default_value_t = 10_000)]
    documents: usize,
    /// How long the idle daemon is watched
    #[arg(long, default_value_t = 30)]
    idle_seconds: u64,
    /// The program
    #[arg(long, default_value = "target/release/seald")]
    program: PathBuf,
    /// Another model than nano: only what long prompts and answers cost others
    #[arg(long)]
    model: Option<PathBuf>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let dir = tempfile::tempdir()?;
    let host = Host::new(dir.path(), &options.program, options.model.as_deref())?;
    if options.model.is_some() {
        return beside::table(&host.start()?, &beside::long(), beside::FEW_ROUNDS);
    }
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let started = Instant::now();
        let daemon = host.start()?;
        starts.push(started.elapsed().as_secs_f64() * 1e3);
        drop(daemon);
    }
    let (start, slowest) = middle_and_last(starts);
    println!("ready after                     {start:.0} ms (slowest of {STARTS}: {slowest:.0})");

    let daemon = host.start()?;
    std::thread::sleep(Duration::from_secs(2));
    idle("never used the model", &daemon, options.idle_seconds)?;
    daemon.ask("POST /v1/ask", r#"{"question": "What are you?"}"#)?;
    println!("with the model in memory        {} MB", resident(&daemon)? / 1_000_000);
    beside::table(&daemon, &beside::kinds(), beside::ROUNDS)?;
    while daemon.ask("GET /v1/status", "")?.contains(r#""loaded":true"#) {
        std::thread::sleep(Duration::from_millis(200));
    }
    idle("after it let the model go", &daemon, options.idle_seconds)?;
    drop(daemon);

    fill(&host.root, options.documents)?;
    let started = Instant::now();
    let daemon = host.start()?;
    println!(
        "ready with {} documents       {:.0} ms",
        options.documents,
        started.elapsed().as_secs_f64() * 1e3
    );
    for path in ["/v1/status", "/v1/documents?limit=50", "/metrics"] {
        let mut times = Vec::new();
        for _ in 0..REQUESTS {
            let started = Instant::now();
            daemon.ask(&format!("GET {path}"), "")?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let first = times[0];
        let (median, worst) = middle_and_last(times);
        println!("{path:<31} {median:.2} ms (first {first:.1}, slowest of {REQUESTS}: {worst:.1})");
    }
    Ok(())
}

/// Where daemons are started.
struct Host {
    root: PathBuf,
    program: PathBuf,
    notify: UnixDatagram,
    notify_path: PathBuf,
}

struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Host {
    fn new(dir: &Path, program: &Path, model: Option<&Path>) -> Result<Self> {
        let (root, notify_path) = (dir.join("root"), dir.join("notify"));
        std::fs::create_dir(&root)?;
        let model = match model {
            Some(model) => format!("model = {:?}\n", model.canonicalize()?),
            None => String::new(),
        };
        // Paused, so that documents wait; nano goes soon.
        let keeps = if model.is_empty() { 1 } else { 3600 };
        let rest = format!(
            "[resources]\nunload_after_seconds = {keeps}\n[schedule]\nquiet_hours = [\"00:00-23:59\"]\n"
        );
        std::fs::write(root.join("seald.toml"), model + &rest)?;
        let notify = UnixDatagram::bind(&notify_path)?;
        Ok(Self { root, program: program.canonicalize()?, notify, notify_path })
    }

    fn start(&self) -> Result<Daemon> {
        let child = Command::new(&self.program)
            .arg("--root")
            .arg(&self.root)
            .env("NOTIFY_SOCKET", &self.notify_path)
            .stderr(Stdio::null())
            .spawn()?;
        let mut bytes = [0; 1024];
        loop {
            let length = self.notify.recv(&mut bytes)?;
            if bytes[..length].starts_with(b"READY=1") {
                break;
            }
        }
        Ok(Daemon { child, socket: self.root.join("state/seald.sock") })
    }
}

impl Daemon {
    fn ask(&self, line: &str, body: &str) -> Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let length = body.len();
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: seald\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 2") { Ok(answer) } else { Err(answer.into()) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn idle(what: &str, daemon: &Daemon, seconds: u64) -> Result<()> {
    let before = worked(daemon)?;
    std::thread::sleep(Duration::from_secs(seconds));
    let share = (worked(daemon)? - before) as f64 / (seconds as f64 * 100.0) * 100.0;
    println!("idle, {what:<25} {} MB, {share:.2} % of a processor", resident(daemon)? / 1_000_000);
    Ok(())
}

/// Clock ticks (1/100 s) that the process has worked.
fn worked(daemon: &Daemon) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.child.id()))?;
    let fields: Vec<&str> = stat[stat.rfind(')').ok_or("no name")? + 2..].split(' ').collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

/// Bytes that are in memory.
fn resident(daemon: &Daemon) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}

fn fill(root: &Path, documents: usize) -> Result<()> {
    let mut store = Store::open(&root.join("state/seald.db"))?;
    for n in 0..documents {
        let text = format!("The ferry of pier {n} leaves at noon. ").repeat(20);
        let (hash, name, title) =
            (blake3::hash(text.as_bytes()).to_string(), format!("{n}.txt"), format!("Bulletin {n}"));
        let document = NewDocument { hash, name, title, text, format: DocumentFormat::Text, tag: None };
        store.receive(&document, &[], Timestamp(n as i64))?;
    }
    Ok(())
}

fn middle_and_last(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() - 1])
}
