//! Verbs that make the daemon do something.

use sealctl::client::{Client, Failure, parse, routes};
use seald_core::protocol::{PauseRequest, ReplayView, RollbackRequest, RollbackView, StatusView};
use seald_terminal::words::count;
use seald_terminal::{one_line, status};

use crate::output::{self, say, times};

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
    Ok(output::text(&text)?)
}

/// Asks about everything learned.
pub(crate) async fn replay(client: &Client, json: bool) -> Result<(), Failure> {
    say("Asking about everything it learned, after the document under way ...");
    let answer = client.post(routes::REPLAY, &serde_json::json!({})).await?;
    if json {
        return Ok(output::json(&answer)?);
    }
    let ReplayView { generation, asked, right, lost } = parse(&answer, routes::REPLAY)?;
    let who = generation.map_or_else(|| "the base model".to_string(), |generation| one_line(&generation));
    let text = if asked == 0 {
        "There is nothing to ask about yet: no document was learned.\n".to_string()
    } else {
        format!("{who}: {right} of {} right; {lost} that were right are wrong now\n", count(asked, "answer"))
    };
    Ok(output::text(&text)?)
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
