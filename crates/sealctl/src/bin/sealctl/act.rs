//! Verbs that make the daemon do something.

use sealctl::client::{self, Client, Failure, parse, routes};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{PauseRequest, ReplayView, RollbackRequest, RollbackView, StatusView};
use seald_terminal::words::count;
use seald_terminal::{Look, one_line, status};

use crate::event_printer::EventPrinter;
use crate::output::{self, times};

/// Learns a document again.
pub(crate) async fn retry(client: &Client, doc: &str, json: bool) -> Result<(), Failure> {
    let answer = client.post(&routes::retry(doc), &serde_json::json!({})).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    Ok(output::text(&format!("{} waits to be learned again\n", one_line(doc)))?)
}

/// Makes another generation live.
pub(crate) async fn rollback(client: &Client, to: String, json: bool) -> Result<(), Failure> {
    let answer = client.post(routes::ROLLBACK, &RollbackRequest { to }).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    let RollbackView { from, to, dropped } = parse(&answer, routes::ROLLBACK)?;
    let name = |generation: Option<String>| {
        generation.map_or_else(|| "the base model".to_string(), |generation| one_line(&generation))
    };
    let mut text = format!("{} is live; it was {}\n", name(to), name(from));
    if !dropped.is_empty() {
        text += &format!("It does not know {}:\n", count(dropped.len(), "document"));
        text.extend(dropped.iter().map(|title| format!("  {}\n", one_line(title))));
        text += "`sealctl retry DOC` learns one again.\n";
    }
    Ok(output::text(&output::hints(&text))?)
}

/// Asks about everything learned, and tells what goes on until that is done.
pub(crate) async fn replay(client: &Client, json: bool) -> Result<(), Failure> {
    // Listening begins before asking, so that nothing falls between.
    let mut stream = client.events(None).await?;
    client.post(routes::REPLAY, &serde_json::json!({})).await?;
    let mut printer = EventPrinter::new(Look::of_stderr());
    printer.say("Asking about everything it learned, after what is under way; Ctrl-C ends the waiting, not the asking");
    let went = |reason: String| Failure::from(Error::new(Kind::Internal, reason));
    loop {
        let Some((event, _)) = stream.next().await? else {
            return Err(went("the daemon went away before it had asked: `sealctl replay` asks again".into()));
        };
        match event.kind.as_str() {
            "replayed" if json => {
                return Ok(output::json(&serde_json::to_vec(&event.body).unwrap_or_default())?);
            }
            "replayed" => {
                return Ok(output::text(&replayed(&parse(
                    &event.body.to_string().into_bytes(),
                    "/v1/events",
                )?))?);
            }
            "replay_failed" => {
                let reason = event.body["error"].as_str().unwrap_or("it was not told why");
                return Err(went(format!("asking failed: {reason}")));
            }
            _ => {
                let lines = printer.tell(&event, client::progress(&event).as_ref());
                if !lines.is_empty() {
                    printer.say(&lines);
                }
            }
        }
    }
}

fn replayed(view: &ReplayView) -> String {
    let ReplayView { generation, asked, right, lost } = view;
    if *asked == 0 {
        return "There is nothing to ask about yet: no document was learned.\n".to_string();
    }
    let who = generation.as_ref().map_or_else(|| "the base model".to_string(), |name| one_line(name));
    format!("{who}: {right} of {} right; {lost} that were right are wrong now\n", count(*asked, "answer"))
}

/// Holds learning.
pub(crate) async fn pause(client: &Client, seconds: Option<u64>, json: bool) -> Result<(), Failure> {
    let answer = client.post(routes::PAUSE, &PauseRequest { seconds }).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    held(client).await
}

/// Learns on.
pub(crate) async fn resume(client: &Client, json: bool) -> Result<(), Failure> {
    let answer = client.post(routes::RESUME, &serde_json::json!({})).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    held(client).await
}

/// Says how it stands now.
async fn held(client: &Client) -> Result<(), Failure> {
    let view: StatusView = client.read(routes::STATUS).await?;
    let words = match &view.held {
        Some(held) => status::held_words(held, times()),
        None => status::doing_words(&view, times()),
    };
    Ok(output::text(&format!("{words}\n"))?)
}
