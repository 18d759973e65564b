//! The daemon under test: started with its faults, asked over its socket, ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use crate::faults::{Cgroup, Tools};
use crate::plan::Fault;

/// No answer takes so long: whoever waits for it longer says so.
const FAR_TOO_LONG: Duration = Duration::from_secs(300);
/// Options so small that a document takes seconds, and a gate that lets some of them through.
const CONFIG: &str = include_str!("seald.toml");

pub(crate) struct Daemon {
    pub(crate) root: PathBuf,
    pub(crate) log: PathBuf,
    child: Child,
    ended: Option<ExitStatus>,
    _cgroup: Option<Cgroup>,
}

/// Makes a root.
pub(crate) fn make_root(root: &Path) {
    std::fs::create_dir_all(root.join("inbox")).unwrap();
    std::fs::write(root.join("seald.toml"), CONFIG).unwrap();
}

impl Daemon {
    /// Starts it; what it says goes to `log`, and what the preloaded library did to `told`.
    pub(crate) fn start(tools: &Tools, root: &Path, fault: &Fault, log: &Path, told: &Path) -> Self {
        let mut command = Command::new(&tools.program);
        command.arg("--root").arg(root).env_remove("SEALD_CONFIG").env_remove("JOURNAL_STREAM");
        command
            .env_remove("NOTIFY_SOCKET")
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(File::create(log).unwrap());
        tools.arm(&mut command, fault, root, told);
        let mut child = command.spawn().unwrap();
        let confined = match fault {
            Fault::OutOfMemory { mib } => tools.confine(child.id(), *mib),
            _ => None,
        };
        if matches!(fault, Fault::OutOfMemory { .. })
            && confined.is_none()
            && child.try_wait().unwrap().is_none()
        {
            // Where no cgroup can be made, what the kernel would do.
            let _ = child.kill();
        }
        if let Fault::KillAfterEvents(count) = fault {
            kill_after(&child, root, *count);
        }
        Self { root: root.to_path_buf(), log: log.to_path_buf(), child, ended: None, _cgroup: confined }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap();
        }
        self.ended
    }

    /// Waits until it serves; false where it ended before.
    pub(crate) fn wait_ready(&mut self) -> bool {
        let started = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            if self.ended().is_some() {
                return false;
            }
            assert!(started.elapsed() < FAR_TOO_LONG, "it neither serves nor ends");
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// As a power cut ends it.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.wait_ended()
    }

    /// As systemd ends it.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        }
        self.wait_ended()
    }

    /// Waits for its end.
    pub(crate) fn wait_ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            if started.elapsed() > FAR_TOO_LONG {
                let _ = self.child.kill();
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn socket(&self) -> PathBuf {
        self.root.join("state/seald.sock")
    }

    /// A request; an error where the daemon goes before it has answered.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, String)> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(FAR_TOO_LONG))?;
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: seald\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        stream.write_all(&request)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, content) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((code.ok_or(io::ErrorKind::InvalidData)?, content.to_string()))
    }

    /// The same, and what it answered as JSON.
    pub(crate) fn json(&self, method: &str, path: &str, body: &str) -> io::Result<(u16, Value)> {
        let (code, text) = self.ask(method, path, body.as_bytes())?;
        Ok((code, serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// What it says of itself.
    pub(crate) fn status(&self) -> io::Result<Value> {
        Ok(self.json("GET", "/v1/status", "")?.1)
    }

    /// What it logged so far.
    pub(crate) fn logged(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// SIGKILL once it has told so many events, the earlier ones counted that it keeps.
fn kill_after(child: &Child, root: &Path, count: usize) {
    let Ok(process) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) else { return };
    let socket = root.join("state/seald.sock");
    std::thread::spawn(move || {
        let mut stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(_) if pidfd_send_signal(&process, Signal::CONT).is_err() => return,
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        if stream.write_all(b"GET /v1/events HTTP/1.1\r\nhost: seald\r\n\r\n").is_err() {
            return;
        }
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        if lines.filter(|line| line.starts_with("event:")).nth(count - 1).is_some() {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    });
}
