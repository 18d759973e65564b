//! Manual pages, made from the command line's own description.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use sealctl::client::Failure;
use seald_core::error::{Context, Kind, Result};

use crate::cli::{Cli, Man};
use crate::output;

/// Prints the manual page, or writes a page for each verb.
pub(crate) fn man(args: &Man) -> Result<ExitCode, Failure> {
    match &args.folder {
        Some(folder) => pages(folder)?,
        None => output::text(&page()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn pages(folder: &Path) -> Result<()> {
    let failed = || format!("cannot write manual pages to {}", folder.display());
    std::fs::create_dir_all(folder).doing(Kind::Io, failed)?;
    clap_mangen::generate_to(Cli::command(), folder).doing(Kind::Io, failed)
}

fn page() -> Result<String> {
    let mut bytes = Vec::new();
    let made = clap_mangen::Man::new(Cli::command()).render(&mut bytes);
    made.doing(Kind::Io, || "cannot make the manual page".to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
