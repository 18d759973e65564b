//! `seald calibrate`: finds the settings that suit a base model, keeps them in the root, and shows them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seald::config::default_root;
use seald::pipeline::{self, Root, Worker, WorkerOptions};
use seald_core::domain::calibration::Calibration;
use seald_core::domain::progress::Progress;
use seald_core::error::{Error, Kind, Result};
use seald_core::files;
use seald_engine::embedded;
use seald_engine::model::Model;
use seald_learn::prompt::PromptSet;
use seald_learn::work::OnWork;
use seald_store::Store;
use seald_terminal::{Look, calibration};

use crate::once::live::Live;
use crate::open::ModelArgs;
use crate::output::{self, json_line, say};

/// Tokens of the document whose time is foretold: a page of text.
const PAGE: usize = 500;

const MORE: &str = "\
An invented text is taught to the model, as a document would be, at the learning rate that suits its width, or half of it where that moves the model too far. The rate is kept, with the
drift at which one in twenty of its right answers to other questions is lost. `seald once` and the daemon use both, unless seald.toml sets them.
What is stopped keeps nothing: the same command begins again.

Exit codes: 0 done; 1 it could not be calibrated; 2 wrong usage; 3 the model is not there; 4 another process works in the root, or the root belongs
to another model.";

/// Options of `seald calibrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder in whose database the result is kept; by default the current folder if it has `adapters` and `state`, else
    /// ~/.local/share/seald
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Calibrate again, and replace what is kept: on another machine, or with another version of seald
    #[arg(long)]
    again: bool,
    /// Print one JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Calibrates the model, or shows what an earlier calibration found.
pub(crate) fn run(args: Args, cancel: &AtomicBool) -> Result<ExitCode> {
    if embedded::find(args.model.name()).is_some() {
        return needless(&args);
    }
    let root = Root::open(&args.root.clone().map_or_else(default_root, Ok)?)?;
    let _lock = files::lock(&root.lock_file())?;
    let model = args.model.open()?;
    if PromptSet::of(&model) == PromptSet::Nano {
        return needless(&args);
    }
    let store = pipeline::open_database(&root)?;
    let found = match pipeline::kept_calibration(&store, &model.fingerprint)? {
        Some(kept) if !args.again => {
            say(format!("Calibrated at {}; --again does it anew", kept.made_at));
            kept
        }
        _ => make(root, store, &model, cancel)?,
    };
    if args.json {
        json_line(&found)?;
    } else {
        let document = pipeline::document_seconds(&found, PAGE).map(|seconds| (PAGE, seconds));
        output::text(&calibration::render(&found, document, &Look::of_stdout()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A model made by nano's recipe has its settings from there.
fn needless(args: &Args) -> Result<ExitCode> {
    say(format!("{}: there is nothing to calibrate. Name another model with --model", calibration::NANO));
    if args.json {
        json_line(&None::<Calibration>)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn make(root: Root, store: Store, model: &Model, cancel: &AtomicBool) -> Result<Calibration> {
    say(format!("Calibrating for {}", root.path().display()));
    let live = Arc::new(Mutex::new(Live::new()));
    let shown = live.clone();
    let on_work = Some(OnWork::new(move |work| look_at(&shown).show(&Progress::Working(work))));
    let options = WorkerOptions { on_work, ..WorkerOptions::default() };
    let made = Worker::open(root, store, model, options, cancel)
        .and_then(|mut worker| worker.calibrate(&mut |event| look_at(&live).show(&event)));
    look_at(&live).end();
    made.map_err(|error| match error.kind() {
        Kind::Cancelled => Error::new(Kind::Cancelled, "stopped: nothing was kept"),
        _ => error,
    })
}

/// What is shown; a panic while it was drawn leaves at worst a line too many.
fn look_at(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}
