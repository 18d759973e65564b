//! `add`: hands documents in, and says what became of them: read or not, and with `--wait` learned or not.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sealctl::client::{self, Client, Failure, Stream, parse, routes};
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::progress::Progress;
use seald_core::error::{Error, Kind};
use seald_core::protocol::{AddView, DocumentView, EventView};
use seald_terminal::words::count;
use seald_terminal::{Look, one_line};

use crate::cli::Add;
use crate::event_printer::EventPrinter;
use crate::output::{self, say};

/// Ends the name of a file with questions for the document beside it.
const SIDECAR: &str = ".probes.jsonl";
/// Between two looks at the documents that are waited for.
const LOOK: Duration = Duration::from_secs(2);

/// What is waited for.
struct Wait {
    /// Files that are not read yet, as the daemon named them.
    unread: BTreeSet<String>,
    /// Documents that are not learned yet.
    unlearned: BTreeSet<DocumentId>,
    learn: bool,
    json: bool,
    failed: bool,
    printer: EventPrinter,
}

/// Hands documents in, one after the other; one that is refused at once stops the rest. Then waits until they were read. Exit code 1 where one was not, or was not learned.
pub(crate) async fn run(client: &Client, args: Add, json: bool) -> Result<ExitCode, Failure> {
    // What is wrong is found before anything is handed in.
    let mut files = Vec::with_capacity(args.files.len());
    for path in &args.files {
        // Opening a pipe would wait, and a device may never end.
        if !fs::metadata(path).map_err(|e| not_read(path, e))?.is_file() {
            let text = format!("{} is no regular file: give files, each a document", path.display());
            return Err(Failure::Other(Error::new(Kind::Invalid, text)));
        }
        File::open(path).map_err(|e| not_read(path, e))?;
        files.push((path, name(path)?));
    }
    // What happens from now on is told, so that nothing is missed.
    let stream = if args.no_wait { None } else { Some(client.events(None).await?) };
    let mut unread = BTreeSet::new();
    for (path, name) in files {
        let bytes = fs::read(path).map_err(|e| not_read(path, e))?;
        let route = routes::add(name, args.tag.as_deref());
        let answer = client.upload(&route, bytes).await?;
        let AddView { path } = parse(&answer, &route)?;
        if json {
            output::json(&answer)?;
        } else if args.no_wait {
            output::text(&format!("{} was handed in\n", one_line(&path)))?;
        }
        // Questions are read with their document, and nothing is told of them.
        if !name.ends_with(SIDECAR) {
            unread.insert(path);
        }
    }
    let Some(stream) = stream else { return Ok(ExitCode::SUCCESS) };
    let printer = EventPrinter::new(Look::of_stdout());
    let unlearned = BTreeSet::new();
    let mut wait = Wait { unread, unlearned, learn: args.wait, json, failed: false, printer };
    if args.wait {
        say("Ctrl-C ends the waiting, not the learning");
    }
    wait.follow(client, stream).await?;
    Ok(if wait.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Wait {
    async fn follow(&mut self, client: &Client, mut stream: Stream<EventView>) -> Result<(), Failure> {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !(self.unread.is_empty() && self.unlearned.is_empty()) {
            let event = tokio::select! {
                event = stream.next() => event?,
                _ = looks.tick() => {
                    self.look(client).await?;
                    continue;
                }
            };
            let Some((event, _)) = event else {
                let left = self.unread.len() + self.unlearned.len();
                let text = format!(
                    "the daemon closed the stream of events with {} to go: `sealctl watch` goes on when it is back",
                    count(left, "document")
                );
                return Err(Failure::Unreachable(Error::new(Kind::Io, text)));
            };
            self.event(&event)?;
        }
        Ok(())
    }

    /// Looks at the documents themselves, for ends that the stream did not tell of: somebody forgot one, or it was learned before we knew its number.
    async fn look(&mut self, client: &Client) -> Result<(), Failure> {
        for document in self.unlearned.clone() {
            let state = match client.read::<DocumentView>(&routes::document(&document.to_string())).await {
                Ok(view) => view.line.state,
                Err(Failure::Problem(_)) => DocumentState::Failed,
                Err(Failure::Unreachable(_)) => return Ok(()),
                Err(failure) => return Err(failure),
            };
            if !matches!(state, DocumentState::Waiting | DocumentState::Learning) {
                self.unlearned.remove(&document);
                self.failed |= state != DocumentState::Learned;
                if !self.json {
                    let words = format!("document {document}: {}\n", state);
                    self.printer.above(|| output::text(&words))?;
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &EventView) -> Result<(), Failure> {
        let path = event.body["path"].as_str().unwrap_or_default();
        if self.unread.contains(path) {
            self.read(event, path)?;
        }
        let Some(document) = event.document.filter(|document| self.unlearned.contains(document)) else {
            return Ok(());
        };
        let progress = client::progress(event);
        let lines = self.printer.tell(event, progress.as_ref());
        if !self.json && !lines.is_empty() {
            self.printer.above(|| output::text(&lines))?;
        }
        if let Some(Progress::Finished { verdict, .. }) = &progress {
            self.unlearned.remove(&document);
            self.failed |= *verdict != DocumentState::Learned;
        }
        Ok(())
    }

    /// What became of a file that was handed in. One of several rows has an event for each.
    fn read(&mut self, event: &EventView, path: &str) -> Result<(), Failure> {
        let shown = one_line(path);
        let words = match (event.kind.as_str(), event.document) {
            ("received", Some(document)) => {
                if self.learn {
                    self.unlearned.insert(document);
                }
                format!("{shown} was read and waits to be learned: document {document}")
            }
            ("known", Some(document)) => format!("{shown} is known already: document {document}"),
            ("refused", _) => {
                self.failed = true;
                let reason = one_line(event.body["reason"].as_str().unwrap_or_default());
                format!("{shown} could not be read: {reason}")
            }
            _ => return Ok(()),
        };
        if event.body["last"] != false {
            self.unread.remove(path);
        }
        if self.json { Ok(()) } else { Ok(output::text(&format!("{words}\n"))?) }
    }
}

fn name(path: &Path) -> Result<&str, Failure> {
    let name = path.file_name().ok_or_else(|| {
        Error::new(Kind::Invalid, format!("{} is no file: name the documents themselves", path.display()))
    })?;
    let wrong = || {
        let text = format!("the name of {} is not UTF-8: copy it into the inbox yourself", path.display());
        Error::new(Kind::Invalid, text)
    };
    Ok(name.to_str().ok_or_else(wrong)?)
}

fn not_read(path: &Path, e: std::io::Error) -> Error {
    let kind = match e.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::IsADirectory => Kind::Invalid,
        _ => Kind::Io,
    };
    Error::new(kind, format!("cannot read {}", path.display())).with_source(e)
}
