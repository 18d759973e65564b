//! Work in a process of its own with bounded memory and time, which may be killed: what an input does to the work, it does to that process alone.

use std::io::{Error, ErrorKind, Read, Result};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, set_parent_process_death_signal, setrlimit,
};

/// What the child writes before it begins with its work. One that ends without it was ended by something else.
pub const READY: &[u8] = b"ready\n";
/// How much of the child's messages is kept, bytes.
const MESSAGES: u64 = 16 * 1024;
/// Files that the child may have open.
const OPEN_FILES: u64 = 32;
/// Between two looks whether anybody still wants what the child makes.
const LOOK: Duration = Duration::from_millis(50);

/// What a child may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Address space beyond what it begins with, bytes.
    pub memory: u64,
    /// Seconds of a processor, 1 or more.
    pub cpu_seconds: u64,
}

/// From now on this process can take only so much memory and time, write no file, and dies with its parent.
///
/// # Errors
/// Where the system refuses: most of all, whoever started this allows less.
pub fn confine(bounds: Bounds) -> Result<()> {
    let bound = |resource, most: u64| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(Error::from)
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    bound(Resource::As, address_space()?.saturating_add(bounds.memory))?;
    bound(Resource::Cpu, bounds.cpu_seconds.max(1))?;
    bound(Resource::Core, 0)?;
    bound(Resource::Fsize, 0)?;
    bound(Resource::Nofile, OPEN_FILES)
}

/// What this process has mapped, bytes: libraries, and what the allocator keeps in reserve.
fn address_space() -> Result<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or(ErrorKind::InvalidData)?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    /// Its own end, or that of being killed.
    pub status: ExitStatus,
    /// Whether it ended by itself before it was killed for its time.
    pub in_time: bool,
    /// Whether it was killed because nobody wanted its work any more.
    pub unwanted: bool,
    /// What it wrote on stdout.
    pub output: Vec<u8>,
    /// What it wrote on stderr, from the beginning.
    pub messages: Vec<u8>,
}

impl Ended {
    /// What it made, after [`READY`]; none where it ended before it began.
    pub fn work(&self) -> Option<&[u8]> {
        self.output.strip_prefix(READY)
    }

    /// Whether its time was up, by the clock or by the processor.
    pub fn is_late(&self) -> bool {
        use std::os::unix::process::ExitStatusExt;
        let signals = [Signal::XCPU.as_raw(), Signal::KILL.as_raw()].map(Some);
        !self.in_time || signals.contains(&self.status.signal())
    }

    /// Whether it found no more memory.
    pub fn is_out_of_memory(&self) -> bool {
        let messages = String::from_utf8_lossy(&self.messages);
        ["memory allocation of", "out of memory"].iter().any(|words| messages.contains(words))
    }

    /// The last thing that it said on stderr.
    pub fn last_words(&self) -> String {
        let messages = String::from_utf8_lossy(&self.messages);
        messages.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_string()
    }
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub struct Confined(Child);

impl Confined {
    /// Starts it, with an empty environment; its input is set by the caller.
    ///
    /// # Errors
    /// Where the system cannot start it.
    pub fn start(command: &mut Command) -> Result<Self> {
        command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map(Self)
    }

    /// Waits for its end, but kills it after `patience`, and as soon as `wanted` says no. Of its output at most `most` bytes are kept, and one that goes on writing
    /// ends by it.
    ///
    /// # Errors
    /// Where the system cannot watch it.
    pub fn watch(mut self, most: u64, patience: Duration, wanted: impl Fn() -> bool) -> Result<Ended> {
        let output = bounded(self.0.stdout.take(), most);
        let messages = bounded(self.0.stderr.take(), MESSAGES);
        let (in_time, unwanted) = self.wait_until(Instant::now() + patience, wanted)?;
        if !in_time || unwanted {
            self.0.kill()?;
        }
        let status = self.0.wait()?;
        let (output, messages) = (output.join().unwrap_or_default(), messages.join().unwrap_or_default());
        Ok(Ended { status, in_time, unwanted, output, messages })
    }

    /// Whether the child has ended before `deadline` or may go on, and whether nobody wants it.
    fn wait_until(&self, deadline: Instant, wanted: impl Fn() -> bool) -> Result<(bool, bool)> {
        let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) else {
            return Ok((false, false));
        };
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let look = left.min(LOOK);
            let look = Timespec { tv_sec: look.as_secs() as i64, tv_nsec: i64::from(look.subsec_nanos()) };
            match poll(&mut [PollFd::from_borrowed_fd(ended.as_fd(), PollFlags::IN)], Some(&look)) {
                Ok(0) if !wanted() => return Ok((true, true)),
                Ok(0) if left.is_zero() => return Ok((false, false)),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok((true, false)),
                Err(e) => return Err(e.into()),
            }
        }
    }
}

impl Drop for Confined {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(does: &str) -> Confined {
        Confined::start(Command::new("/bin/sh").arg("-c").arg(does).stdin(Stdio::null())).unwrap()
    }

    #[test]
    fn a_child_that_nobody_wants_is_ended() {
        let forever = Duration::from_secs(3600);
        let ended = shell("exec sleep 3600").watch(1, forever, || false).unwrap();
        assert!(ended.unwanted && ended.work().is_none());
        let ended = shell("exec sleep 3600").watch(1, Duration::ZERO, || true).unwrap();
        assert!(ended.is_late() && !ended.unwanted);
        let ended = shell("echo ready; echo done; echo why >&2").watch(100, forever, || true).unwrap();
        assert_eq!((ended.work(), ended.last_words().as_str()), (Some(&b"done\n"[..]), "why"));
        assert!(!ended.is_late() && ended.status.success());
    }
}
