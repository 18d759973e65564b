//! The command line.

mod care;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use sealctl::hub::Repo;
use seald_core::domain::document::DocumentState;
use seald_core::domain::export::ExportFormat;

pub(crate) use care::{Backup, CompleteWords, Completions, Logs, Man, Restore, WordsOf};

/// After the help.
const CODES: &str = "\
First: `sealctl status` says whether a daemon runs and what it does. Drop files into its inbox, or `sealctl add FILE`; a document \
takes minutes, and `sealctl watch` tells how it goes (Ctrl-C ends watching, not learning). Then `sealctl ask`.

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 what was named is not there; 4 the daemon is busy, or its state forbids it; \
69 no daemon can be reached.

Without --socket, --root, --url and $SEALD_SOCKET the first socket there is takes the request: of the current folder if it has \
`state` and `adapters`, of ~/.local/share/seald, of the system (/run/seald/seald.sock).";

/// After the help of `models pull`.
const HUB: &str = "\
$HF_ENDPOINT names a mirror of the hub, $HF_TOKEN an account's token for repositories that are not for everyone. What \
`hf auth login` kept is used too. Proxies are those of the environment (HTTPS_PROXY).";

/// Ask a running seald what it does and what it knows, and tell it what to do
#[derive(Debug, Parser)]
#[command(name = "sealctl", version, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = CODES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Socket of the daemon
    #[arg(long, value_name = "PATH", global = true, display_order = 900)]
    pub(crate) socket: Option<PathBuf>,
    /// Folder that the daemon works in: its socket is state/seald.sock
    #[arg(long, value_name = "DIR", global = true, display_order = 901)]
    pub(crate) root: Option<PathBuf>,
    /// Address of a daemon that listens on TCP
    #[arg(long, value_name = "http://HOST:PORT", global = true, display_order = 902)]
    pub(crate) url: Option<String>,
    /// File with the token for --url
    #[arg(long, value_name = "FILE", global = true, display_order = 903)]
    pub(crate) token_file: Option<PathBuf>,
    /// Print the daemon's JSON on stdout, and nothing else
    #[arg(long, global = true, display_order = 904)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// What the daemon does, what it knows, what it forgot and what comes next
    Status,
    /// Follow what happens, line by line
    Watch(Watch),
    /// Follow what happens on a full screen
    Top,
    /// List documents, newest first
    Docs(Docs),
    /// Tell the story of a document, from file to verdict
    Show {
        /// Its number, or its exact file name
        #[arg(value_parser = document)]
        doc: String,
    },
    /// Show what the model wrote for itself about a document
    Edits {
        /// Its number, or its exact file name
        #[arg(value_parser = document)]
        doc: String,
        /// Show every line that was left out, not one example of each reason
        #[arg(long)]
        all: bool,
    },
    /// List the generations that were accepted
    Adapters,
    /// Show what each generation still knows of each document
    Forgetting,
    /// Write a generation into a folder, in a form that other programs load
    Export(Export),
    /// Ask what was learned; without a question, in a conversation
    Ask(Ask),
    /// Ask, and show what taught the answer: documents, study texts, questions, and what each document did for it
    Why(Why),
    /// Hand documents in
    Add(Add),
    /// Learn a document again that was rejected, failed, or dropped by a rollback
    Retry {
        /// Its number, or its exact file name
        #[arg(value_parser = document)]
        doc: String,
    },
    /// Make an earlier generation live again
    Rollback {
        /// `gen-000007`, or 7, or base
        #[arg(value_name = "GEN")]
        generation: String,
    },
    /// Ask the model about everything it learned, now
    Replay,
    /// Train one adapter anew on everything that was learned; it answers from then on if it is no worse
    Consolidate(Waiting),
    /// Train another writer of study texts on the best ones so far; it writes from then on if its texts teach more
    TrainWriter(Waiting),
    /// Show who writes study texts, the rounds that trained writers, and what changed
    Writer {
        /// The round whose changes are shown; the newest that was examined where it is left out
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        round: Option<u32>,
    },
    /// Forget a document for good: what it taught, its text and its files
    Forget(Forget),
    /// Stop learning after the step under way; questions are still answered
    Pause {
        /// For so long (30s, 45m, 2h, 1h30m, 1d); until `resume` where it is left out
        #[arg(value_parser = seconds)]
        duration: Option<u64>,
    },
    /// Learn on
    Resume,
    /// List the models that can answer; fetch another one, or change over to it
    #[command(disable_help_subcommand = true)]
    Models {
        #[command(subcommand)]
        what: Option<ModelsVerb>,
    },
    /// Back the database up now, or list the backups
    Backup(Backup),
    /// Put a backup in the place of the database, while no daemon runs
    Restore(Restore),
    /// Show what the daemon says: its journal under systemd, elsewhere the events that it keeps
    Logs(Logs),
    /// Find out what is wrong, and what to do about it
    Doctor,
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the manual page; or write one for each verb into a folder
    Man(Man),
    /// What a shell may offer; completions ask for it
    #[command(hide = true)]
    CompleteWords(CompleteWords),
}

/// What to do with models, besides listing those that can answer.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsVerb {
    /// Fetch a base model from the Hugging Face hub into a folder that the daemon can read; a pull that was stopped goes on where it was
    Pull(Pull),
    /// Change over to another base model; what the present one learned is kept, and learned again on the new one
    Use(UseModel),
}

/// Options of `models pull`.
#[derive(Debug, Args)]
#[command(after_help = HUB)]
pub(crate) struct Pull {
    /// `ORG/NAME`, as in Qwen/Qwen3-0.6B
    #[arg(value_parser = repo)]
    pub(crate) repo: Repo,
    /// A branch, a tag or a commit
    #[arg(long, value_name = "REVISION", default_value = "main")]
    pub(crate) revision: String,
    /// The folder; left out: models/ORG--NAME in the folder that the daemon works in
    #[arg(long, value_name = "DIR")]
    pub(crate) to: Option<PathBuf>,
    /// If the folder is there already, read every byte again and compare the checksums
    #[arg(long)]
    pub(crate) verify: bool,
}

/// Options of `watch`.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// End when nothing waits; with exit code 1 if a document failed or a file could not be read meanwhile
    #[arg(long)]
    pub(crate) until_idle: bool,
    /// Seconds for which nothing must wait before --until-idle ends: a file just dropped takes a moment to be seen
    #[arg(long, value_name = "SECONDS", default_value_t = 5, requires = "until_idle")]
    pub(crate) quiet_for: u64,
    /// Give up after so long (30s, 45m, 2h, 1h30m, 1d), with exit code 1
    #[arg(long, value_name = "DURATION", value_parser = seconds, requires = "until_idle")]
    pub(crate) timeout: Option<u64>,
    /// First tell what is kept of what happened after the event with this number (0: all)
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<i64>,
}

/// Options of `docs`.
#[derive(Debug, Args)]
pub(crate) struct Docs {
    /// Only those that are waiting, learning, learned, rejected or failed
    #[arg(long, value_name = "STATE", value_parser = state)]
    pub(crate) state: Option<DocumentState>,
    /// Only those whose title, file name or text holds each of these words, or parts of words
    #[arg(long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// Only those that came in this subfolder of the inbox
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
}

/// Options of `ask`.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question; several words are put together. Left out: a conversation at a terminal, else the question is read from stdin
    pub(crate) question: Vec<String>,
    /// Let the base model answer, without anything learned
    #[arg(long, conflicts_with = "generation")]
    pub(crate) base: bool,
    /// Let a generation answer: `gen-000007`, or 7
    #[arg(long = "gen", value_name = "N")]
    pub(crate) generation: Option<String>,
    /// Let the base model answer too, and show both answers
    #[arg(long, conflicts_with = "base")]
    pub(crate) compare: bool,
    /// Most tokens of the answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) max_tokens: Option<u16>,
}

/// Options of `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The question; several words are put together
    #[arg(required = true)]
    pub(crate) question: Vec<String>,
    /// Let a generation answer: `gen-000007`, or 7
    #[arg(long = "gen", value_name = "N")]
    pub(crate) generation: Option<String>,
}

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// `live`, `gen-000007`, or 7
    #[arg(value_name = "GEN")]
    pub(crate) generation: String,
    /// The folder: a new one, or an empty one
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// peft: the adapter for PEFT and vLLM; merged: a whole model for transformers and all that reads its folders; gguf:
    /// the adapter for llama.cpp; ollama: the same with a Modelfile
    #[arg(long, default_value = "peft", value_parser = format)]
    pub(crate) format: ExportFormat,
}

/// Options of `add`.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Documents: text, Markdown, HTML, PDF, DOCX, JSONL
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Put them into this subfolder of the inbox
    #[arg(long)]
    pub(crate) tag: Option<String>,
    /// Wait until they are learned, or rejected, too
    #[arg(long)]
    pub(crate) wait: bool,
    /// Do not wait until they are read
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
}

/// Options of verbs that begin a job.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Waiting {
    /// Do not wait for the end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Options of `forget`.
#[derive(Debug, Args)]
pub(crate) struct Forget {
    /// Its number, or its exact file name
    #[arg(value_parser = document)]
    pub(crate) doc: String,
    /// Keep earlier generations that contain it, and backups
    #[arg(long)]
    pub(crate) keep_history: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

/// Options of `models use`.
#[derive(Debug, Args)]
pub(crate) struct UseModel {
    /// Its folder, a name that `sealctl models` lists, or nano
    pub(crate) model: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

fn state(word: &str) -> Result<DocumentState, String> {
    word.parse().map_err(|e: seald_core::Error| e.to_string())
}

fn format(word: &str) -> Result<ExportFormat, String> {
    word.parse().map_err(|e: seald_core::Error| e.to_string())
}

fn repo(name: &str) -> Result<Repo, String> {
    name.parse().map_err(|e: seald_core::Error| e.to_string())
}

/// The name of a document: nothing at all is none.
fn document(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("give the number of a document, or its exact file name; `sealctl docs` lists them".into()),
        _ => Ok(text.into()),
    }
}

/// `1h30m` in seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no duration: write 30s, 45m, 2h, 1h30m or 1d");
    let mut rest = text;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..unit].parse().map_err(|_| wrong())?;
        let factor = match rest.as_bytes()[unit] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => return Err(wrong()),
        };
        sum = number.checked_mul(factor).and_then(|n| sum.checked_add(n)).ok_or_else(wrong)?;
        rest = &rest[unit + 1..];
    }
    if sum > 0 { Ok(sum) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(
            ["90s", "45m", "1h30m", "1d"].map(|text| seconds(text).unwrap()),
            [90, 2700, 5400, 86_400]
        );
        for (word, meant) in [
            ("learned", DocumentState::Learned),
            ("rejected", DocumentState::Rejected),
            ("learning", DocumentState::Learning),
        ] {
            assert_eq!(state(word), Ok(meant));
        }
        for wrong in ["lost", "accepted", "turned-away"] {
            assert!(state(wrong).unwrap_err().contains("learned, rejected"), "{wrong}");
        }
        for wrong in ["", "45", "0s", "m", "1w", "-1m", "1é", "99999999999999999999s", "999999999999999999d"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
