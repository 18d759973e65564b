//! Options of verbs that look after a daemon, and of those that need none.

use std::path::PathBuf;

use clap::Args;

/// After the help of `restore`.
const RESTORE: &str = "\
It is `seald restore` that does it, on files, as the owner of the database; give it with sudo for the system's daemon, and stop that first: sudo systemctl stop seald. \
The database that is there is moved aside under a dated name; nothing is removed.";

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// List the backups there are, newest first, and make none
    #[arg(long)]
    pub(crate) list: bool,
}

/// Options of `restore`.
#[derive(Debug, Args)]
#[command(after_help = RESTORE)]
pub(crate) struct Restore {
    /// A file, or the name of one that `backup --list` shows; left out: the newest that is whole
    pub(crate) backup: Option<PathBuf>,
    /// Put the files of inbox/done that the backup does not know into the inbox again
    #[arg(long)]
    pub(crate) relearn: bool,
    /// The daemon's configuration file, where it is not found by itself
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `logs`.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on with what happens, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// So many of the newest lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    pub(crate) lines: u32,
}

/// Options of `complete-words`.
#[derive(Debug, Args)]
pub(crate) struct CompleteWords {
    /// Of which kind
    #[arg(value_enum)]
    pub(crate) of: WordsOf,
    /// What they begin with
    #[arg(default_value = "", allow_hyphen_values = true)]
    pub(crate) prefix: String,
}

/// What words can be offered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WordsOf {
    /// Names and numbers of documents.
    Documents,
    /// Names of generations.
    Generations,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Write sealctl.1, sealctl-status.1 and so on here
    #[arg(value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}
