//! `seald restore`: a backup takes the place of the database, and a person is told what that means for what came after it.

mod report;

use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::geteuid;
use seald::config::Config;
use seald::pipeline::{self, Root};
use seald_core::clock::{Clock, Timestamp};
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files::{self, FileLock, io_error};
use seald_core::unit::Unit;
use seald_ingest::inbox::Inbox;
use seald_store::{Snapshot, Store};
use seald_terminal::{Times, Zone, one_line};

use crate::output::{self, json_line, say};
use report::{PassedOver, Report};

const MORE: &str = "\
The backup is copied, and the copy checked, before anything is moved. The database that is there is moved aside under a dated name, with what lies beside it; nothing is removed. \
Killed at any moment, the old database is in force or the new one; the same command, or the daemon's next start, goes on. Run as root it works as the owner of the database.

Exit codes: 0 done; 1 no backup can be used, or the system refused; 2 wrong usage; 3 there is no backup, or no such root; 4 a process works in the root.";

/// Options of `seald restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    /// The backup: a file, or the name of one in state/backups; left out: the newest that is whole
    backup: Option<PathBuf>,
    /// Put the files of inbox/done that the backup does not know into the inbox again
    #[arg(long)]
    relearn: bool,
    /// The daemon's configuration file; else $SEALD_CONFIG, seald.toml in the root, /etc/seald/seald.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's folder, in place of the one in its configuration
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Restores, and tells.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let config = Config::load(args.config.as_deref(), args.root.as_deref())?;
    let root = Root::at(&config.root);
    let owner = owner(&root)?;
    let backup = args.backup.as_deref().map(|name| find(&root, name)).transpose()?;
    let us = geteuid();
    if us.is_root() && owner.uid() != 0 {
        return Err(become_owner(&owner, &args, &config, backup.as_deref()));
    }
    if us.as_raw() != owner.uid() {
        let text = format!(
            "{} belongs to another user (number {}): give the same command with sudo",
            root.path().display(),
            owner.uid()
        );
        return Err(Error::new(Kind::Io, text));
    }
    let _lock = lock(&root)?;
    let now = Clock::System.now();
    let mut report = match pipeline::finish_restore(&root)? {
        Some(finished) if backup.is_none() => {
            say("A restore that was cut short is finished.");
            let holds = Store::look_into(&root.database())?;
            let before = finished.replaced.as_deref().and_then(|path| Store::look_into(path).ok());
            let unknown = pipeline::unknown_to(&holds, before.as_ref(), &root)?;
            Report::new(&root, &holds, unknown).replacing(finished.replaced)
        }
        _ => restore(&root, backup.as_deref(), now)?,
    };
    let holds = Store::look_into(&root.database())?;
    let all_moved = files_since(&config, &holds, args.relearn, &mut report);
    if args.json {
        json_line(&report)?;
    } else {
        output::text(&report.text(Times { now, zone: Zone::Local }))?;
    }
    Ok(if all_moved { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prepares, checks, and puts in place.
fn restore(root: &Root, backup: Option<&Path>, now: Timestamp) -> Result<Report> {
    let prepared = pipeline::prepare_restore(root, backup)?;
    let unknown = pipeline::unknown_to(&prepared.holds, prepared.present.as_ref(), root)?;
    let replaced = pipeline::restore(root, now)?;
    let mut report = Report::new(root, &prepared.holds, unknown).replacing(replaced);
    report.backup = Some(prepared.backup);
    report.behind = prepared.present.map(|present| present.events - prepared.holds.events);
    let passed_over = prepared.passed_over.into_iter();
    report.passed_over = passed_over.map(|(path, why)| PassedOver { path, why: why.to_string() }).collect();
    Ok(report)
}

/// Finds the files of `done` that the database does not know, and moves them into the inbox again where that is wanted; whether all of them went.
fn files_since(config: &Config, holds: &Snapshot, relearn: bool, report: &mut Report) -> bool {
    let folder = config.inbox_path();
    report.inbox = folder.clone();
    if !folder.is_dir() {
        return true;
    }
    // The database is restored by now: what goes wrong here is told, and is no failure of that.
    let listed = Inbox::open(&folder, config.inbox).and_then(|inbox| {
        let files = inbox.done_listing()?.collect::<Result<Vec<_>>>()?;
        Ok((inbox, files))
    });
    let (inbox, mut files) = match listed {
        Ok(listed) => listed,
        Err(error) => {
            say(format!("warning: what lies in {} cannot be listed: {error}", folder.display()));
            return false;
        }
    };
    files.retain(|path| !holds.files.contains(path));
    files.sort();
    let mut all_moved = true;
    if relearn {
        for path in &files {
            match inbox.read_again(path) {
                Ok(place) => report.relearned.push(place),
                Err(error) => {
                    say(format!("warning: {error}"));
                    all_moved = false;
                }
            }
        }
    }
    report.unknown_files = files;
    all_moved
}

/// Whose the database is, or the folder where it should be.
fn owner(root: &Root) -> Result<Metadata> {
    let of = |path: PathBuf| fs::metadata(&path).map_err(|e| (path, e));
    let found = of(root.database()).or_else(|(path, e)| match e.kind() {
        ErrorKind::NotFound => of(root.state()),
        _ => Err((path, e)),
    });
    found.map_err(|(path, e)| match e.kind() {
        ErrorKind::NotFound => {
            let text = format!(
                "{} has no folder `state`: name the daemon's folder with --root; on a new machine install seald, or start it once, and copy the backups there",
                root.path().display()
            );
            Error::new(Kind::NotFound, text)
        }
        ErrorKind::PermissionDenied => {
            let text = format!("you may not look into {}: give the same command with sudo", path.display());
            Error::new(Kind::Io, text)
        }
        _ => io_error("look at", &path, e),
    })
}

/// The backup that is meant: the name of one beside the others, or a file.
fn find(root: &Root, name: &Path) -> Result<PathBuf> {
    let beside = root.backups().join(name);
    if name.components().count() == 1 && !name.exists() && beside.exists() {
        return Ok(beside);
    }
    std::path::absolute(name).doing(Kind::Io, || format!("cannot tell where {} is", name.display()))
}

/// Goes on as the owner, so that files have the right owner, and no link leads root elsewhere. Returns only where that fails.
fn become_owner(owner: &Metadata, args: &Args, config: &Config, backup: Option<&Path>) -> Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(e) => return Error::new(Kind::Io, "cannot find this program's own file").with_source(e),
    };
    let mut command = Command::new(&program);
    command.arg("restore").arg("--root").arg(&config.root);
    if let Some(source) = &config.source {
        command.arg("--config").arg(source);
    }
    for (wanted, flag) in [(args.relearn, "--relearn"), (args.json, "--json")] {
        command.args(wanted.then_some(flag));
    }
    command.arg("--").args(backup);
    let e = command.uid(owner.uid()).gid(owner.gid()).exec();
    let text = format!("cannot go on as user {}: {} does not start", owner.uid(), program.display());
    Error::new(Kind::Io, text).with_source(e)
}

/// Keeps every other process out of the root.
fn lock(root: &Root) -> Result<FileLock> {
    files::lock(&root.lock_file()).map_err(|error| match error.kind() {
        Kind::Conflict => running(root),
        _ => error,
    })
}

/// That somebody works there, and how to end that.
fn running(root: &Root) -> Error {
    let holder = fs::read_to_string(root.lock_file()).ok().and_then(|pid| pid.trim().parse::<u32>().ok());
    let (who, how) = match holder.map(|pid| (pid, Unit::of(pid))) {
        Some((pid, Some(unit))) => {
            let sudo = if unit.user { "" } else { "sudo " };
            (format!("process {pid}"), format!("`{sudo}{}`", unit.systemctl("stop")))
        }
        Some((pid, None)) => (format!("process {pid}"), format!("Ctrl-C in its terminal, or `kill {pid}`")),
        None => ("another process".into(), "`sudo systemctl stop seald`, or where it was started".into()),
    };
    let text = format!(
        "{who} works in {}, and a database in use is not replaced: stop it ({how}), then give the same command again",
        one_line(&root.path().display().to_string())
    );
    Error::new(Kind::Conflict, text)
}
