//! `seald once`: documents go through the whole method in one command. A person sees live progress, then a table, then the forgetting matrix.

mod json_file;
pub(crate) mod live;
mod live_view;
#[cfg(test)]
mod preview;
mod table;

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use seald::api::views;
use seald::config::default_root;
use seald::pipeline::{self, Finished, Intake, Root, Taken, TakenDocument, Worker, WorkerOptions};
use seald_core::clock::Clock;
use seald_core::domain::document::DocumentState;
use seald_core::domain::progress::Progress;
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;
use seald_core::protocol::{DocumentReport, OnceReport};
use seald_ingest::Limits;
use seald_learn::options::LearnOptions;
use seald_learn::work::OnWork;
use seald_terminal::{Look, heatmap};

use crate::open::ModelArgs;
use crate::options;
use crate::output::{self, say};
use json_file::JsonFile;
use live::Live;

const MORE: &str = "\
Each document ends learned (its adapter went live), rejected (with the reason; nothing changed) or failed.
Ctrl-C stops after the step under way; whatever stops it, the same command goes on where it was.

Exit codes: 0 done, also where documents were rejected; 1 a document could not be read or learned;
2 wrong usage; 3 a PATH is not there; 4 another process works in the root, or it belongs to another model.";

/// Options of `seald once`.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    /// Documents, or folders of them: text, Markdown, HTML, PDF, DOCX, JSONL. Questions in NAME.probes.jsonl beside NAME.md are put too
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArgs,
    /// Folder for what is learned (`adapters`) and remembered (`state`); by default the current folder if it has both, else
    /// ~/.local/share/seald
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Everything random follows from it
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Learn again what was rejected before, or failed (with the same options it ends the same; new questions beside a document have the
    /// same effect)
    #[arg(long)]
    retry: bool,
    /// Do not calibrate the model before its first document, which takes as long as a few documents: take the learning rate that its width suggests
    #[arg(long)]
    no_calibration: bool,
    /// Refuse documents longer than this: a passage is up to 600 tokens, less for small models (nano: 204)
    #[arg(long, value_name = "N", value_parser = options::at_least_one, default_value_t = LearnOptions::default().max_passages)]
    max_passages: usize,
    /// Also write all of it here, as one JSON object; - is stdout, and the table then goes to stderr
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Learns the documents.
pub(crate) fn run(args: Args, cancel: &AtomicBool) -> Result<ExitCode> {
    let paths = seald_ingest::collect(&args.paths)?;
    if paths.is_empty() {
        let text =
            "there is no document in what was named: give text, Markdown, HTML, PDF, DOCX or JSONL files";
        return Err(Error::new(Kind::NotFound, text));
    }
    let json = args.json.as_deref().map(JsonFile::check).transpose()?;
    let learn = LearnOptions {
        seed: args.seed,
        max_passages: args.max_passages,
        calibrate: !args.no_calibration,
        ..LearnOptions::default()
    };
    learn.validate()?;
    let root = Root::open(&args.root.clone().map_or_else(default_root, Ok)?)?;
    let _lock = files::lock(&root.lock_file())?;
    let model = args.model.open()?;
    say(format!("Learning in {}", root.path().display()));
    let store = pipeline::open_database(&root)?;
    let live = Arc::new(Mutex::new(Live::new()));
    let shown = live.clone();
    let on_work = Some(OnWork::new(move |work| look_at(&shown).show(&Progress::Working(work))));
    let worker = Worker::open(
        root,
        store,
        &model,
        WorkerOptions { learn, on_work, ..WorkerOptions::default() },
        cancel,
    );
    let report = worker.and_then(|worker| learn_all(worker, &paths, (args.retry, args.max_passages), &live));
    look_at(&live).end();
    let report = report.map_err(going_on)?;
    if let Some(json) = &json {
        json.write(&report)?;
    }
    show(&report, json.as_ref())?;
    let unread = report.documents.iter().any(|d| d.verdict == DocumentState::Failed);
    Ok(if unread { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Takes the files in, learns what waits, and tells of the files that were named.
fn learn_all(
    mut worker: Worker<'_>,
    paths: &[PathBuf],
    (retry, max_passages): (bool, usize),
    live: &Mutex<Live>,
) -> Result<OnceReport> {
    let program = std::env::current_exe().doing(Kind::Io, || "cannot find this program's own file".into())?;
    let (limits, clock) = (Limits::default(), Clock::System);
    let intake = Intake { program: &program, limits, retry, tag: None, versions: false, max_passages, clock };
    let mut taken = Vec::new();
    for path in paths {
        taken.push(pipeline::take_in(worker.store_mut(), &intake, path)?);
    }
    look_at(live).expect(worker.waiting()?);
    let mut finished = Vec::new();
    while let Some(done) = worker.run_next(&mut |event| look_at(live).show(&event))? {
        finished.push(done);
    }
    report(&worker, taken, &finished)
}

/// What is shown; a panic while it was drawn leaves at worst a line too many.
fn look_at(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a stop leaves, said to the one who stopped it.
fn going_on(error: Error) -> Error {
    match error.kind() {
        Kind::Cancelled => {
            let text = "stopped: what is finished is kept, and the same command goes on from there";
            Error::new(Kind::Cancelled, text)
        }
        _ => error,
    }
}

/// The table and the matrix, where JSON does not go.
fn show(report: &OnceReport, json: Option<&JsonFile>) -> Result<()> {
    let look = if matches!(json, Some(JsonFile::Stdout)) { Look::of_stderr() } else { Look::of_stdout() };
    let text = format!("\n{}\n{}", table::render(report, &look), heatmap::render(&report.forgetting, &look));
    match json {
        Some(JsonFile::Stdout) => say(text.trim_end()),
        _ => output::text(&text)?,
    }
    Ok(())
}

/// The documents that were named, each once with what was done for it, and those that waited from an earlier run.
fn report(worker: &Worker<'_>, taken: Vec<Taken>, finished: &[Finished]) -> Result<OnceReport> {
    let store = worker.store();
    let mut report = OnceReport {
        forgetting: views::forgetting(store)?,
        live: store.live()?.map(|generation| generation.id.folder()),
        ..OnceReport::default()
    };
    let mut told = HashSet::new();
    for one in taken {
        match one.documents {
            Ok(documents) => {
                for TakenDocument { id, name, known } in documents {
                    let done = finished.iter().find(|f| f.learned() == Some(id) && told.insert(id));
                    let known = known && done.is_none();
                    let path = name;
                    report.documents.push(DocumentReport {
                        path,
                        known,
                        ..views::document(store, id, done)?
                    });
                }
            }
            Err(error) => {
                let path = one.path.display().to_string();
                report.documents.push(DocumentReport::unread(path, error.to_string()));
            }
        }
    }
    for done in finished {
        if let Some(document) = done.learned().filter(|document| !told.contains(document)) {
            report.documents.push(views::document(store, document, Some(done))?);
        }
    }
    Ok(report)
}
