//! `logs`: what the daemon says. Under systemd its journal; elsewhere the events that it keeps.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use sealctl::client::{Client, Failure, Place, routes};
use seald_core::error::{Error, Kind};
use seald_core::protocol::StatusView;
use seald_core::unit::Unit;
use seald_terminal::log;

use crate::cli::Logs;
use crate::output::{self, say, times};

/// There while systemd runs the machine.
const SYSTEMD: &str = "/run/systemd/system";
/// The unit of the packages.
const UNIT: &str = "seald.service";

/// Shows the journal or the events, and says which.
pub(crate) async fn run(client: &Client, args: Logs, json: bool) -> Result<(), Failure> {
    match client.read::<StatusView>(routes::STATUS).await {
        // A process of another machine has a number that means nothing here.
        Ok(view) => match Unit::of(view.pid).filter(|_| matches!(client.place(), Place::Socket { .. })) {
            Some(unit) => Err(journal(&unit, &args, json).into()),
            None => events(client, &args, json).await,
        },
        // A daemon that does not answer has most to say.
        Err(Failure::Unreachable(error)) => match stopped(client.place(), Path::new(SYSTEMD)) {
            Some(unit) => {
                say(format!("no daemon answers at {}: this is what the journal has", client.place()));
                Err(journal(&unit, &args, json).into())
            }
            None => Err(Failure::Unreachable(error)),
        },
        Err(failure) => Err(failure),
    }
}

/// The unit of a daemon that does not run, where systemd would run it: that of the system, or the user's own.
fn stopped(place: &Place, systemd: &Path) -> Option<Unit> {
    let Place::Socket { path, tried } = place else { return None };
    let system = |path: &Path| path.starts_with("/run") || path.starts_with("/var/lib");
    if !systemd.is_dir() {
        return None;
    }
    // Where nothing was named and there is no socket anywhere, the system's would be the last to be looked for.
    let user = !system(path) && tried.is_empty();
    Some(Unit { name: UNIT.into(), user })
}

/// Lets `journalctl` take this process over. Returns only where that fails.
fn journal(unit: &Unit, args: &Logs, json: bool) -> Error {
    let words = arguments(unit, args, json);
    say(format!("the journal of {} (journalctl {}):", unit.name, words.join(" ")));
    let e = Command::new("journalctl").args(&words).exec();
    let text = "cannot start journalctl, which shows the journal: install it, or use `sealctl watch --after 0` for the events";
    Error::new(Kind::NotFound, text).with_source(e)
}

fn arguments(unit: &Unit, args: &Logs, json: bool) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if unit.user {
        words.push("--user".into());
    }
    words.extend(["-u".into(), unit.name.clone(), "-n".into(), args.lines.to_string()]);
    if args.follow {
        words.push("-f".into());
    }
    if json {
        words.extend(["-o".into(), "json".into()]);
    }
    words
}

/// The kept events, a line each.
async fn events(client: &Client, args: &Logs, json: bool) -> Result<(), Failure> {
    say(format!(
        "the events that {} keeps; its log went to where it was started, and is not kept:",
        client.place()
    ));
    let mut stream = client.newest_events(args.lines, args.follow).await?;
    while let Some((event, data)) = stream.next().await? {
        if event.id.is_none() {
            continue;
        }
        match log::line(&event, times()) {
            Some(_) if json => output::json(data.replace('\n', " ").as_bytes())?,
            Some(line) => output::text(&format!("{line}\n"))?,
            None => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket(path: &str, tried: &[&str]) -> Place {
        Place::Socket { path: path.into(), tried: tried.iter().map(Into::into).collect() }
    }

    #[test]
    fn journalctl_is_asked_for_the_unit_that_the_daemon_runs_in() {
        let unit = |user| Unit { name: "seald.service".into(), user };
        let args = |follow| Logs { follow, lines: 20 };
        assert_eq!(arguments(&unit(false), &args(false), false).join(" "), "-u seald.service -n 20");
        assert_eq!(
            arguments(&unit(true), &args(true), true).join(" "),
            "--user -u seald.service -n 20 -f -o json"
        );
    }

    #[test]
    fn a_stopped_daemon_has_a_journal_only_where_systemd_runs() {
        let dir = tempfile::tempdir().unwrap();
        let user = |place: &Place| stopped(place, dir.path()).map(|unit| unit.user);
        assert_eq!(user(&socket("/run/seald/seald.sock", &[])), Some(false));
        assert_eq!(user(&socket("/home/a/seald/state/seald.sock", &["/run/seald/seald.sock"])), Some(false));
        assert_eq!(user(&socket("/home/a/seald/state/seald.sock", &[])), Some(true));
        let tcp = Place::Tcp { authority: "127.0.0.1:1".into(), token: None };
        assert_eq!(user(&tcp), None);
        assert_eq!(stopped(&socket("/run/seald/seald.sock", &[]), &dir.path().join("none")), None);
    }
}
