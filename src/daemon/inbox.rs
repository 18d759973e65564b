//! The inbox at work: files that have settled are read, stored and moved away; a hint of the watcher makes it look at once, the timer makes sure.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::hold::Hold;
use super::learner::Settings;
use crate::pipeline::control::Control;
use crate::pipeline::monitor::Monitor;
use crate::pipeline::{self, Intake, TakenDocument};
use seald_core::clock::Clock;
use seald_core::domain::ids::DocumentId;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{RefusedFiles, UnreadablePlace};
use seald_ingest::Limits;
use seald_ingest::inbox::{Found, Inbox, InboxOptions, LOOKED_AT_AGAIN_SECONDS, Scan, TakenEarlier};
use seald_store::{NewEvent, Store};

/// Files taken between two looks at the folder.
const AT_ONCE: usize = 64;
/// Between two looks at files that were just taken.
const LOOK_AT_TAKEN: Duration = Duration::from_secs(2);
/// Files that could not be read, of which more than their number is told.
const MAX_TOLD: usize = 100;
/// Files that are looked at again at a start.
const MAX_AGAIN: usize = 10_000;
/// Seconds between two looks for files that vanished from `done`.
const LOOK_AT_DONE: u64 = 600;

/// The thread that empties the inbox.
pub(super) struct InboxThread {
    pub(super) inbox: Inbox,
    pub(super) options: Arc<RwLock<InboxOptions>>,
    pub(super) settings: Arc<RwLock<Settings>>,
    pub(super) store: Store,
    pub(super) program: PathBuf,
    pub(super) limits: Limits,
    pub(super) monitor: Arc<Monitor>,
    pub(super) control: Control,
    pub(super) hold: Arc<Hold>,
    pub(super) clock: Clock,
    /// What to say of the last file that had to be left in the inbox.
    pub(super) stays: Option<String>,
    /// What was told of questions without a document.
    pub(super) lonely: Option<String>,
    pub(super) looked_at_done: Option<Instant>,
    pub(super) looked_at_failed: Option<Instant>,
}

impl InboxThread {
    /// Works until the daemon stops; `hints` say when to look.
    pub(super) fn run(mut self, hints: Receiver<()>) {
        if let Err(error) = self.watch_again() {
            tracing::warn!(%error, "what was still being written at the last end is not looked at");
        }
        while !self.hold.is_stopping() {
            let wait = match self.look() {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::error!(%error, "the inbox cannot be emptied");
                    self.monitor.problem("inbox", Some(error.reason_first()));
                    self.poll()
                }
            };
            match hints.recv_timeout(wait) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                // Nobody gives hints any more: the daemon stops, or polls.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(wait.min(Duration::from_secs(1))),
            }
            // A copy in progress gives thousands of hints.
            while hints.try_recv().is_ok() {}
        }
    }

    fn read_options(&self) -> InboxOptions {
        *self.options.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn max_passages(&self) -> usize {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).worker.learn.max_passages
    }

    fn poll(&self) -> Duration {
        Duration::from_secs(self.read_options().poll_seconds)
    }

    /// Takes what has settled; how long until there may be more.
    fn look(&mut self) -> Result<Duration> {
        self.inbox.set_options(self.read_options())?;
        let max_passages = Some(self.max_passages());
        self.monitor.update(|now| now.max_passages = max_passages);
        let mut poll = self.poll();
        loop {
            let now = self.clock.now();
            if self.take_back() {
                // Nobody gives a hint when such a file changes.
                poll = poll.min(LOOK_AT_TAKEN);
            }
            let scan = self.inbox.scan(now, AT_ONCE)?;
            for (path, reason) in &scan.refused {
                self.refuse(path, reason);
            }
            for found in &scan.files {
                if self.hold.is_stopping() {
                    return Ok(poll);
                }
                if let Err(error) = self.take(found) {
                    self.leave_refused(found, error)?;
                }
            }
            if scan.more == 0 {
                self.look_at_done();
                self.look_at_failed();
                self.tell_problems(&scan);
                let again = scan
                    .look_again
                    .map(|at| Duration::from_millis(at.0.saturating_sub(now.0).max(20) as u64));
                return Ok(again.unwrap_or(poll).min(poll));
            }
        }
    }

    /// Goes on looking at the files that an earlier process took a moment before it ended: what is written at still is a new version.
    fn watch_again(&mut self) -> Result<()> {
        let now = self.clock.now();
        let taken = self.store.files_taken(now.plus_seconds(-LOOKED_AT_AGAIN_SECONDS), MAX_AGAIN)?;
        let taken = taken.into_iter().map(|(path, name, at)| TakenEarlier { path, name, at });
        self.inbox.watch_again(&taken.collect::<Vec<_>>(), now);
        Ok(())
    }

    /// Brings files back that were still being written when they were taken; whether more are looked at.
    fn take_back(&mut self) -> bool {
        match self.store.files_leaving() {
            Ok(leaving) => self.inbox.let_go(&leaving),
            // Better later than to bring back what is being forgotten.
            Err(error) => {
                tracing::warn!(%error, "what is still being written is not looked at now");
                return true;
            }
        }
        let (back, more) = self.inbox.take_back(self.clock.now());
        self.looked_at_failed = self.looked_at_failed.filter(|_| back.is_empty());
        for path in back {
            tracing::warn!(file = %path.display(), "was still being written when it was read: it is read again");
        }
        more
    }

    /// A file that the database alone refuses stays where it is, and holds up no other; what keeps every file from being taken is the caller's to tell.
    fn leave_refused(&mut self, found: &Found, error: Error) -> Result<()> {
        if !matches!(error.kind(), Kind::Corrupt | Kind::Internal | Kind::Invalid) {
            return Err(error);
        }
        let path = found.path.display();
        tracing::error!(file = %path, %error, "the database does not take it");
        self.inbox.leave(&found.path);
        self.stays = Some(format!(
            "{path} stays in the inbox, for the database does not take it, and may be damaged: stop seald and give `sealctl restore`, which puts the newest backup \
             that is whole in its place; the file is tried again when seald starts ({})",
            error.reason_first()
        ));
        Ok(())
    }

    /// Reads a file, stores what is in it and moves it away.
    fn take(&mut self, found: &Found) -> Result<()> {
        let intake = Intake {
            program: &self.program,
            limits: self.limits,
            retry: false,
            tag: found.tag.clone(),
            versions: true,
            max_passages: self.max_passages(),
            clock: self.clock.clone(),
        };
        let ready = match self.inbox.open_found(found) {
            Ok(opened) => pipeline::read_opened(&intake, &found.path, opened),
            // It is another file by now, which the next look finds.
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Conflict) => return Ok(()),
            Err(error) => Err(error),
        };
        if !found.unchanged() {
            // What was read may be half of a new version, which the next look finds.
            return Ok(());
        }
        match ready {
            Ok(ready) => {
                let hold = self.hold.clone();
                let kept = pipeline::keep_all(&mut self.store, &intake, &ready, &|| hold.is_stopping());
                let documents = match kept {
                    // It stays until the document that it repeats is forgotten.
                    Err(error) if error.kind() == Kind::Busy => {
                        tracing::info!(file = %found.path.display(), %error, "waits in the inbox");
                        return Ok(());
                    }
                    kept => kept?,
                };
                let whole = documents.len() == ready.len();
                self.tell_taken(found, &documents, whole)?;
                if whole {
                    self.put_away(found, &documents)?;
                }
                // Else the daemon stops: the file stays, and the next one reads the rest.
                Ok(())
            }
            // It was not read at all: the next look tries again.
            Err(error) if error.kind() == Kind::Conflict => Err(error),
            Err(error) => {
                self.refuse(&found.path, &error.to_string());
                Ok(())
            }
        }
    }

    /// Tells which documents were taken out of a file, all that it holds or some of them.
    fn tell_taken(&mut self, found: &Found, documents: &[TakenDocument], whole: bool) -> Result<()> {
        let path = found.path.to_string_lossy();
        let events = documents.iter().enumerate().map(|(number, one)| NewEvent {
            at: self.clock.now(),
            job: None,
            document: Some(one.id),
            kind: if one.known { "known".into() } else { "received".into() },
            // Whoever handed the file in waits for the last of its documents.
            body: serde_json::json!({ "name": one.name, "path": path, "last": whole && number + 1 == documents.len() }),
        });
        self.store.log(&events.collect::<Vec<_>>())?;
        self.monitor.logged();
        self.control.look();
        Ok(())
    }

    /// Moves a file that was taken to `done`.
    fn put_away(&mut self, found: &Found, documents: &[TakenDocument]) -> Result<()> {
        let ids: Vec<DocumentId> = documents.iter().map(|d| d.id).collect();
        match self.inbox.done(found) {
            Ok(place) => {
                self.inbox.watch_taken(&found.path, &place, Some(found), self.clock.now());
                let beneath = place.strip_prefix(self.inbox.done_folder()).unwrap_or(&place).to_path_buf();
                self.store.file_taken(&beneath, &ids, self.clock.now())?;
                let known = documents.iter().filter(|document| document.known).count();
                let new = documents.len() - known;
                match known {
                    0 => tracing::info!(file = %found.path.display(), documents = new, "taken in"),
                    _ => tracing::info!(file = %found.path.display(), documents = new, known, "taken in"),
                }
            }
            Err(error) => self.cannot_move(&found.path, &error),
        }
        Ok(())
    }

    /// Moves a file that cannot be taken to `failed`, with the reason beside it.
    fn refuse(&mut self, path: &Path, reason: &str) {
        tracing::warn!(file = %path.display(), reason, "cannot be taken in");
        let body = serde_json::json!({ "path": path.to_string_lossy(), "reason": reason });
        let event =
            NewEvent { at: self.clock.now(), job: None, document: None, kind: "refused".into(), body };
        if let Err(error) = self.store.log(&[event]) {
            tracing::warn!(%error, "cannot log an event");
        }
        self.monitor.logged();
        self.looked_at_failed = None;
        match self.inbox.failed(path, reason) {
            // Perhaps somebody is still writing it.
            Ok(place) => self.inbox.watch_taken(path, &place, None, self.clock.now()),
            Err(error) => self.cannot_move(path, &error),
        }
    }

    /// Tells of the files that could not be read, as long as they lie there.
    fn look_at_failed(&mut self) {
        let due = self.looked_at_failed.is_none_or(|at| at.elapsed() >= self.poll());
        if !due {
            return;
        }
        self.looked_at_failed = Some(Instant::now());
        match self.inbox.refused(MAX_TOLD) {
            Ok(refused) => self.monitor.update(|now| {
                let unreadable = std::mem::take(&mut now.refused.unreadable);
                now.refused = RefusedFiles { unreadable, ..refused };
            }),
            Err(error) => tracing::warn!(%error, "cannot look for files that could not be read"),
        }
    }

    /// A file stays where it is: it is left alone until it changes, and a person is told.
    fn cannot_move(&mut self, path: &Path, error: &Error) {
        if matches!(error.kind(), Kind::NotFound | Kind::Conflict) {
            tracing::info!(file = %path.display(), %error, "changed meanwhile");
            return;
        }
        tracing::error!(file = %path.display(), %error, "cannot be moved out of the inbox");
        self.inbox.leave(path);
        self.stays = Some(format!("it was dealt with and cannot be moved away: {error}"));
    }

    /// Tells what a person should know about the folder.
    fn tell_problems(&mut self, scan: &Scan) {
        self.monitor.problem("inbox", self.problem(scan));
        let lonely = lonely(&scan.lonely);
        if lonely != self.lonely {
            if let Some(words) = &lonely {
                tracing::warn!("{words}");
            }
            self.monitor.problem("questions", lonely.clone());
            self.lonely = lonely;
        }
        let place = |(path, reason): &(PathBuf, String)| UnreadablePlace {
            path: path.to_string_lossy().into_owned(),
            reason: reason.clone(),
        };
        let unreadable = scan.unreadable.iter().map(place).collect();
        self.monitor.update(|now| now.refused.unreadable = unreadable);
    }

    fn problem(&self, scan: &Scan) -> Option<String> {
        if let [(path, reason), others @ ..] = scan.unreadable.as_slice() {
            let others = match others.len() {
                0 => String::new(),
                more => format!(" (and {more} more: `sealctl docs --state failed` lists them)"),
            };
            return Some(format!("{} {reason}{others}", path.display()));
        }
        let reason = self.stays.as_deref().filter(|_| scan.left > 0)?;
        Some(format!("{} files are left in the inbox; the last: {reason}", scan.left))
    }

    /// Reports files that somebody removed from `done`: what they taught stays, but where it is being forgotten.
    fn look_at_done(&mut self) {
        let due = self.looked_at_done.is_none_or(|at| at.elapsed() >= Duration::from_secs(LOOK_AT_DONE));
        if !due {
            return;
        }
        self.looked_at_done = Some(Instant::now());
        let missing = self.inbox.done_listing().and_then(|listing| {
            let there = listing.collect::<Result<HashSet<PathBuf>>>()?;
            self.store.newly_missing(&there, self.clock.now())
        });
        match missing {
            Ok(missing) => {
                for one in missing {
                    let path = one.path.display().to_string();
                    let document = one.document.0;
                    if one.leaving {
                        tracing::info!(
                            file = path,
                            document,
                            "removed from done; its document is being forgotten"
                        );
                        continue;
                    }
                    tracing::info!(file = path, document, "removed from done; what it taught stays");
                    let event = NewEvent {
                        at: self.clock.now(),
                        job: None,
                        document: Some(one.document),
                        kind: "file_removed".into(),
                        body: serde_json::json!({ "path": path }),
                    };
                    let _ = self.store.log(&[event]);
                    self.monitor.logged();
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for removed files"),
        }
    }
}

/// What to do about questions that belong to no document.
fn lonely(paths: &[PathBuf]) -> Option<String> {
    let [first, others @ ..] = paths else { return None };
    let others = match others.len() {
        0 => String::new(),
        more => format!(" (and {more} more like it)"),
    };
    let name = first.file_name().unwrap_or_default().to_string_lossy();
    let document = name.get(..name.len().saturating_sub(".probes.jsonl".len())).unwrap_or_default();
    Some(format!(
        "{}{others} holds questions, and nobody reads them: no document beside it is called {document} or {document}.md, .txt, …. \
         Put that document into the same folder, again if it was learned before, or remove the questions",
        first.display()
    ))
}
