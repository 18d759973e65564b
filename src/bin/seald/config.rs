//! `seald config`: the configuration in force, and the example file.

use std::path::PathBuf;
use std::process::ExitCode;

use seald::config::Config;
use seald_core::error::Result;
use serde_json::json;

use crate::output;

const MORE: &str = "\
The file is the one that --config names; else $SEALD_CONFIG; else seald.toml in the root; else /etc/seald/seald.toml.
Without one, every option has its default.

Exit codes: 0 the configuration is good; 2 it is not, with file, line and remedy on stderr; 3 a named file is not there.";

/// Options of `seald config`.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder for what is learned and remembered, in place of the file's
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print a file with every option, its meaning, unit, range and default, in place of what is in force
    #[arg(long, conflicts_with_all = ["config", "root", "json"])]
    example: bool,
    /// Print one JSON object: `source` (the file, or null) and `config`
    #[arg(long)]
    json: bool,
}

/// Prints it.
pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let Args { config, root, example, json } = args;
    if example {
        output::text(&Config::example())?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(config.as_deref(), root.as_deref())?;
    if json {
        output::json_line(&json!({ "source": config.source, "config": config }))?;
    } else {
        output::text(&config.effective_toml()?)?;
    }
    Ok(ExitCode::SUCCESS)
}
