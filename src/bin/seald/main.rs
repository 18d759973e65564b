//! `seald`: the verbs that work on files alone (train, score, generate, config, doctor). The daemon is not in yet.

mod allocator;
mod cancel;
mod config;
mod describe;
mod doctor;
mod extract;
mod generate;
mod made_up;
mod once;
mod open;
mod options;
mod output;
mod progress;
mod rows;
mod score;
mod speed;
mod train;
mod train_options;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const NOT_YET: &str = "In this version these verbs work. The daemon, which will run when no verb is given and learn \
from the documents in a folder, is not in yet.";

/// Trains LoRA adapters on a local language model, on one machine, without Python.
///
#[derive(Debug, Parser)]
#[command(name = "seald", version, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = NOT_YET, disable_help_subcommand = true)]
struct Cli {
    /// Say more on stderr (RUST_LOG says what exactly, and goes before this)
    #[arg(short, long, global = true, display_order = 900)]
    verbose: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Learn documents: read them, train on them, ask about them, and keep what proves right
    Once(once::Args),
    /// Train a LoRA adapter on rows of text, prompts with completions, or chats
    Train(train_options::Args),
    /// Say how probable a model finds completions or texts
    Score(score::Args),
    /// Let a model write
    Generate(generate::Args),
    /// Show what this machine offers, and whether a model works on it
    Doctor(doctor::Args),
    /// Print the configuration in force, or an example of it
    Config(config::Args),
    /// Read one document, in bounds; seald starts this itself
    #[command(hide = true)]
    ExtractDocument(extract::Args),
}

fn main() -> ExitCode {
    allocator::keep_pages();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to stdout with code 0, the rest to stderr with code 2. Nobody reads a failure here.
            let _ = e.print();
            return ExitCode::from(e.exit_code() as u8);
        }
    };
    output::log_to_stderr(cli.verbose);
    let result = match cli.verb {
        Verb::Once(args) => cancel::on_signals().and_then(|cancel| once::run(args, &cancel)),
        Verb::Train(args) => cancel::on_signals().and_then(|cancel| train::run(args, &cancel)),
        Verb::Score(args) => cancel::on_signals().and_then(|cancel| score::run(args, &cancel)),
        Verb::Generate(args) => cancel::on_signals().and_then(|cancel| generate::run(args, &cancel)),
        Verb::Doctor(args) => doctor::run(args),
        Verb::Config(args) => config::run(args),
        Verb::ExtractDocument(args) => extract::run(args),
    };
    result.unwrap_or_else(|e| {
        output::complain(&e);
        ExitCode::from(e.kind().exit_code())
    })
}
