//! `seald`: the daemon, and the verbs that work on files alone (once, calibrate, train, score, generate, config, doctor, restore).

mod allocator;
mod calibrate;
mod cancel;
mod config;
mod daemon;
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
mod restore;
mod rows;
mod score;
mod speed;
mod train;
mod train_options;
mod try_schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const MORE: &str = "Without a verb, seald is the daemon: it learns the documents that are dropped into its inbox, until a signal \
ends it. sealctl shows what it does and asks what it knows.";

/// Keeps a local language model learning from documents, on one machine, without Python.
#[derive(Debug, Parser)]
#[command(name = "seald", version, after_help = MORE, disable_help_subcommand = true)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
struct Cli {
    #[command(flatten)]
    daemon: daemon::Args,
    /// Say more on stderr (RUST_LOG says what exactly, and goes before this)
    #[arg(short, long, global = true, display_order = 900)]
    verbose: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Learn documents: read them, train on them, ask about them, and keep what proves right
    Once(once::Args),
    /// Find the learning rate that suits a model and how fast it learns here, which also happens by itself before the first document
    Calibrate(calibrate::Args),
    /// Train a LoRA adapter on rows of text, prompts with completions, or chats
    Train(train_options::Args),
    /// Say how probable a model finds completions or texts
    Score(score::Args),
    /// Let a model write
    Generate(generate::Args),
    /// Show what this machine offers, and whether a model works on it
    Doctor(doctor::Args),
    /// Put a backup in the place of the database, while no daemon runs
    Restore(restore::Args),
    /// Print the configuration in force, or an example of it
    Config(config::Args),
    /// Read one document, in bounds; seald starts this itself
    #[command(hide = true)]
    ExtractDocument(extract::Args),
    /// Compile one schema, in bounds; seald starts this itself
    #[command(hide = true)]
    TrySchema,
}

fn main() -> ExitCode {
    allocator::allow_huge_pages(false);
    allocator::keep_pages();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to stdout with code 0, the rest to stderr with code 2. Nobody reads a failure here.
            let _ = e.print();
            return ExitCode::from(e.exit_code() as u8);
        }
    };
    if cli.verb.is_some() {
        allocator::allow_huge_pages(true);
        output::log_to_stderr(cli.verbose);
    }
    let result = cli.verb.map_or_else(|| daemon::run(&cli.daemon, cli.verbose), run);
    result.unwrap_or_else(|e| {
        output::complain(&e);
        ExitCode::from(e.kind().exit_code())
    })
}

fn run(verb: Verb) -> seald_core::Result<ExitCode> {
    match verb {
        Verb::Once(args) => cancel::on_signals().and_then(|cancel| once::run(args, &cancel)),
        Verb::Calibrate(args) => cancel::on_signals().and_then(|cancel| calibrate::run(args, &cancel)),
        Verb::Train(args) => cancel::on_signals().and_then(|cancel| train::run(args, &cancel)),
        Verb::Score(args) => cancel::on_signals().and_then(|cancel| score::run(args, &cancel)),
        Verb::Generate(args) => cancel::on_signals().and_then(|cancel| generate::run(args, &cancel)),
        Verb::Doctor(args) => doctor::run(args),
        Verb::Restore(args) => restore::run(args),
        Verb::Config(args) => config::run(args),
        Verb::ExtractDocument(args) => extract::run(args),
        Verb::TrySchema => try_schema::run(),
    }
}
