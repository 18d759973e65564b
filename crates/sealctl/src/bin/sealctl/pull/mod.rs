//! `sealctl models pull`: fetches a base model from the hub, here and not in the daemon, which has no network.

mod progress;

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use sealctl::client::{Client, Failure, routes};
use sealctl::hub::{Card, Hub, Licence, Model, Repo, Site, Target};
use seald_core::clock::Clock;
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::protocol::StatusView;
use seald_terminal::one_line;
use seald_terminal::words::{bytes as size, count};

use crate::cli::Pull;
use crate::output::{self, say};
use crate::stops::{SIGNALLED, Stops};
use progress::PullProgress;

/// How often a request that brought nothing is sent again: for about a minute in all.
const RETRIES: u32 = 6;

/// Fetches a model. It blocks on a thread of its own, which a signal leaves behind: whatever it has written is of use to the next pull.
pub(crate) async fn run(client: &Client, args: Pull, json: bool) -> Result<ExitCode, Failure> {
    let folder = match &args.to {
        Some(folder) => folder.clone(),
        None => beneath_the_daemon(client, &args.repo).await?,
    };
    let folder = absolute(&folder).doing(Kind::Invalid, || "--to names no folder".to_string())?;
    let mut stops = Stops::new()?;
    let (done, over) = tokio::sync::oneshot::channel();
    let work = move || {
        // Nobody waits any more after a signal.
        let _ = done.send(pull(&args, &folder).map_err(|e| with_remedy(e, &args.repo)));
    };
    let thread = std::thread::Builder::new().name("pull".into()).spawn(work);
    thread.doing(Kind::Io, || "cannot start a thread".to_string())?;
    let pulled = tokio::select! {
        pulled = over => pulled.doing(Kind::Internal, || "the thread that fetches broke".to_string())??,
        signal = stops.next() => {
            say("Stopped. What came is kept: the same command goes on where it was.");
            return Ok(ExitCode::from(SIGNALLED + signal));
        }
    };
    output::text(&if json { pulled.json()? } else { output::hints(&pulled.words()) })?;
    Ok(ExitCode::SUCCESS)
}

/// `models/ORG--NAME` in the folder of the daemon that answers, or of the one that would be there.
async fn beneath_the_daemon(client: &Client, repo: &Repo) -> Result<PathBuf, Failure> {
    let root = match client.read::<StatusView>(routes::STATUS).await {
        Ok(status) => PathBuf::from(status.root),
        Err(Failure::Unreachable(error)) => match client.place().root() {
            Some(root) => root.to_path_buf(),
            None => {
                let text = "cannot tell in which folder the daemon works: name one for the model with --to";
                return Err(Failure::Unreachable(Error::new(Kind::Io, text).with_source(error)));
            }
        },
        Err(failure) => return Err(failure),
    };
    Ok(root.join("models").join(repo.folder_name()))
}

/// What lies in the folder now.
struct Pulled {
    folder: PathBuf,
    card: Card,
    /// Whether it lay there before.
    already: bool,
}

impl Pulled {
    /// One object: the card, and where it is.
    fn json(&self) -> Result<String> {
        let lost = || "cannot write JSON".to_string();
        let mut object = serde_json::to_value(&self.card).doing(Kind::Internal, lost)?;
        object["folder"] = self.folder.to_string_lossy().into();
        object["already_here"] = self.already.into();
        Ok(format!("{object}\n"))
    }

    fn words(&self) -> String {
        let Card { repo, commit, files, .. } = &self.card;
        let folder = one_line(&self.folder.to_string_lossy());
        let already = if self.already { "already " } else { "" };
        let bytes = files.iter().map(|file| file.bytes).sum();
        format!(
            "{folder} {already}holds {} at commit {}: {}, {}\nNext: `sealctl models use {folder}`\n",
            one_line(repo),
            short(commit),
            count(files.len(), "file"),
            size(bytes)
        )
    }
}

fn pull(args: &Pull, folder: &Path) -> Result<Pulled> {
    let Pull { repo, revision, to: _, verify } = args;
    let target = Target::new(folder)?;
    let hub = Hub::open(Site::from_env()?, RETRIES)?;
    let mut told = PullProgress::new();
    let model = hub.look(repo, revision, &mut |event| told.event(&event))?;
    say(about(&model, revision, &hub.page(repo), folder));
    let pulled = |card, already| Pulled { folder: folder.to_path_buf(), card, already };
    if let Some(card) = target.holds(&model)? {
        if *verify {
            target.verify(&card, |file| {
                say(format!("reading {}, {}", one_line(&file.name), size(file.bytes)))
            })?;
        }
        return Ok(pulled(card, true));
    }
    told.begin(&model);
    let card = hub.pull(&model, &target, &Clock::System, &mut |event| told.event(&event));
    told.end();
    Ok(pulled(card?, false))
}

/// What is about to be fetched.
fn about(model: &Model, revision: &str, page: &str, folder: &Path) -> String {
    let Model { repo, commit, architecture, licence, files } = model;
    let architecture = if architecture.is_empty() { "not named" } else { architecture };
    let mut text = format!(
        "{repo} at {}, commit {}\n  architecture  {}\n  licence       {}\n  files         {}, {}\n  into          {}\n",
        one_line(revision),
        short(commit),
        one_line(architecture),
        licence.name.as_deref().map_or_else(|| "not named".to_string(), one_line),
        files.len(),
        size(model.bytes()),
        one_line(&folder.to_string_lossy())
    );
    text += &terms(licence, page);
    text
}

/// What a person has to do about the licence; nothing for the usual open ones.
fn terms(licence: &Licence, page: &str) -> String {
    match licence {
        Licence { gated: true, .. } => {
            format!("Gated: you must accept its terms at {page} with your account first.\n")
        }
        licence if licence.is_open() => String::new(),
        Licence { name: Some(_), .. } => {
            format!("The licence has terms of its own: read them at {page} before you use the model.\n")
        }
        Licence { name: None, .. } => {
            format!("Nothing says what you may do with it: see {page} before you use the model.\n")
        }
    }
}

/// The beginning of a commit, as git shows it.
fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// Says who may write where we may not.
fn with_remedy(error: Error, repo: &Repo) -> Error {
    let denied = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    if denied.is_none_or(|e| e.kind() != io::ErrorKind::PermissionDenied) {
        return error;
    }
    let text = format!(
        "{error}. Fetch it as the daemon's user, `sudo -u seald sealctl models pull {repo}`, or into a folder of yours that \
         the daemon can read, with --to"
    );
    Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_write_is_told_who_may() {
        let error = |kind| {
            let error = Error::new(Kind::Io, "cannot create /x").with_source(io::Error::from(kind));
            with_remedy(error, &"a/b".parse().unwrap()).to_string()
        };
        let denied = error(io::ErrorKind::PermissionDenied);
        assert!(
            denied.contains("sudo -u seald sealctl models pull a/b") && denied.contains("--to"),
            "{denied}"
        );
        assert!(!error(io::ErrorKind::StorageFull).contains("sudo"));
    }

    #[test]
    fn terms_are_told_where_there_are_any() {
        let terms = |name: Option<&str>, gated| {
            terms(&Licence { name: name.map(str::to_string), gated }, "https://hub/a/b")
        };
        assert_eq!(terms(Some("apache-2.0"), false), "");
        for told in [terms(Some("apache-2.0"), true), terms(Some("llama3.2"), false), terms(None, false)] {
            assert!(told.contains("https://hub/a/b"), "{told}");
        }
    }
}
