//! `sealctl`: asks a running `seald` what it does and what it knows, and tells it what to do.

mod act;
mod add;
mod ask;
mod backup;
mod base;
mod cli;
mod complete;
mod conversation;
mod doctor;
mod event_printer;
mod export;
mod logs;
mod manual;
mod output;
mod pull;
mod show;
mod stops;
mod top;
mod upkeep;
mod wait;
mod watch;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use sealctl::client::{Around, Client, Failure, Place, Wanted};
use seald_core::error::{Context, Error, Kind};
use seald_terminal::one_line;

use cli::{Cli, ModelsVerb, Verb};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) if e.kind() == ErrorKind::MissingSubcommand => {
            // Options without a verb: what verbs there are says more than their names in brackets.
            output::say(Cli::command().render_help().to_string());
            return ExitCode::from(Kind::Invalid.exit_code());
        }
        Err(e) => {
            // Help and version go to stdout with code 0, the rest to stderr with code 2.
            let printed = e.print().and_then(|()| io::stdout().flush());
            return match printed {
                Err(why) if !e.use_stderr() && why.kind() != io::ErrorKind::BrokenPipe => {
                    let error = Error::new(Kind::Io, "cannot write to stdout").with_source(why);
                    output::say(format!("error: {error}"));
                    ExitCode::from(Kind::Io.exit_code())
                }
                _ => ExitCode::from(e.exit_code() as u8),
            };
        }
    };
    match run(cli) {
        Ok(code) => code,
        // Whoever read stdout has had enough.
        Err(Failure::Other(error)) if error.kind() == Kind::Cancelled => ExitCode::SUCCESS,
        Err(failure) => {
            output::say(format!("error: {}", one_line(&failure.to_string())));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { socket, root, url, token_file, json, verb } = cli;
    let wanted = Wanted { socket, root, url, token_file };
    // These need no daemon.
    let verb = match verb {
        Verb::Completions(args) => return complete::script(&args),
        Verb::Man(args) => return manual::man(&args),
        Verb::Restore(args) => return Err(backup::restore(args, &wanted, &Around::here(), json)),
        verb => verb,
    };
    seald_terminal::reached_with(wanted.options());
    let found = Place::find(&wanted, &Around::here());
    if found.is_err() && matches!(verb, Verb::CompleteWords(_)) {
        return Ok(ExitCode::SUCCESS);
    }
    let place = found?;
    let client = Client::new(place);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.doing(Kind::Io, || "cannot prepare to talk to the daemon".to_string())?;
    runtime.block_on(carry_out(verb, client, json))
}

async fn carry_out(verb: Verb, client: Client, json: bool) -> Result<ExitCode, Failure> {
    let done = match verb {
        Verb::Status => show::status(&client, json).await,
        Verb::Docs(args) => show::docs(&client, args, json).await,
        Verb::Show { doc } => show::story(&client, &doc, json).await,
        Verb::Edits { doc, all } => show::edits(&client, &doc, all, json).await,
        Verb::Adapters => show::adapters(&client, json).await,
        Verb::Forgetting => show::forgetting(&client, json).await,
        Verb::Writer { round } => show::writer(&client, round, json).await,
        Verb::Models { what: None } => show::models(&client, json).await,
        Verb::Models { what: Some(ModelsVerb::Pull(args)) } => return pull::run(&client, args, json).await,
        Verb::Ask(args) => ask::run(&client, args, json).await,
        Verb::Why(args) => ask::why(&client, args, json).await,
        Verb::Add(args) => return add::run(&client, args, json).await,
        Verb::Retry { doc } => act::retry(&client, &doc, json).await,
        Verb::Rollback { generation } => act::rollback(&client, generation, json).await,
        Verb::Replay => act::replay(&client, json).await,
        Verb::Pause { duration } => act::pause(&client, duration, json).await,
        Verb::Resume => act::resume(&client, json).await,
        Verb::Consolidate(args) => return upkeep::consolidate(&client, args, json).await,
        Verb::TrainWriter(args) => return upkeep::train_writer(&client, args, json).await,
        Verb::Forget(args) => return upkeep::forget(&client, args, json).await,
        Verb::Models { what: Some(ModelsVerb::Use(args)) } => {
            return base::use_model(&client, args, json).await;
        }
        Verb::Export(args) => return export::run(&client, args, json).await,
        Verb::Watch(args) => return watch::run(&client, args, json).await,
        Verb::Top => return top::run(client).await,
        Verb::Doctor => return doctor::run(&client, json).await,
        Verb::Backup(args) => backup::run(&client, args, json).await,
        Verb::Logs(args) => logs::run(&client, args, json).await,
        Verb::CompleteWords(args) => return words::run(&client, args).await,
        Verb::Completions(_) | Verb::Man(_) | Verb::Restore(_) => Ok(()),
    };
    done.map(|()| ExitCode::SUCCESS)
}
