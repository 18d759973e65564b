//! `ask`: the answer as it comes, and beneath it who gave it and where it likely comes from.

use seald::client::{Client, Failure, routes};
use seald::error::{Error, Kind};
use seald::protocol::{AskEvent, AskRequest};
use seald::terminal::{Look, answer, many_lines, one_line};

use crate::cli::Ask;
use crate::output::{self, say};

/// Puts the question. The answer goes to stdout, the rest to stderr.
pub(crate) async fn run(client: &Client, args: Ask, json: bool) -> Result<(), Failure> {
    let Ask { question, base, generation, max_tokens } = args;
    let model = if base { Some("base".to_string()) } else { generation.map(folder) };
    let request = AskRequest {
        question: question.join(" "),
        model,
        earlier: Vec::new(),
        max_tokens: max_tokens.map(usize::from),
        stream: !json,
    };
    if json {
        return Ok(output::json(&client.post(routes::ASK, &request).await?)?);
    }
    let mut stream = client.ask(&request).await?;
    let mut said = String::new();
    while let Some((event, _)) = stream.next().await? {
        match event {
            AskEvent::Text { text } => {
                output::text(&many_lines(&text))?;
                said += &text;
            }
            AskEvent::Done(view) => {
                if said.is_empty() {
                    output::text(&many_lines(&view.answer))?;
                }
                output::text("\n")?;
                say(answer::beneath(&view, &Look::of_stderr()));
                return Ok(());
            }
            AskEvent::Failed { error } => {
                end(&said)?;
                return Err(Error::new(Kind::Internal, one_line(&error)).into());
            }
        }
    }
    end(&said)?;
    let text = "the daemon closed the connection before the answer was complete: ask again";
    Err(Failure::Unreachable(Error::new(Kind::Io, text)))
}

/// What is said next begins on a new line.
fn end(said: &str) -> Result<(), Failure> {
    if said.is_empty() { Ok(()) } else { Ok(output::text("\n")?) }
}

/// `7` is `gen-000007`.
fn folder(generation: String) -> String {
    generation.parse().map_or(generation, |number: u32| format!("gen-{number:06}"))
}
