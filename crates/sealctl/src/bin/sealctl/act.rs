//! Verbs that make the daemon do something.

use std::fs;
use std::path::Path;

use sealctl::client::{Client, Failure, parse, routes};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{AddView, PauseRequest, ReplayView, RollbackRequest, RollbackView, StatusView};
use seald_terminal::words::count;
use seald_terminal::{one_line, status};

use crate::cli::Add;
use crate::output::{self, say, times};

/// Hands documents in, one after the other; one that is refused stops the rest.
pub(crate) async fn add(client: &Client, args: Add, json: bool) -> Result<(), Failure> {
    // A name that is wrong is found before anything is handed in.
    let files: Vec<_> =
        args.files.iter().map(|path| name(path).map(|name| (path, name))).collect::<Result<_, _>>()?;
    for (path, name) in files {
        let bytes = fs::read(path).map_err(|e| unread(path, e))?;
        let route = routes::add(name, args.tag.as_deref());
        let answer = client.upload(&route, bytes).await?;
        if json {
            output::json(&answer)?;
        } else {
            let AddView { path } = parse(&answer, &route)?;
            output::text(&format!("{} waits to be learned\n", one_line(&path)))?;
        }
    }
    Ok(())
}

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

fn name(path: &Path) -> Result<&str, Failure> {
    let name = path.file_name().ok_or_else(|| {
        Error::new(Kind::Invalid, format!("{} is no file: name the documents themselves", path.display()))
    })?;
    let wrong = || {
        let text = format!("the name of {} is not UTF-8: copy it into the inbox yourself", path.display());
        Error::new(Kind::Invalid, text)
    };
    Ok(name.to_str().ok_or_else(wrong)?)
}

fn unread(path: &Path, e: std::io::Error) -> Error {
    let kind = match e.kind() {
        std::io::ErrorKind::NotFound => Kind::NotFound,
        std::io::ErrorKind::IsADirectory => Kind::Invalid,
        _ => Kind::Io,
    };
    Error::new(kind, format!("cannot read {}", path.display())).with_source(e)
}
