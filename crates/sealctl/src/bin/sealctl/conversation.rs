//! `ask` without a question: a conversation at a terminal, with what was said before, and the lines of earlier ones.

use std::path::PathBuf;

use rustyline::DefaultEditor;
use rustyline::config::{Builder, Config};
use rustyline::error::ReadlineError;
use sealctl::client::{Client, Failure};
use seald_core::error::{Context, Kind};
use seald_core::protocol::Turn;
use seald_terminal::one_line;

use crate::ask::{AskTarget, because, compared, folder, streamed};
use crate::output::say;

/// Lines that are kept.
const HISTORY: usize = 1000;
/// Turns that are sent along.
const EARLIER: usize = 100;

const HELP: &str = "\
/base        let the base model answer, without anything learned
/gen N       let a generation answer
/live        let the live model answer (as at the beginning)
/compare     show the base model's answer beside each answer, or stop doing so
/why         show what taught the last answer
/new         forget what was said in this conversation
/quit        leave (also Ctrl-D); Ctrl-C ends an answer";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    Question(String),
    Model(Option<String>),
    Compare,
    Why,
    New,
    Help,
    Quit,
    Unknown(String),
}

impl Line {
    fn of(line: &str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return if line.is_empty() { Line::Nothing } else { Line::Question(line.to_string()) };
        };
        let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match (word, rest.trim()) {
            ("base", "") => Line::Model(Some("base".into())),
            ("live", "") => Line::Model(None),
            ("gen", number) if !number.is_empty() => Line::Model(Some(folder(number.to_string()))),
            ("compare", "") => Line::Compare,
            ("why", "") => Line::Why,
            ("new", "") => Line::New,
            ("help" | "?", "") => Line::Help,
            ("quit" | "exit" | "q", "") => Line::Quit,
            _ => Line::Unknown(line.to_string()),
        }
    }
}

/// Asks and answers until the person leaves.
pub(crate) async fn run(client: &Client, mut target: AskTarget) -> Result<(), Failure> {
    let cannot = || "cannot read from this terminal: give the question as an argument".to_string();
    let mut editor = DefaultEditor::with_config(config()).doing(Kind::Io, cannot)?;
    let kept = history_file();
    if let Some(path) = &kept {
        // There is none the first time.
        let _ = editor.load_history(path);
    }
    say("Ask what was learned. /help lists what else there is, Ctrl-D leaves.");
    loop {
        let line = match editor.readline(&prompt(&target)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(seald_core::Error::new(Kind::Io, cannot()).with_source(error).into()),
        };
        let line = Line::of(&line);
        if line == Line::Quit {
            break;
        }
        if let Line::Question(question) = &line {
            let _ = editor.add_history_entry(question);
        }
        let answered = tokio::select! {
            answered = answer(client, &mut target, line) => answered,
            _ = tokio::signal::ctrl_c() => {
                say("\nEnded.");
                Ok(())
            }
        };
        match answered {
            Ok(()) => {}
            Err(unreachable @ Failure::Unreachable(_)) => return Err(unreachable),
            Err(failure) => say(format!("error: {}", one_line(&failure.to_string()))),
        }
    }
    if let Some(path) = &kept
        && let Err(error) = editor.save_history(path)
    {
        say(format!("the lines of this conversation are not kept: {error}"));
    }
    Ok(())
}

async fn answer(client: &Client, target: &mut AskTarget, line: Line) -> Result<(), Failure> {
    match line {
        Line::Nothing | Line::Quit => {}
        Line::Question(question) => {
            // Beside itself the base has nothing to show.
            let view = match target.compare && target.model.as_deref() != Some("base") {
                true => compared(client, target, &question, false).await?,
                false => streamed(client, target, &question).await?,
            };
            target.earlier.push(Turn { question, answer: view.answer });
            let gone = target.earlier.len().saturating_sub(EARLIER);
            target.earlier.drain(..gone);
        }
        Line::Why => match target.earlier.split_last() {
            Some((last, before)) => {
                let asked = AskTarget { earlier: before.to_vec(), ..target.clone() };
                because(client, &asked, &last.question, false).await?;
            }
            None => say("Nothing was asked yet."),
        },
        Line::Model(model) => target.model = model,
        Line::Compare => {
            target.compare = !target.compare;
            say(if target.compare { "The base model answers too." } else { "Only one answers." });
        }
        Line::New => {
            target.earlier.clear();
            say("A new conversation.");
        }
        Line::Help => say(HELP),
        Line::Unknown(line) => say(format!("{line}: unknown; /help lists what there is")),
    }
    Ok(())
}

fn prompt(target: &AskTarget) -> String {
    format!("{}> ", target.model.as_deref().unwrap_or("live"))
}

fn config() -> Config {
    let plain = Builder::new().auto_add_history(false).history_ignore_space(true);
    plain.max_history_size(HISTORY).map_or_else(|_| Config::default(), Builder::build)
}

/// Where the lines of earlier conversations are kept; nowhere without a home.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match state {
        Some(state) => state,
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let folder = folder.join("seald");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("ask_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_questions_or_commands() {
        assert_eq!(Line::of("  Who founded it? "), Line::Question("Who founded it?".into()));
        assert_eq!(Line::of("/gen 7"), Line::Model(Some("gen-000007".into())));
        assert_eq!(
            [Line::of("/base"), Line::of("/live")],
            [Line::Model(Some("base".into())), Line::Model(None)]
        );
        assert_eq!(
            [Line::of(""), Line::of("/quit"), Line::of("/why")],
            [Line::Nothing, Line::Quit, Line::Why]
        );
        assert_eq!(Line::of("/gen"), Line::Unknown("/gen".into()));
        assert_eq!(Line::of("/base now"), Line::Unknown("/base now".into()));
    }
}
