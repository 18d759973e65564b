//! How faults are brought about: the library that is preloaded, the places of `SEALD_CRASH_AT`, a cgroup.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::plan::Fault;
use seald::pipeline::crash;

const SOURCE: &str = include_str!("faults.c");

/// What the campaign needs of the machine.
pub(crate) struct Tools {
    pub(crate) program: PathBuf,
    library: PathBuf,
    /// A folder in which cgroups with a bound of memory can be made.
    cgroups: Option<PathBuf>,
}

impl Tools {
    /// Compiles the library and looks for cgroups.
    pub(crate) fn make(dir: &Path, program: PathBuf) -> Self {
        let (source, library) = (dir.join("faults.c"), dir.join("faults.so"));
        fs::write(&source, SOURCE).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
            .arg(&library)
            .arg(&source)
            .status()
            .expect("a C compiler, which building seald needs too");
        assert!(compiled.success(), "cc does not compile {}", source.display());
        let cgroups =
            ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"].map(PathBuf::from).into_iter().find(|folder| {
                let attempt = folder.join(format!("seald-campaign-{}", std::process::id()));
                let able = fs::create_dir(&attempt).is_ok() && limit_of(&attempt).is_some();
                let _ = fs::remove_dir(&attempt);
                able
            });
        Self { program, library, cgroups }
    }

    /// Makes the daemon that `command` starts have the fault; the library tells in `told` what it did.
    pub(crate) fn arm(&self, command: &mut Command, fault: &Fault, root: &Path, told: &Path) {
        let mut preload = |name: &str, value: String| {
            command.env("LD_PRELOAD", &self.library).env("FAULTS_ROOT", root).env("FAULTS_TOLD", told);
            command.env_remove("FAULTS_OWNER").env(name, value);
        };
        match fault {
            Fault::CrashAt(place) => drop(command.env(crash::VARIABLE, place)),
            Fault::KillAtCall { call, nth, torn } => {
                preload("FAULTS", format!("{call} {nth} 1 {}", if *torn { -2 } else { -1 }));
            }
            Fault::CallFails { call, nth, count, full } => {
                let errno = if *full { libc::ENOSPC } else { libc::EIO };
                preload("FAULTS", format!("{call} {nth} {count} {errno}"));
            }
            Fault::NoMemory { nth } => preload("FAULTS", format!("map {nth} 1000000 {}", libc::ENOMEM)),
            Fault::Clock { nth, seconds } => preload("FAULTS_CLOCK", format!("{nth} {seconds}")),
            Fault::Nothing | Fault::KillAfterEvents(_) | Fault::OutOfMemory { .. } => {}
        }
    }

    /// A cgroup of so many bytes for a process; none where there are none.
    pub(crate) fn confine(&self, pid: u32, mib: usize) -> Option<Cgroup> {
        let folder = self.cgroups.as_ref()?.join(format!("seald-campaign-{pid}"));
        fs::create_dir(&folder).ok()?;
        let made = Cgroup(folder);
        fs::write(limit_of(&made.0)?, (mib << 20).to_string()).ok()?;
        fs::write(made.0.join("cgroup.procs"), pid.to_string()).ok()?;
        Some(made)
    }
}

/// Version 1 or 2.
fn limit_of(folder: &Path) -> Option<PathBuf> {
    ["memory.limit_in_bytes", "memory.max"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists())
}

/// Removed when dropped; its process must have ended.
pub(crate) struct Cgroup(PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

impl Fault {
    /// In a few words, for tables.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Nothing => "none".into(),
            Self::CrashAt(_) => "abort at a named place".into(),
            Self::KillAfterEvents(_) => "kill -9 after events".into(),
            Self::KillAtCall { torn: true, .. } => "kill -9 in half a write".into(),
            Self::KillAtCall { call, .. } => format!("kill -9 at {call}"),
            Self::CallFails { call, full: true, .. } => format!("ENOSPC at {call}"),
            Self::CallFails { call, .. } => format!("EIO at {call}"),
            Self::NoMemory { .. } => "no memory (ENOMEM)".into(),
            Self::OutOfMemory { .. } => "out of memory (kernel)".into(),
            Self::Clock { .. } => "clock jumps".into(),
        }
    }
}
