//! `seald` without a verb: the daemon, until a signal ends it.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use seald::config::{Config, Dtype, LogFormat, LogOptions};
use seald::daemon::{self, Environment, SetLogLevel};
use seald_core::clock::Clock;
use seald_core::error::{Context, Error, Kind, Result};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use crate::open::ComputeArgs;
use crate::output::{self, say};
use crate::{allocator, cancel, options};

/// Threads that serve the interface; learning has its own.
const SERVING: usize = 2;
/// Threads that may wait for the disk, at most.
const WAITING: usize = 8;

/// Options of the daemon.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// The daemon's configuration file; else $SEALD_CONFIG, seald.toml in the root, /etc/seald/seald.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The daemon's folder, in place of the one in its configuration: inbox, adapters and state lie beneath it
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Refused, with where it belongs: the verbs take it, so people try it here
    #[arg(long, value_name = "M", hide = true)]
    model: Option<String>,
}

/// Runs it.
pub(crate) fn run(args: &Args, verbose: bool) -> Result<ExitCode> {
    allocator::lend_pages();
    let config = Config::load(args.config.as_deref(), args.root.as_deref())?;
    if let Some(model) = &args.model {
        let file = args.config.clone().unwrap_or_else(|| config.root.join("seald.toml"));
        let text = format!(
            "the daemon keeps its model in its configuration: write `model = \"{model}\"` into {}, or start it without --model \
             and give `sealctl models use {model}`",
            file.display()
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    let set_log_level = log(&config.log, verbose)?;
    // The first signal is taken below; this one sees to a second.
    let _stopping = cancel::on_signals()?;
    let program = std::env::current_exe().doing(Kind::Io, || "cannot find this program's own file".into())?;
    let compute = compute(&config);
    if io::stderr().is_terminal() {
        greet(&config);
    }
    let around = Environment {
        program,
        compute: Arc::new(compute),
        clock: Clock::System,
        release_memory: allocator::release,
        set_log_level,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SERVING)
        .max_blocking_threads(WAITING)
        .thread_name("seald-serving")
        .enable_all()
        .build()
        .doing(Kind::Io, || "cannot start threads".into())?;
    let result = runtime.block_on(async { daemon::run(config, around, signalled()?).await });
    // Whoever waits for the disk is not waited for.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// Completes at the first SIGINT or SIGTERM.
fn signalled() -> Result<impl Future<Output = ()>> {
    let listen = |kind| signal(kind).doing(Kind::Io, || "cannot handle signals".to_string());
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// What a person at a terminal wants to know first.
fn greet(config: &Config) {
    let inbox = config.inbox_path();
    say(format!(
        "seald {} learns what is dropped into {}\n  another terminal: sealctl --root {} watch\n  Ctrl-C stops; whatever stops it, it goes on where it was",
        env!("CARGO_PKG_VERSION"),
        inbox.display(),
        config.root.display()
    ));
    if config.model == Path::new("nano") {
        say(
            "  the model is nano, which knows only a made-up world: for real documents, set `model` in seald.toml",
        );
    }
}

/// How the engine is made, as the configuration says, when a model is opened.
fn compute(config: &Config) -> impl Fn() -> Result<seald_engine::kernels::Compute> + Send + Sync + use<> {
    let dtype = match config.dtype {
        Dtype::Auto => options::Dtype::Auto,
        Dtype::F32 => options::Dtype::F32,
        Dtype::Bf16 => options::Dtype::Bf16,
    };
    let threads = config.threads.unwrap_or(0);
    move || {
        allocator::allow_huge_pages(true);
        ComputeArgs { dtype, threads }.compute()
    }
}

/// Starts the log; what changes its level later.
fn log(options: &LogOptions, verbose: bool) -> Result<SetLogLevel> {
    let read = |level: &str| {
        EnvFilter::try_new(level).doing(Kind::Invalid, || format!("log.level = {level:?} is no level"))
    };
    let first = match std::env::var("RUST_LOG") {
        Ok(level) => read(&level)?,
        Err(_) if verbose => read("info,seald=debug")?,
        Err(_) => read(&options.level)?,
    };
    let (filter, handle) = reload::Layer::new(first);
    tracing_subscriber::registry().with(place(options.format).with_filter(filter)).init();
    Ok(Arc::new(move |level| {
        handle.reload(read(level)?).doing(Kind::Internal, || "cannot change the log".to_string())
    }))
}

/// The form of the log on stderr.
fn place(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    // Set by systemd where it has connected stderr to the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").is_some() && !io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match format {
        LogFormat::Json => Box::new(lines.json().with_ansi(false)),
        LogFormat::Auto if journal => {
            let lines = lines.event_format(output::JournalLine).with_ansi(false);
            Box::new(lines.fmt_fields(output::log_fields()))
        }
        LogFormat::Auto | LogFormat::Text => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).with_target(false);
            Box::new(lines.fmt_fields(output::log_fields()))
        }
    }
}
