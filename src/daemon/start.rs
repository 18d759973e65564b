//! Starting: the root is locked and taken up, threads and server are started; and what happens until the end.

use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, RwLock};

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::answers::Answers;
use super::backoff::Backoff;
use super::clerk::{Clerk, Rules};
use super::cpu_load::CpuLoad;
use super::export;
use super::handing_in;
use super::hold::Hold;
use super::inbox::InboxThread;
use super::learner::Learner;
use super::pushes::{self, Pushes};
use super::reload::{self, Reload};
use super::slot::ModelSlot;
use super::sockets::listen;
use super::systemd::Notifier;
use super::threads::{Ended, Threads};
use super::{Environment, SetLogLevel};
use crate::api::{self, Reader, Service};
use crate::config::Config;
use crate::pipeline::control::{Control, ControlReceiver};
use crate::pipeline::monitor::Monitor;
use crate::pipeline::{self, Root};
use seald_core::clock::{Clock, Timestamp};
use seald_core::error::Result;
use seald_core::files::{self, FileLock};
use seald_core::protocol::BaseModelView;
use seald_ingest::inbox::{self, Inbox};
use seald_learn::{ModelSummary, inspect};
use seald_store::{NewEvent, Store};

/// A daemon that serves.
pub(super) struct RunningDaemon {
    pub(super) config: Config,
    pub(super) hold: Arc<Hold>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) control: Control,
    pub(super) threads: Threads,
    pub(super) server: Server,
    pub(super) hints: Sender<()>,
    pub(super) pushes: Option<Sender<pushes::PushMessage>>,
    /// The first connection, and the last.
    pub(super) store: Store,
    ends: UnboundedReceiver<Ended>,
    reload: Reload,
    tasks: JoinSet<()>,
    slot: Arc<ModelSlot>,
    begin_again: Arc<Notify>,
    release_memory: fn(),
    _watcher: Option<inbox::Watcher>,
    _lock: FileLock,
}

/// Why a daemon stopped serving.
pub(super) enum End {
    /// Somebody said so.
    Asked,
    /// It begins again, with another base model.
    BeginAgain,
    /// A part ended that should not.
    Broken(Ended),
}

/// The task that serves the interface.
pub(super) struct Server {
    task: tokio::task::JoinHandle<()>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Server {
    /// Lets what is being answered end, and waits for it.
    pub(super) async fn stop(self) {
        if self.task.is_finished() {
            // Its end was told already.
            return;
        }
        let _ = self.stop.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the interface broke");
        }
    }
}

impl RunningDaemon {
    /// Serves until `shutdown` completes, the daemon is to begin again, or a part ends that should not.
    pub(super) async fn until(&mut self, mut shutdown: Pin<&mut impl Future<Output = ()>>) -> End {
        let begin_again = self.begin_again.clone();
        loop {
            tokio::select! {
                () = &mut shutdown => return End::Asked,
                () = begin_again.notified() => return End::BeginAgain,
                Some(ended) = self.ends.recv() => {
                    tracing::error!(thread = ended.name, error = ended.error, "a part of the daemon ended");
                    return End::Broken(ended);
                }
                _ = &mut self.server.task => {
                    return End::Broken(Ended { name: "the interface", error: "it stopped serving".into() });
                }
                _ = self.tasks.join_next() => {
                    return End::Broken(Ended { name: "the watch over the service", error: "it ended".into() });
                }
                // Here, as the allocator takes up what ended threads left only from the thread that the program began with.
                () = self.slot.emptied.notified() => (self.release_memory)(),
                () = self.reload.asked() => self.reload.now(&mut self.config),
            }
        }
    }
}

/// What the parts of the daemon share.
struct Shared {
    config: Config,
    program: PathBuf,
    /// The base model: the configured one, or what was learned on.
    model: PathBuf,
    store: Store,
    root: Root,
    clock: Clock,
    monitor: Arc<Monitor>,
    hold: Arc<Hold>,
    slot: Arc<ModelSlot>,
    control: Control,
    begin_again: Arc<Notify>,
}

impl Shared {
    /// A connection of a part's own.
    fn store(&self) -> Result<Store> {
        self.store.another()
    }
}

/// Starts everything.
pub(super) async fn start(config: Config, around: Environment, notifier: Notifier) -> Result<RunningDaemon> {
    let Environment { program, compute, clock, release_memory, set_log_level } = around;
    let started_at = clock.now();
    let root = Root::open(&config.root)?;
    let lock = files::lock(&root.lock_file())?;
    pipeline::clean_backups(&root);
    let mut store = pipeline::open_database(&root)?;
    let interrupted = store.abandon_running(pipeline::last_place(&root).as_deref())?.len();
    note_start(&mut store, &clock, interrupted)?;
    lower_priority(config.resources.nice);
    let (model, note) = pipeline::choose_base(&mut store, &config.model, started_at)?;

    let monitor = Arc::new(Monitor::new(clock.clone()));
    if let Some(note) = note {
        tracing::warn!("{note}");
        monitor.problem("base", Some(note));
    }
    let fallen = pipeline::heal_live(&root, &mut store, started_at)?;
    monitor.problem("adapters", fallen.or(pipeline::unknown_in_words(&root)?));
    let (control, desk) = Control::new(config.answers.max_waiting);
    let slot = Arc::new(ModelSlot::new(&model, compute, monitor.clone()));
    let reload = reload(&config, &clock, set_log_level, &notifier)?;
    let (hold, begin_again) = (Arc::default(), Arc::default());
    let shared =
        Shared { config, program, model, store, root, clock, monitor, hold, slot, control, begin_again };

    let listeners = listen(&shared.config).await?;
    let inbox = Inbox::open(&shared.config.inbox_path(), shared.config.inbox)?;
    let (hints, hinted) = mpsc::channel();
    let watcher = watch(inbox.path(), hints.clone());
    let (mut threads, ends) = Threads::new();
    start_thinking(&mut threads, &shared, &reload, desk)?;
    start_taking_in(&mut threads, &shared, &reload, inbox.clone(), hinted)?;
    let pushes = start_pushing(&mut threads, &shared)?;
    let server = serve(&shared, inbox, hints.clone(), listeners, started_at)?;
    let Shared { config, store, monitor, hold, slot, control, begin_again, .. } = shared;
    let mut tasks = JoinSet::new();
    tasks.spawn(notifier.clone().keep_telling(monitor.clone(), hold.clone(), slot.clone()));
    if let Some(pushes) = &pushes {
        tasks.spawn(pushes::keep_looking(monitor.clone(), pushes.clone()));
    }
    let running = RunningDaemon {
        config,
        hold,
        monitor,
        control,
        threads,
        server,
        hints,
        pushes,
        store,
        ends,
        reload,
        tasks,
        slot,
        begin_again,
        release_memory,
        _watcher: watcher,
        _lock: lock,
    };
    Ok(running)
}

/// What a reload changes, as the configuration has it now.
fn reload(config: &Config, clock: &Clock, set_log_level: SetLogLevel, notifier: &Notifier) -> Result<Reload> {
    Ok(Reload {
        settings: Arc::new(RwLock::new(reload::settings(config, clock))),
        rules: Arc::new(RwLock::new(Rules::new(&config.schedule, &config.resources)?)),
        inbox: Arc::new(RwLock::new(config.inbox)),
        set_log_level,
        clock: clock.clone(),
        hangups: reload::hangups()?,
        notifier: notifier.clone(),
    })
}

/// Starts the threads that need the model, and the clerk who sees to them.
fn start_thinking(
    threads: &mut Threads,
    shared: &Shared,
    reload: &Reload,
    desk: ControlReceiver,
) -> Result<()> {
    let ControlReceiver { requests, orders, load } = desk;
    let (to_learner, work) = mpsc::channel();
    let learner = Learner {
        root: shared.root.clone(),
        store: shared.store()?,
        slot: shared.slot.clone(),
        monitor: shared.monitor.clone(),
        hold: shared.hold.clone(),
        settings: reload.settings.clone(),
        work,
        clock: shared.clock.clone(),
        waiting: VecDeque::new(),
        trouble: Backoff::default(),
    };
    let mut clerk = Clerk {
        root: shared.root.clone(),
        store: shared.store()?,
        slot: shared.slot.clone(),
        monitor: shared.monitor.clone(),
        hold: shared.hold.clone(),
        rules: reload.rules.clone(),
        learner: to_learner,
        clock: shared.clock.clone(),
        cpu_load: CpuLoad::default(),
        begin_again: shared.begin_again.clone(),
    };
    // Before anything is learned: a pause outlives a restart.
    clerk.look()?;
    threads.start("learner", || learner.run())?;
    threads.start("clerk", || {
        clerk.run(requests);
        Ok(())
    })?;
    let answers = Answers {
        root: shared.root.clone(),
        store: shared.store()?,
        slot: shared.slot.clone(),
        hold: shared.hold.clone(),
        load,
        options: shared.config.answers,
        program: shared.program.clone(),
    };
    threads.start("answers", || {
        answers.run(orders);
        Ok(())
    })
}

/// Starts the thread that tells other servers what is live, where there are any.
fn start_pushing(threads: &mut Threads, shared: &Shared) -> Result<Option<Sender<pushes::PushMessage>>> {
    let servers = &shared.config.serve_to;
    if servers.is_empty() {
        return Ok(None);
    }
    let known = (shared.root.clone(), shared.store()?);
    let said = (shared.monitor.clone(), shared.hold.clone());
    let pushes = Pushes::new(servers, known, said, shared.clock.clone())?;
    let tell = pushes.tell();
    threads.start("pushes", || {
        pushes.run();
        Ok(())
    })?;
    Ok(Some(tell))
}

/// Starts the thread that takes in what lies in the inbox.
fn start_taking_in(
    threads: &mut Threads,
    shared: &Shared,
    reload: &Reload,
    inbox: Inbox,
    hinted: mpsc::Receiver<()>,
) -> Result<()> {
    let intaker = InboxThread {
        inbox,
        options: reload.inbox.clone(),
        settings: reload.settings.clone(),
        store: shared.store()?,
        program: shared.program.clone(),
        limits: shared.config.reading,
        monitor: shared.monitor.clone(),
        control: shared.control.clone(),
        hold: shared.hold.clone(),
        clock: shared.clock.clone(),
        stays: None,
        lonely: None,
        looked_at_done: None,
        looked_at_failed: None,
    };
    threads.start("inbox", || {
        intaker.run(hinted);
        Ok(())
    })
}

/// Starts the interface.
fn serve(
    shared: &Shared,
    inbox: Inbox,
    hints: Sender<()>,
    listeners: api::Listeners,
    started_at: Timestamp,
) -> Result<Server> {
    let path = inbox.path().to_path_buf();
    let service = Arc::new(Service {
        root: shared.config.root.clone(),
        inbox: path,
        model: shared.model.display().to_string(),
        started_at,
        clock: shared.clock.clone(),
        reader: Reader::new(shared.store()?),
        monitor: shared.monitor.clone(),
        control: shared.control.clone(),
        put: handing_in::put(inbox, shared.config.reading, hints),
        export: export::exporter(shared.root.clone(), shared.model.clone()),
        inspect: Box::new(look_at),
    });
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(api::serve(listeners, service, async {
        let _ = stopped.await;
    }));
    Ok(Server { task, stop })
}

/// Looks at a base model that somebody may want to use.
fn look_at(model: &str) -> Result<(BaseModelView, String)> {
    let ModelSummary { architecture, parameters, context, bytes, chat, licence, fingerprint } =
        inspect(Path::new(model))?;
    let architecture = format!("{architecture:?}");
    let view = BaseModelView { model: model.into(), architecture, parameters, context, bytes, chat, licence };
    Ok((view, fingerprint))
}

fn note_start(store: &mut Store, clock: &Clock, interrupted: usize) -> Result<()> {
    let body = serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "interrupted": interrupted
    });
    store.log(&[NewEvent { at: clock.now(), job: None, document: None, kind: "started".into(), body }])
}

/// Lets other programs go first.
fn lower_priority(nice: i32) {
    if nice > 0
        && let Err(error) = rustix::process::setpriority_process(None, nice)
    {
        tracing::warn!(%error, nice, "cannot lower the priority");
    }
}

/// The watcher; without one the inbox is polled.
fn watch(path: &Path, hints: Sender<()>) -> Option<inbox::Watcher> {
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
