//! `seald once`: documents go through the whole method in one command. A person sees live progress, then a table, then the forgetting matrix.

mod heatmap;
mod live;
mod live_lines;
mod live_view;
mod look;
#[cfg(test)]
mod preview;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use seald::api::views;
use seald::domain::document::DocumentState;
use seald::domain::ids::DocumentId;
use seald::error::{Context, Error, Kind, Result};
use seald::files;
use seald::ingest::{self, Limits};
use seald::learn::options::LearnOptions;
use seald::pipeline::{self, Finished, Root, Taken, Worker, WorkerOptions};
use seald::protocol::{DocumentReport, OnceReport};
use seald::store::Store;

use crate::open::ModelArgs;
use crate::output::{self, say};
use live::Live;
use look::Look;

/// Options of `seald once`.
#[derive(Debug, clap::Args)]
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
    /// Also write all of it here, as one JSON object
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Learns the documents.
pub(crate) fn run(args: Args, cancel: &AtomicBool) -> Result<ExitCode> {
    let paths = ingest::collect(&args.paths)?;
    if paths.is_empty() {
        let text =
            "there is no document in what was named: give text, Markdown, HTML, PDF, DOCX or JSONL files";
        return Err(Error::new(Kind::NotFound, text));
    }
    let root = Root::open(&args.root.clone().map_or_else(default_root, Ok)?)?;
    let _lock = files::lock(&root.lock_file())?;
    let model = args.model.open()?;
    say(format!("Learning in {}", root.path().display()));
    let store = Store::open(&root.database())?;
    let learn = LearnOptions { seed: args.seed, ..LearnOptions::default() };
    let waiting = crate::progress::waiting("Preparing what keeps old knowledge ...".to_string());
    let worker =
        Worker::open(root, store, &model, WorkerOptions { learn, ..WorkerOptions::default() }, cancel);
    waiting.finish_and_clear();
    let report = learn_all(worker?, &paths)?;
    if let Some(path) = &args.json {
        let text =
            serde_json::to_string_pretty(&report).doing(Kind::Internal, || "cannot write JSON".into())?;
        files::write_atomic(path, text.as_bytes())?;
    }
    let look = Look::of_stdout();
    output::text(&format!(
        "\n{}\n{}",
        table::render(&report, &look),
        heatmap::render(&report.forgetting, &look)
    ))?;
    let unread = report.documents.iter().any(|d| d.verdict == DocumentState::Failed);
    Ok(if unread { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Takes the files in, learns what waits, and tells of the files that were named.
fn learn_all(mut worker: Worker<'_>, paths: &[PathBuf]) -> Result<OnceReport> {
    let program = std::env::current_exe().doing(Kind::Io, || "cannot find this program's own file".into())?;
    let limits = Limits::default();
    let mut taken = Vec::new();
    for path in paths {
        taken.push(pipeline::take_in(&mut worker, &program, path, &limits)?);
    }
    let mut live = Live::new(worker.waiting()?);
    let mut finished = HashMap::new();
    let learned = loop {
        match worker.run_next(&mut |event| live.show(&event)) {
            Ok(Some(done)) => finished.insert(done.document, done),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
    };
    live.end();
    learned?;
    report(&worker, taken, &finished)
}

fn report(
    worker: &Worker<'_>,
    taken: Vec<Taken>,
    finished: &HashMap<DocumentId, Finished>,
) -> Result<OnceReport> {
    let store = worker.store();
    let mut report = OnceReport {
        forgetting: views::forgetting(store)?,
        live: store.live()?.map(|generation| generation.id.folder()),
        ..OnceReport::default()
    };
    for one in taken {
        match one.documents {
            Ok(documents) => {
                for (id, _) in documents {
                    report.documents.push(views::document(store, id, finished.get(&id))?);
                }
            }
            Err(error) => {
                let path = one.path.display().to_string();
                report.documents.push(DocumentReport::unread(path, error.to_string()));
            }
        }
    }
    Ok(report)
}

/// Where things are kept if nobody says.
fn default_root() -> Result<PathBuf> {
    let here = Path::new(".");
    if here.join("state").is_dir() && here.join("adapters").is_dir() {
        return Ok(here.to_path_buf());
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(home);
    let nowhere = || Error::new(Kind::Invalid, "there is no home folder to keep things in: give --root DIR");
    Ok(data.ok_or_else(nowhere)?.join("seald"))
}
