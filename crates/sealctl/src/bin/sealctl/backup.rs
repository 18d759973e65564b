//! `backup` and `restore`: copies of the database, and the way back to one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealctl::client::{Around, Client, Failure, Wanted, parse, routes};
use seald_core::error::{Error, Kind};
use seald_core::protocol::BackupsView;
use seald_terminal::{Look, backups};

use crate::cli::{Backup, Restore};
use crate::output::{self, times};

/// Makes a backup now, or lists those there are.
pub(crate) async fn run(client: &Client, args: Backup, json: bool) -> Result<(), Failure> {
    if args.list {
        let answer = client.get(routes::BACKUPS).await?;
        if json {
            return Ok(output::json(&answer)?);
        }
        let view: BackupsView = parse(&answer, routes::BACKUPS)?;
        return Ok(output::text(&backups::render(&view, times(), &Look::of_stdout()))?);
    }
    let answer = client.post(routes::BACKUPS, &serde_json::json!({})).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    Ok(output::text(&backups::made(&parse(&answer, routes::BACKUPS)?))?)
}

/// Starts `seald restore`, which takes this process over: sealctl itself knows nothing of databases. Returns only where that fails.
pub(crate) fn restore(args: Restore, wanted: &Wanted, around: &Around, json: bool) -> Failure {
    let arguments = match arguments(args, wanted, around, json) {
        Ok(arguments) => arguments,
        Err(error) => return error.into(),
    };
    let program = beside().unwrap_or_else(|| PathBuf::from("seald"));
    let e = Command::new(&program).args(&arguments).exec();
    let line: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    let text = format!(
        "cannot start {}, which restores: install it beside sealctl, or run it yourself: seald {}",
        program.display(),
        line.join(" ")
    );
    Error::new(Kind::NotFound, text).with_source(e).into()
}

/// What `seald` is told.
fn arguments(args: Restore, wanted: &Wanted, around: &Around, json: bool) -> Result<Vec<OsString>, Error> {
    let Restore { backup, relearn, config } = args;
    if wanted.url.is_some() || wanted.socket.is_some() {
        let text = "a restore works on files, while no daemon runs: name its folder with --root, or its configuration with --config";
        return Err(Error::new(Kind::Invalid, text));
    }
    let mut words: Vec<OsString> = vec!["restore".into()];
    // Where nothing is named it is the daemon that other verbs would ask; where that is the system's, seald finds it as the daemon does.
    let root = wanted.root.clone().or_else(|| around.root().filter(|_| config.is_none()));
    for (flag, value) in [("--root", root), ("--config", config)] {
        words.extend(value.into_iter().flat_map(|value| [flag.into(), value.into_os_string()]));
    }
    for (given, flag) in [(relearn, "--relearn"), (json, "--json")] {
        words.extend(given.then(|| flag.into()));
    }
    // A name may begin like an option.
    words.extend(backup.into_iter().flat_map(|backup| ["--".into(), backup.into_os_string()]));
    Ok(words)
}

/// `seald` in the folder of this program, where there is one.
fn beside() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    Some(program.parent().unwrap_or(Path::new(".")).join("seald")).filter(|path| path.is_file())
}
