//! The hidden verb `extract-document`: the process in which documents are read, started by `seald` itself.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;

use seald_core::error::{Context, Kind, Result};
use seald_ingest::{Limits, serve};

/// What the verb is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Limits of reading as JSON; the default ones where it is left out
    #[arg(long)]
    limits: Option<String>,
    /// What the document is called; it is read from standard input
    path: PathBuf,
}

/// Reads the document and prints it, or why not, as one JSON object.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let limits = match &args.limits {
        Some(text) => serde_json::from_str(text).doing(Kind::Invalid, || "--limits".to_string())?,
        None => Limits::default(),
    };
    let file = io::stdin().as_fd().try_clone_to_owned();
    let file = file.doing(Kind::Io, || "cannot read standard input".to_string())?;
    serve(&args.path, file.into(), &limits, &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
