//! Starting: the root is locked and taken up, threads and server are started; and what happens until the end.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, RwLock};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::Surroundings;
use super::answers::Answers;
use super::clerk::{Clerk, Rules};
use super::hold::Hold;
use super::inbox::Intaker;
use super::learner::{Learner, Work};
use super::others::Others;
use super::reload::{self, Reload};
use super::slot::ModelSlot;
use super::threads::{Ended, Threads};
use super::trouble::Trouble;
use super::{housekeeping, service};
use crate::api::{self, Reader, Service, Token};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Context, Error, Kind, Result};
use crate::files::{self, FileLock};
use crate::ingest::inbox::{self, Inbox};
use crate::pipeline::Root;
use crate::pipeline::control::{Control, Desk};
use crate::pipeline::monitor::Monitor;
use crate::store::{NewEvent, Store};

/// A daemon that serves.
pub(super) struct Running {
    pub(super) config: Config,
    pub(super) hold: Arc<Hold>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) control: Control,
    pub(super) threads: Threads,
    pub(super) server: Server,
    pub(super) hints: Sender<()>,
    ends: UnboundedReceiver<Ended>,
    reload: Reload,
    tasks: JoinSet<()>,
    _watcher: Option<inbox::Watcher>,
    _lock: FileLock,
}

/// The task that serves the interface.
pub(super) struct Server {
    task: tokio::task::JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// Lets what is being answered end, and waits for it.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the interface broke");
        }
    }
}

impl Running {
    /// Serves until `shutdown` completes, or a part ends that should not; which one.
    pub(super) async fn until(&mut self, shutdown: impl Future<Output = ()>) -> Option<Ended> {
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return None,
                Some(ended) = self.ends.recv() => {
                    tracing::error!(thread = ended.name, error = ended.error, "a part of the daemon ended");
                    return Some(ended);
                }
                _ = &mut self.server.task, if !self.server.task.is_finished() => {
                    return Some(Ended { name: "the interface", error: "it stopped serving".into() });
                }
                _ = self.tasks.join_next() => {
                    return Some(Ended { name: "the watch over the service", error: "it ended".into() });
                }
                () = self.reload.asked() => self.reload.now(&mut self.config),
            }
        }
    }
}

/// Starts everything.
pub(super) async fn start(config: Config, around: Surroundings) -> Result<Running> {
    let clock = Clock::System;
    let started_at = clock.now();
    let root = Root::open(&config.root)?;
    let lock = files::lock(&root.lock_file())?;
    let mut store = open_store(&root)?;
    let interrupted = store.abandon_running()?.len();
    note_start(&mut store, &clock, interrupted)?;
    courteous(config.courtesy.nice);

    let monitor = Arc::new(Monitor::new(clock.clone()));
    let (control, Desk { requests, questions }) = Control::new();
    let hold = Arc::new(Hold::default());
    let Surroundings { program, compute, release_memory, set_log_level } = around;
    let slot = Arc::new(ModelSlot::new(&config.model, compute, release_memory, monitor.clone()));
    let settings = Arc::new(RwLock::new(reload::settings(&config, &clock)));
    let rules = Arc::new(RwLock::new(Rules::new(&config.schedule, &config.courtesy)?));

    let unix = api::bind_unix(&config.socket_path(), config.api.socket_mode)?;
    let tcp = match (config.api.listen, config.api.token()?) {
        (Some(listen), Some(token)) => Some((bind_tcp(listen).await?, Token::new(&token)?)),
        _ => None,
    };
    let inbox_path = config.inbox_path();
    let (hints, hinted) = mpsc::channel();
    let inbox = Inbox::open(&inbox_path, config.inbox.clone())?;
    let for_api = inbox.clone();
    let watcher = watch(&inbox_path, hints.clone());

    let (mut threads, ends) = Threads::new();
    let (to_learner, work) = mpsc::channel::<Work>();
    let learner = Learner {
        root: root.clone(),
        slot: slot.clone(),
        monitor: monitor.clone(),
        hold: hold.clone(),
        settings: settings.clone(),
        work,
        clock: clock.clone(),
        waiting: VecDeque::new(),
        trouble: Trouble::default(),
    };
    threads.start("learner", || learner.run())?;
    let clerk = Clerk {
        root: root.clone(),
        store: Store::open(&root.database())?,
        slot: slot.clone(),
        monitor: monitor.clone(),
        hold: hold.clone(),
        rules: rules.clone(),
        learner: to_learner,
        clock: clock.clone(),
        others: Others::default(),
    };
    threads.start("clerk", || {
        clerk.run(requests);
        Ok(())
    })?;
    let answers = Answers {
        root: root.clone(),
        store: Store::open(&root.database())?,
        slot: slot.clone(),
        hold: hold.clone(),
        loaded: None,
    };
    threads.start("answers", || {
        answers.run(questions);
        Ok(())
    })?;
    let inbox_options = Arc::new(RwLock::new(config.inbox.clone()));
    let intaker = Intaker {
        inbox,
        options: inbox_options.clone(),
        store,
        program,
        limits: config.reading,
        monitor: monitor.clone(),
        control: control.clone(),
        hold: hold.clone(),
        clock: clock.clone(),
        immovable: None,
        looked_at_done: None,
    };
    threads.start("inbox", || {
        intaker.run(hinted);
        Ok(())
    })?;

    let hint = hints.clone();
    let put = move |name: &str, tag: Option<&str>, bytes: &[u8]| {
        let place = for_api.put(name, tag, bytes)?;
        // The inbox looks at once, whether or not the watcher saw it.
        let _ = hint.send(());
        Ok(place)
    };
    let service = Arc::new(Service {
        root: config.root.clone(),
        inbox: inbox_path.clone(),
        model: config.model.display().to_string(),
        started_at,
        clock: clock.clone(),
        reader: Reader::new(Store::open(&root.database())?),
        monitor: monitor.clone(),
        control: control.clone(),
        put: Box::new(put),
    });
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let listeners = api::Listeners { unix, tcp };
    let task = tokio::spawn(api::serve(listeners, service, async {
        let _ = stopped.await;
    }));
    let mut tasks = JoinSet::new();
    tasks.spawn(service::keep_telling(monitor.clone(), hold.clone(), slot));
    let reload =
        Reload { settings, rules, inbox: inbox_options, set_log_level, clock, hangups: reload::hangups()? };
    let server = Server { task, stop };
    Ok(Running {
        config,
        hold,
        monitor,
        control,
        threads,
        server,
        hints,
        ends,
        reload,
        tasks,
        _watcher: watcher,
        _lock: lock,
    })
}

async fn bind_tcp(listen: std::net::SocketAddr) -> Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(listen).await.doing(Kind::Io, || {
        format!("cannot listen on {listen} (api.listen): choose another port, or stop what uses it")
    })
}

/// The database; a damaged one is an error that names the newest backup and how to put it back.
fn open_store(root: &Root) -> Result<Store> {
    let database = root.database();
    Store::open(&database).map_err(|error| match (error.kind(), housekeeping::newest_backup(root)) {
        (Kind::Corrupt, Some(backup)) => Error::new(
            Kind::Corrupt,
            format!(
                "{error}. The newest backup is {}: move {} and the files beside it whose names begin with it away, copy the backup \
                 to that name, and start again",
                backup.display(),
                database.display()
            ),
        ),
        _ => error,
    })
}

fn note_start(store: &mut Store, clock: &Clock, interrupted: usize) -> Result<()> {
    let body = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "interrupted": interrupted
    });
    store.log(&[NewEvent { at: clock.now(), job: None, document: None, kind: "started".into(), body }])
}

/// Lets other programs go first.
fn courteous(nice: i32) {
    if nice > 0
        && let Err(error) = rustix::process::setpriority_process(None, nice)
    {
        tracing::warn!(%error, nice, "cannot lower the priority");
    }
}

/// The watcher; without one the inbox is polled.
fn watch(path: &std::path::Path, hints: Sender<()>) -> Option<inbox::Watcher> {
    let hint = move || {
        // Nobody listens once the daemon stops.
        let _ = hints.send(());
    };
    let watcher = inbox::watch(path, hint);
    watcher
        .inspect_err(
            |error| tracing::warn!(%error, "the inbox is not watched, only looked at from time to time"),
        )
        .ok()
}
