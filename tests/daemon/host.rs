//! Starts the daemon, talks to it, waits for what it says, and ends it.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crate::repository::repository;
use serde_json::Value;

/// Files are taken as soon as they lie still.
const INBOX: &str = "[inbox]\nsettle_seconds = 0\npoll_seconds = 3600\n";

/// Nothing here takes so long on any machine: a test that gets there has failed.
pub(super) const FAR_TOO_LONG: Duration = Duration::from_secs(540);

/// A root with its configuration, and no daemon yet.
pub(crate) struct Host {
    dir: tempfile::TempDir,
    notified: Mutex<Receiver<String>>,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With more lines at the beginning of the configuration.
    pub(crate) fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let notify = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        let (tell, notified) = channel();
        // Read at once, as systemd does.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length) = notify.recv(&mut bytes) {
                if tell.send(String::from_utf8_lossy(&bytes[..length]).into_owned()).is_err() {
                    break;
                }
            }
        });
        std::fs::create_dir(dir.path().join("root")).unwrap();
        let host = Self { dir, notified: Mutex::new(notified) };
        host.configure(config);
        host
    }

    pub(crate) fn configure(&self, config: &str) {
        let whole = format!("{config}\n{INBOX}\n[learn]\n{}", crate::small::LEARN);
        std::fs::write(self.root().join("seald.toml"), whole).unwrap();
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn inbox(&self) -> PathBuf {
        self.root().join("inbox")
    }

    /// Puts a file in, whole at once.
    pub(crate) fn drop(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.inbox().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let staged = self.root().join("dropping");
        std::fs::write(&staged, bytes).unwrap();
        std::fs::rename(staged, path).unwrap();
    }

    /// Drops one of the shipped documents, its questions first.
    pub(crate) fn drop_example(&self, stem: &str) {
        let from = repository().join("examples/inbox");
        let questions = format!("{stem}.probes.jsonl");
        if let Ok(bytes) = std::fs::read(from.join(&questions)) {
            self.drop(&questions, bytes);
        }
        let name = format!("{stem}.txt");
        self.drop(&name, std::fs::read(from.join(&name)).unwrap());
    }

    pub(crate) fn command(&self) -> Command {
        self.command_of(crate::programs::seald())
    }

    /// The same for another file of the program.
    pub(crate) fn command_of(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("--root").arg(self.root()).env_remove("SEALD_CONFIG").env_remove("JOURNAL_STREAM");
        command.env("NOTIFY_SOCKET", self.dir.path().join("notify")).env("RUST_LOG", "info");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// What one that ends by itself says; one that does not is killed, and the test failed.
    pub(crate) fn output(&self, mut command: Command) -> Output {
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let reading = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let status = wait_ended(&mut child);
        Output { status, stdout: Vec::new(), stderr: reading.join().unwrap() }
    }

    /// What `sealctl` says, and how it ends.
    pub(crate) fn sealctl(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(crate::programs::sealctl());
        command.arg("--root").arg(self.root()).env_remove("SEALD_CONFIG").env_remove("SEALD_SOCKET");
        let Output { status, stdout, stderr } = command.args(args).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code(), text(stdout), text(stderr))
    }

    /// A notify socket that is full, and that nobody reads.
    pub(crate) fn deaf_manager(&self) -> UnixDatagram {
        let path = self.dir.path().join("deaf");
        let socket = UnixDatagram::bind(&path).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.set_nonblocking(true).unwrap();
        while sender.send_to(b"STATUS=", &path).is_ok() {}
        socket
    }

    /// Starts the daemon and waits until it says that it serves.
    pub(crate) fn start(&self) -> Daemon<'_> {
        let daemon = self.spawn();
        self.wait_notified("READY=1");
        daemon
    }

    /// Starts the daemon and does not wait.
    pub(crate) fn spawn(&self) -> Daemon<'_> {
        self.adopt(self.command().stderr(Stdio::inherit()).spawn().unwrap())
    }

    /// A daemon that somebody else started.
    pub(crate) fn adopt(&self, child: Child) -> Daemon<'_> {
        Daemon { root: self.root(), child, _host: self }
    }

    /// Waits for a message to systemd.
    pub(crate) fn wait_notified(&self, wanted: &str) {
        let notified = self.notified.lock().unwrap();
        loop {
            let message = notified.recv_timeout(FAR_TOO_LONG).unwrap_or_else(|e| panic!("no {wanted}: {e}"));
            if message.lines().any(|line| line == wanted) {
                return;
            }
        }
    }
}

/// A daemon at work; dropping it kills it.
pub(crate) struct Daemon<'h> {
    /// Its root, as the test sees it.
    pub(crate) root: PathBuf,
    _host: &'h Host,
    pub(crate) child: Child,
}

impl Daemon<'_> {
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: sends a signal to a child that was not waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// How it ends by itself.
    pub(crate) fn wait_ended(&mut self) -> ExitStatus {
        wait_ended(&mut self.child)
    }

    /// Ends it as systemd would.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        wait_ended(&mut self.child)
    }

    /// Waits until its socket is there.
    pub(crate) fn wait_listening(&self) {
        let started = Instant::now();
        while UnixStream::connect(self.root.join("state/seald.sock")).is_err() {
            assert!(started.elapsed() < FAR_TOO_LONG, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None).1
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, Some(body))
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_ask(method, path, body).unwrap()
    }

    /// An error where nobody listens, or the daemon goes before it has answered: it ends, or begins again.
    pub(crate) fn try_get(&self, path: &str) -> io::Result<Value> {
        self.try_ask("GET", path, None).map(|answer| answer.1)
    }

    fn try_ask(&self, method: &str, path: &str, body: Option<Value>) -> io::Result<(u16, Value)> {
        let mut stream = UnixStream::connect(self.root.join("state/seald.sock"))?;
        stream.set_read_timeout(Some(FAR_TOO_LONG))?;
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        // In one piece: what comes later than the answer would end the connection with an error.
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: seald\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, content) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content = serde_json::from_str(content).unwrap_or_else(|_| Value::String(content.to_string()));
        Ok((status, content))
    }

    /// Waits until the status is as wanted.
    pub(crate) fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let status = self.get("/v1/status");
            if wanted(&status) {
                return status;
            }
            assert!(started.elapsed() < FAR_TOO_LONG, "not {what}: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until so many documents have come and none waits.
    pub(crate) fn wait_idle(&self, documents: u64) -> Value {
        self.wait(&format!("idle with {documents} documents"), |status| {
            let count = |state: &str| status["documents"][state].as_u64().unwrap();
            let ended = count("learned") + count("rejected") + count("failed");
            count("waiting") == 0 && ended == documents && status["activity"]["state"] == "idle"
        })
    }

    /// The documents as the API lists them, newest first.
    pub(crate) fn documents(&self) -> Vec<Value> {
        self.get("/v1/documents?limit=500")["documents"].as_array().unwrap().clone()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it has ended by itself.
fn wait_ended(child: &mut Child) -> ExitStatus {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > FAR_TOO_LONG {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
