//! Reading a document in a process of its own, which may be killed: what a file does to a parser, it does to that process.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, pidfd_open, set_parent_process_death_signal,
    setrlimit,
};
use serde::{Deserialize, Serialize};

use super::extract::{Extracted, extract_opened};
use super::limits::{Limits, size};
use super::source;
use seald_core::error::{Context, Error, Kind, Result};

/// The verb of `seald` that is the child.
const VERB: &str = "extract-document";
/// How much of the child's messages is kept, bytes.
const MESSAGES: u64 = 16 * 1024;
/// Bytes of JSON that one character can come to.
const BYTES_PER_CHAR: u64 = 6;
/// Room in the child's output for names and punctuation, bytes.
const OUTPUT_FRAME: u64 = 4 << 20;
/// Files that the child may have open.
const OPEN_FILES: u64 = 32;

/// What the child writes on stdout.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Documents(Vec<Extracted>),
    Refused { kind: String, message: String },
}

/// What the child writes before it looks at the document. One that ends without it was ended by something else.
const READY: &[u8] = b"ready\n";

/// The kinds that reading a file can end in, by the words that cross the pipe.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Invalid, "invalid"),
    (Kind::NotFound, "not_found"),
    (Kind::Unsupported, "unsupported"),
    (Kind::Corrupt, "corrupt"),
    (Kind::Io, "io"),
    (Kind::Memory, "memory"),
    (Kind::Internal, "internal"),
];

/// As [`super::extract`], in a child process ([`extract_opened_in_child`]).
///
/// # Errors
/// As [`super::extract`] and [`extract_opened_in_child`].
pub fn extract_in_child(program: &Path, path: &Path, limits: &Limits) -> Result<Vec<Extracted>> {
    extract_opened_in_child(program, path, source::open(path, limits)?, limits)
}

/// Reads a file that was opened as `path` in a child process, which gets it as its input: what has that name by now is not looked at. `program` (`seald` itself) is started as
/// `program extract-document PATH` with an empty environment, and killed after `limits.seconds`. Whatever becomes of it, this process goes on.
///
/// # Errors
/// As [`super::extract`]; further [`Kind::Unsupported`] if it took too long or wrote too much, [`Kind::Memory`] if it needed too
/// much memory, [`Kind::Corrupt`] if it crashed over the file, [`Kind::Conflict`] if it could not be started or bounded now, which says nothing of
/// the document.
pub fn extract_opened_in_child(
    program: &Path,
    path: &Path,
    file: File,
    limits: &Limits,
) -> Result<Vec<Extracted>> {
    let settings =
        serde_json::to_string(limits).doing(Kind::Internal, || "cannot write limits".to_string())?;
    let mut command = Command::new(program);
    command.arg(VERB).arg("--limits").arg(settings).arg("--").arg(path).env_clear();
    command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let cannot = || format!("cannot start {} to read {}", program.display(), path.display());
    let child = Running(command.spawn().doing(Kind::Conflict, cannot)?);
    let ended = child
        .watch(limits)
        .doing(Kind::Conflict, || format!("cannot watch the reading of {}", path.display()))?;
    judge(ended, limits).map_err(|e| {
        // The child's own refusals name the file already.
        let named = path.display().to_string();
        if e.to_string().contains(&named) { e } else { e.context(named) }
    })
}

/// How a child ended.
struct Ended {
    status: ExitStatus,
    in_time: bool,
    output: Vec<u8>,
    messages: Vec<u8>,
}

/// A child that does not outlive its owner.
struct Running(Child);

impl Running {
    fn watch(mut self, limits: &Limits) -> std::io::Result<Ended> {
        let most = (limits.text_chars as u64).saturating_mul(BYTES_PER_CHAR).saturating_add(OUTPUT_FRAME);
        let output = bounded(self.0.stdout.take(), most);
        let messages = bounded(self.0.stderr.take(), MESSAGES);
        let in_time = self.wait_until(Instant::now() + Duration::from_secs(limits.seconds))?;
        if !in_time {
            self.0.kill()?;
        }
        let status = self.0.wait()?;
        let output = output.join().unwrap_or_default();
        Ok(Ended { status, in_time, output, messages: messages.join().unwrap_or_default() })
    }

    /// Whether the child ends before `deadline`.
    fn wait_until(&self, deadline: Instant) -> std::io::Result<bool> {
        let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) else { return Ok(false) };
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)], Some(&left)) {
                Ok(ready) => return Ok(ready > 0),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing to do where it has ended already, as it mostly has.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads at most `most` bytes on a thread of its own. Then the pipe is closed, which ends a child that goes on writing.
fn bounded(pipe: Option<impl Read + Send + 'static>, most: u64) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            // What came before a failure is judged as what came.
            let _ = pipe.take(most).read_to_end(&mut bytes);
        }
        bytes
    })
}

fn judge(ended: Ended, limits: &Limits) -> Result<Vec<Extracted>> {
    let Ended { status, in_time, output, messages } = ended;
    let refuse = |kind, text: String| Err(Error::new(kind, text));
    let messages = String::from_utf8_lossy(&messages);
    let last = messages.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let Some(output) = output.strip_prefix(READY) else {
        let text = format!("the process that reads documents cannot begin its work ({status}): {last}");
        return refuse(Kind::Conflict, text);
    };
    let cpu_signals = [Signal::XCPU.as_raw(), Signal::KILL.as_raw()].map(Some);
    if !in_time || cpu_signals.contains(&status.signal()) {
        let text =
            format!("took longer than {} s to read: split it into parts, or give its text", limits.seconds);
        return refuse(Kind::Unsupported, text);
    }
    if !status.success() {
        if ["memory allocation of", "out of memory"].iter().any(|words| messages.contains(words)) {
            let text =
                format!("needs more than {} of memory to read: split it into parts", size(limits.memory));
            return refuse(Kind::Memory, text);
        }
        let text = format!(
            "reading it crashed ({status}): it may be damaged; give its text in another format. {last}"
        );
        return refuse(Kind::Corrupt, text.trim_end().to_string());
    }
    let answer = serde_json::from_slice(output).doing(Kind::Unsupported, || {
        "its text came out too long or broken: split it into parts, or give its text".to_string()
    })?;
    match answer {
        Answer::Documents(documents) => Ok(documents),
        Answer::Refused { kind, message } => {
            let kind = KINDS.iter().find(|(_, word)| *word == kind).map_or(Kind::Internal, |(kind, _)| *kind);
            refuse(kind, message)
        }
    }
}

/// The child: bounds this process for good, reads `file`, which was opened as `path`, and writes the answer, a refusal as well, to `out` as JSON.
///
/// # Errors
/// [`Kind::Io`] if the process cannot be bounded or the answer not be written.
pub fn serve(path: &Path, file: File, limits: &Limits, out: &mut impl Write) -> Result<()> {
    confine(limits).map_err(|e| unbounded(e, limits))?;
    let cannot_write = || "cannot write the answer".to_string();
    out.write_all(READY).and_then(|()| out.flush()).doing(Kind::Io, cannot_write)?;
    let answer = match extract_opened(path, file, limits) {
        Ok(documents) => Answer::Documents(documents),
        Err(e) => {
            let kind = KINDS.iter().find(|(kind, _)| *kind == e.kind()).map_or("internal", |(_, word)| word);
            Answer::Refused { kind: kind.to_string(), message: e.to_string() }
        }
    };
    let written = serde_json::to_writer(&mut *out, &answer).map_err(std::io::Error::from);
    written.and_then(|()| out.flush()).doing(Kind::Io, cannot_write)
}

/// The error of a process that cannot be bounded.
fn unbounded(error: std::io::Error, limits: &Limits) -> Error {
    let remedy = match (error.kind(), getrlimit(Resource::As).maximum) {
        (std::io::ErrorKind::PermissionDenied, Some(most)) => format!(
            ": whoever started seald allows {} of address space, and reading is to have {}; raise that (ulimit -v, LimitAS= of the unit), or lower `memory` in [reading]",
            size(most),
            size(limits.memory)
        ),
        _ => String::new(),
    };
    Error::new(Kind::Io, format!("cannot bound the process that reads documents{remedy}")).with_source(error)
}

/// From now on this process can take only so much memory and time, write no file, and dies with its parent.
fn confine(limits: &Limits) -> std::io::Result<()> {
    let bound = |resource, most: u64| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(std::io::Error::from)
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    bound(Resource::As, address_space()?.saturating_add(limits.memory))?;
    bound(Resource::Cpu, limits.seconds.max(1))?;
    bound(Resource::Core, 0)?;
    bound(Resource::Fsize, 0)?;
    bound(Resource::Nofile, OPEN_FILES)
}

/// What this process has mapped, bytes: libraries, and what the allocator keeps in reserve.
fn address_space() -> std::io::Result<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}
