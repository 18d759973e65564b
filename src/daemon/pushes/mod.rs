//! Pushes: tells the servers of `serve_to` which generation is live, on a thread of its own, each apart from the others.

mod server;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;

use super::hold::Hold;
use crate::endpoint::ServingOptions;
use crate::pipeline::Root;
use crate::pipeline::monitor::Monitor;
use seald_core::clock::Clock;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::protocol::ServingView;
use seald_store::{NewEvent, Store};

use server::{Attempt, Server, ServingChange};

/// Longest time until a change of the live generation is seen that nobody told of.
const LOOK: Duration = Duration::from_secs(20);
/// What every adapter's folder holds.
const ADAPTER: &str = "adapter_config.json";

/// What the thread is told.
pub(super) enum PushMessage {
    /// Another generation may be live, or the daemon stops.
    Look,
    /// An attempt with a server ended.
    Done(usize, Attempt, Result<bool>),
}

/// The thread.
pub(super) struct Pushes {
    root: Root,
    store: Store,
    monitor: Arc<Monitor>,
    hold: Arc<Hold>,
    clock: Clock,
    servers: Vec<Server>,
    words: Receiver<PushMessage>,
    tell: Sender<PushMessage>,
}

impl Pushes {
    /// Gets ready to tell these servers; nothing is sent yet.
    ///
    /// # Errors
    /// Those of [`Serving::open`].
    pub(super) fn new(
        servers: &[ServingOptions],
        (root, store): (Root, Store),
        (monitor, hold): (Arc<Monitor>, Arc<Hold>),
        clock: Clock,
    ) -> Result<Self> {
        let servers = servers.iter().map(Server::new).collect::<Result<_>>()?;
        let (tell, words) = channel();
        Ok(Self { root, store, monitor, hold, clock, servers, words, tell })
    }

    /// Where it is told that it should look.
    pub(super) fn tell(&self) -> Sender<PushMessage> {
        self.tell.clone()
    }

    /// Works until the daemon stops. It waits for no server: what is under way then ends by itself.
    pub(super) fn run(mut self) {
        while !self.hold.is_stopping() {
            let wait = self.turn().unwrap_or_else(|error| {
                tracing::error!(%error, "the servers of serve_to cannot be seen to");
                LOOK
            });
            match self.words.recv_timeout(wait) {
                Ok(PushMessage::Done(at, attempt, outcome)) => self.done(at, attempt, outcome),
                Ok(PushMessage::Look) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    }

    /// Begins what is due; how long until the next is.
    fn turn(&mut self) -> Result<Duration> {
        let live = self.store.live()?.map_or(GenerationId::BASE, |live| live.id);
        let now = Instant::now();
        for at in 0..self.servers.len() {
            if let Some(attempt) = self.servers[at].next(live, now) {
                self.servers[at].begin(live);
                if let Err(error) = self.attempt(at, attempt) {
                    self.done(at, attempt, Err(error));
                }
            }
        }
        self.show();
        let waiting = self.servers.iter().filter(|server| !server.under_way).map(|server| server.due);
        Ok(waiting.min().map_or(LOOK, |due| due.saturating_duration_since(now).min(LOOK)))
    }

    /// Starts an attempt on a thread of its own.
    fn attempt(&self, at: usize, attempt: Attempt) -> Result<()> {
        let serving = Arc::clone(&self.servers[at].serving);
        let id = attempt.generation();
        let adapter = (id != GenerationId::BASE).then(|| self.folder(id, serving.options())).transpose()?;
        let tell = self.tell.clone();
        let talk = move || match attempt {
            Attempt::Check(_) => serving.has(adapter.as_deref()),
            Attempt::Push(_) => {
                adapter.map_or_else(|| serving.unload(), |it| serving.load(&it)).map(|()| true)
            }
        };
        let run = move || {
            let broken = || Err(Error::new(Kind::Internal, "the thread that talks to the server broke"));
            let outcome = catch_unwind(AssertUnwindSafe(talk)).unwrap_or_else(|_| broken());
            // At the end of the daemon nobody asks any more.
            let _ = tell.send(PushMessage::Done(at, attempt, outcome));
        };
        let thread = thread::Builder::new().name("seald-push".into()).spawn(run);
        thread.map(drop).doing(Kind::Io, || "cannot start a thread".into())
    }

    /// The folder of a generation, as the server sees it.
    fn folder(&self, id: GenerationId, options: &ServingOptions) -> Result<String> {
        let ours = self.root.generation(id);
        if !ours.join(ADAPTER).is_file() {
            let text = format!(
                "{} is live, but there is no adapter in {}: put it back, or `sealctl rollback`",
                id.folder(),
                ours.display()
            );
            return Err(Error::new(Kind::NotFound, text));
        }
        let theirs = match options.path.as_os_str().is_empty() {
            true => ours,
            false => options.path.join(id.folder()),
        };
        Ok(theirs.display().to_string())
    }

    fn done(&mut self, at: usize, attempt: Attempt, outcome: Result<bool>) {
        let server = &mut self.servers[at];
        let news = server.done(attempt, outcome, Instant::now(), self.clock.now());
        let ServingView { url, name, generation, error, .. } = &server.view;
        let what = attempt.generation().folder();
        let (kind, body) = match news {
            Some(ServingChange::Served) => {
                tracing::info!(url, name, generation = what, "a server took a generation");
                let words = format!("{name} at {url} is {what}");
                (
                    "served",
                    serde_json::json!({ "words": words, "url": url, "name": name, "generation": generation }),
                )
            }
            Some(ServingChange::Failing) => {
                tracing::warn!(url, name, generation = what, error, "a server does not take a generation");
                (
                    "serving_failed",
                    serde_json::json!({ "error": error, "url": url, "name": name, "generation": what }),
                )
            }
            None => return,
        };
        let event = NewEvent { at: self.clock.now(), job: None, document: None, kind: kind.into(), body };
        match self.store.log(&[event]) {
            Ok(()) => self.monitor.logged(),
            Err(error) => tracing::warn!(%error, "an event cannot be kept"),
        }
    }

    fn show(&self) {
        let views = self.servers.iter().map(|server| server.view.clone()).collect();
        self.monitor.update(|now| now.serve_to = views);
    }
}

/// Lets the thread look each time that the database has new events. Completes when the thread has ended.
pub(super) async fn keep_looking(monitor: Arc<Monitor>, tell: Sender<PushMessage>) {
    let mut events = monitor.listen();
    loop {
        let look = match events.recv().await {
            Ok(event) => event.kind == "logged",
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return,
        };
        if look && tell.send(PushMessage::Look).is_err() {
            return;
        }
    }
}
