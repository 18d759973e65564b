//! `ask` and `why`: the answer as it comes, and beneath it who gave it, where it likely comes from, or what taught it.

use std::io::{IsTerminal, Read};

use sealctl::client::{Client, Failure, parse, routes};
use seald_core::error::{Context, Error, Kind};
use seald_core::protocol::{AskEvent, AskRequest, AskView, Turn, WhyView};
use seald_terminal::{Look, answer, many_lines, one_line, why as reasons};

use crate::cli::{Ask, Why};
use crate::conversation;
use crate::output::{self, say};

/// Most bytes of a question from stdin.
const MOST: u64 = 64 << 10;

/// Who is asked, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct AskTarget {
    /// As the protocol names it; none for the live one.
    pub(crate) model: Option<String>,
    /// Whether the base answers too.
    pub(crate) compare: bool,
    /// Most tokens of an answer.
    pub(crate) max_tokens: Option<usize>,
    /// What was said before.
    pub(crate) earlier: Vec<Turn>,
}

impl AskTarget {
    pub(crate) fn request(&self, question: &str, stream: bool) -> AskRequest {
        let Self { model, compare: _, max_tokens, earlier } = self.clone();
        AskRequest { question: question.into(), model, earlier, max_tokens, stream }
    }
}

/// Puts the question. The answer goes to stdout, the rest to stderr.
pub(crate) async fn run(client: &Client, args: Ask, json: bool) -> Result<(), Failure> {
    let Ask { question, base, generation, compare, max_tokens } = args;
    let model = if base { Some("base".to_string()) } else { generation.map(folder) };
    let target = AskTarget { model, compare, max_tokens: max_tokens.map(usize::from), earlier: Vec::new() };
    if question.is_empty() && std::io::stdin().is_terminal() && !json {
        return conversation::run(client, target).await;
    }
    let question = if question.is_empty() { from_stdin()? } else { question.join(" ") };
    match (compare, json) {
        (true, json) => compared(client, &target, &question, json).await.map(drop),
        (false, true) => {
            Ok(output::json(&client.post(routes::ASK, &target.request(&question, false)).await?)?)
        }
        (false, false) => streamed(client, &target, &question).await.map(drop),
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(MOST).read_to_string(&mut text);
    read.doing(Kind::Invalid, || "cannot read the question from stdin".to_string())?;
    if text.trim().is_empty() {
        let text = "no question: give it as an argument or on stdin, or start `sealctl ask` at a terminal";
        return Err(Error::new(Kind::Invalid, text).into());
    }
    Ok(text.trim().to_string())
}

/// Puts a question and prints the answer as it comes.
pub(crate) async fn streamed(
    client: &Client,
    target: &AskTarget,
    question: &str,
) -> Result<AskView, Failure> {
    let mut stream = client.ask(&target.request(question, true)).await?;
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
                return Ok(view);
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

/// Puts a question to the base and to who is asked, and prints both answers; the latter's.
pub(crate) async fn compared(
    client: &Client,
    target: &AskTarget,
    question: &str,
    json: bool,
) -> Result<AskView, Failure> {
    let base = AskTarget { model: Some("base".into()), ..target.clone() };
    let (before, after) = (base.request(question, false), target.request(question, false));
    // Both at once: they share the model's passes.
    let (before, after) =
        tokio::try_join!(client.post(routes::ASK, &before), client.post(routes::ASK, &after))?;
    let views: [AskView; 2] = [parse(&before, routes::ASK)?, parse(&after, routes::ASK)?];
    if json {
        let text = serde_json::to_vec(&views).doing(Kind::Internal, || "cannot write JSON".to_string())?;
        output::json(&text)?;
    } else {
        output::text(&answer::beside(&views, &Look::of_stdout()))?;
    }
    let [_, after] = views;
    Ok(after)
}

/// What is said next begins on a new line.
fn end(said: &str) -> Result<(), Failure> {
    if said.is_empty() { Ok(()) } else { Ok(output::text("\n")?) }
}

/// Puts a question and shows what taught the answer.
pub(crate) async fn why(client: &Client, args: Why, json: bool) -> Result<(), Failure> {
    let Why { question, generation } = args;
    let target = AskTarget { model: generation.map(folder), ..AskTarget::default() };
    because(client, &target, &question.join(" "), json).await
}

/// The same of a question in a conversation.
pub(crate) async fn because(
    client: &Client,
    target: &AskTarget,
    question: &str,
    json: bool,
) -> Result<(), Failure> {
    let bytes = client.post(routes::WHY, &target.request(question, false)).await?;
    if json {
        return Ok(output::json(&bytes)?);
    }
    let view: WhyView = parse(&bytes, routes::WHY)?;
    Ok(output::text(&reasons::render(&view, &Look::of_stdout()))?)
}

/// `7` is `gen-000007`.
pub(crate) fn folder(generation: String) -> String {
    generation.parse().map_or(generation, |number: u32| format!("gen-{number:06}"))
}
