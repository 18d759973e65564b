//! `doctor`: from the socket to the last backup, what works, what does not, and what to do about it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Access, access, statvfs};
use sealctl::client::{Client, Failure, Place, routes};
use seald_core::error::{Context, Kind};
use seald_core::protocol::{Held, StatusView};
use seald_terminal::checks::{self, Check, Outcome};
use seald_terminal::status::serving_words;
use seald_terminal::words::bytes;
use seald_terminal::{Look, Times, one_line};

use crate::output::{self, times};

/// Bytes of free disk below which learning will stop soon.
const LITTLE: u64 = 5 << 30;
/// Bytes of free disk below which nothing can be learned.
const FULL: u64 = 512 << 20;
/// Seconds after which a backup is old: a week and a day.
const OLD: i64 = 8 * 86_400;
const START: &str =
    "Start it: `seald` in a terminal, or `systemctl start seald`. Its log: `journalctl -u seald`.";

/// Looks at everything. Exit code 69 where no daemon answers, 1 where something else fails.
pub(crate) async fn run(client: &Client, json: bool) -> Result<ExitCode, Failure> {
    let mut found = Vec::new();
    if let Place::Socket { path, tried } = client.place() {
        found.extend(socket(path, tried));
    }
    let answers = daemon(client, &mut found).await;
    if json {
        let text = serde_json::to_vec(&found).doing(Kind::Internal, || "cannot write JSON".to_string())?;
        output::json(&text)?;
    } else {
        output::text(&checks::render(&found, &Look::of_stdout()))?;
    }
    let failed = found.iter().any(|check| check.outcome == Outcome::Fail);
    Ok(match (answers, failed) {
        (false, _) => ExitCode::from(69),
        (true, true) => ExitCode::FAILURE,
        (true, false) => ExitCode::SUCCESS,
    })
}

/// Whether the socket is there, and whether we may use it.
fn socket(path: &Path, tried: &[std::path::PathBuf]) -> Vec<Check> {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            let words = format!("you may not look into the folder of {shown}");
            return vec![Check::new("socket", Outcome::Fail, words).remedy(GROUP_OR_SUDO)];
        }
        Err(_) => {
            let others: String = tried.iter().map(|path| format!(", nor at {}", path.display())).collect();
            let words = format!("there is none at {shown}{others}");
            return vec![Check::new("socket", Outcome::Fail, words).remedy(START)];
        }
    };
    if !found.file_type().is_socket() {
        let words = format!("{shown} is no socket");
        let remedy = "Give the daemon's socket with --socket, or its folder with --root.";
        return vec![Check::new("socket", Outcome::Fail, words).remedy(remedy)];
    }
    let there = Check::new("socket", Outcome::Ok, shown.to_string());
    let may = match access(path, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => Check::new("permission", Outcome::Ok, "you may use it"),
        Err(_) => {
            let group = group(found.gid());
            let words = format!("you may not use {shown}; members of the group {group} may");
            let remedy = format!(
                "Join it: `sudo usermod -aG {group} $USER`, then log in again. Or use `sudo sealctl`."
            );
            Check::new("permission", Outcome::Fail, words).remedy(remedy)
        }
    };
    vec![there, may]
}

const GROUP_OR_SUDO: &str =
    "Join the daemon's group (`ls -ld` of the folder names it; `seald` as packaged), or use `sudo sealctl`.";

/// The name of a group, or its number where it has none here.
fn group(gid: u32) -> String {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(gid)).then(|| name.to_string())
    });
    named.unwrap_or_else(|| gid.to_string())
}

/// What the daemon says of itself; whether it answers at all.
async fn daemon(client: &Client, found: &mut Vec<Check>) -> bool {
    let health = client.health().await;
    let view = match client.read::<StatusView>(routes::STATUS).await {
        Ok(view) => view,
        Err(failure) => {
            let unreachable = matches!(failure, Failure::Unreachable(_));
            let check = Check::new("daemon", Outcome::Fail, failure.to_string());
            found.push(if unreachable { check.remedy(START) } else { check });
            return !unreachable;
        }
    };
    let times = times();
    let up = format!("process {}, up {}", view.pid, times.lasted(view.started_at));
    found.push(Check::new("daemon", Outcome::Ok, up));
    if let Ok(Err(words)) = health {
        let remedy = "Look into its log (`journalctl -u seald`), then `systemctl restart seald`.";
        found.push(Check::new("health", Outcome::Fail, words).remedy(remedy));
    }
    found.push(version(&view));
    for problem in &view.problems {
        found.push(Check::new("problem", Outcome::Fail, one_line(problem)));
    }
    for server in view.serve_to.iter().filter(|server| server.error.is_some()) {
        found.push(Check::new("serve_to", Outcome::Fail, serving_words(server, times)));
    }
    if let Some(Held::Trouble { reason, again_at }) = &view.held {
        let words =
            format!("nothing is learned: {} (tried again {})", one_line(reason), times.until(*again_at));
        found.push(Check::new("held", Outcome::Fail, words));
    }
    if matches!(client.place(), Place::Socket { .. }) {
        found.extend(disk(Path::new(&view.root)));
    }
    found.push(backup(&view, times));
    true
}

fn version(view: &StatusView) -> Check {
    let ours = env!("CARGO_PKG_VERSION");
    if view.version == ours {
        return Check::new("version", Outcome::Ok, format!("{ours}, as sealctl"));
    }
    let words = format!("the daemon is {}, sealctl is {ours}", one_line(&view.version));
    let remedy =
        "After an upgrade: `systemctl restart seald`. Else use the sealctl that came with the daemon.";
    Check::new("version", Outcome::Warn, words).remedy(remedy)
}

/// Free space where the daemon works; nothing where we cannot see it.
fn disk(root: &Path) -> Option<Check> {
    let space = statvfs(root).ok()?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let words = format!("{} free in {}", bytes(free), root.display());
    let remedy = "Make room: old generations in `adapters` and files in `inbox/done` take most.";
    Some(match free {
        ..FULL => Check::new("disk", Outcome::Fail, words).remedy(remedy),
        FULL..LITTLE => Check::new("disk", Outcome::Warn, words).remedy(remedy),
        LITTLE.. => Check::new("disk", Outcome::Ok, words),
    })
}

fn backup(view: &StatusView, times: Times) -> Check {
    let warn = |words: String| Check::new("backup", Outcome::Warn, words);
    let Some(run) = view.next.iter().find(|run| run.what == "backup") else {
        return warn("none is scheduled".into()).remedy("Give `backup` a time in seald.toml, [schedule].");
    };
    match run.last {
        None => warn(format!("none was made yet; the first one is due {}", times.until(run.at)))
            .remedy("Make one now: `sealctl backup`."),
        Some(last) if times.seconds_since(last) > OLD => {
            let remedy = "Look into the log: `journalctl -u seald`.";
            warn(format!("the last one is old: {}", times.ago(last))).remedy(remedy)
        }
        Some(last) => Check::new("backup", Outcome::Ok, format!("made {}", times.ago(last))),
    }
}
