//! Verbs that begin work which learns no document: consolidate, train a writer, forget.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use sealctl::client::{Client, Failure, parse, routes};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{AdaptersView, DocumentView, ForgetRequest, JobStarted};
use seald_terminal::words::kind_words;
use seald_terminal::{Look, forget as page};

use crate::cli::{Forget, Waiting};
use crate::output::{self, say};
use crate::wait;

/// Trains everything anew.
pub(crate) async fn consolidate(client: &Client, args: Waiting, json: bool) -> Result<ExitCode, Failure> {
    begin(client, routes::CONSOLIDATE, &serde_json::json!({}), args, json).await
}

/// Trains a new writer.
pub(crate) async fn train_writer(client: &Client, args: Waiting, json: bool) -> Result<ExitCode, Failure> {
    begin(client, routes::TRAIN_WRITER, &serde_json::json!({}), args, json).await
}

/// Forgets a document, once somebody has said yes.
pub(crate) async fn forget(client: &Client, args: Forget, json: bool) -> Result<ExitCode, Failure> {
    let Forget { mut doc, keep_history, yes, waiting } = args;
    if !yes {
        if !io::stdin().is_terminal() {
            let text = "forgetting cannot be undone, and nobody can be asked here: say --yes";
            return Err(Error::new(Kind::Invalid, text).into());
        }
        let document: DocumentView = client.read(&routes::document(&doc)).await?;
        if !agreed(client, &document, keep_history).await? {
            say("Nothing was forgotten.");
            return Ok(ExitCode::FAILURE);
        }
        // The one that was shown, whatever else has come under its name since.
        doc = document.line.id.to_string();
    }
    begin(client, &routes::forget(&doc), &ForgetRequest { keep_history }, waiting, json).await
}

/// Shows what would be removed and asks.
async fn agreed(client: &Client, document: &DocumentView, keep_history: bool) -> Result<bool, Failure> {
    if let Some(newer) = document.line.replaced_by {
        let text =
            format!("document {newer} is a newer version of it: forget that one, and both are forgotten");
        return Err(Error::new(Kind::Conflict, text).into());
    }
    let adapters: AdaptersView = client.read(routes::ADAPTERS).await?;
    say(page::question(document, adapters.live.as_deref(), keep_history, &Look::of_stderr()));
    Ok(output::agreed("Forget it for good?")?)
}

/// Asks for a job and, unless told otherwise, waits for its end.
async fn begin(
    client: &Client,
    path: &str,
    body: &impl serde::Serialize,
    waiting: Waiting,
    json: bool,
) -> Result<ExitCode, Failure> {
    if !waiting.no_wait {
        // Listening begins before asking, so that nothing falls between.
        let stream = client.events(None).await?;
        let started: JobStarted = parse(&client.post(path, body).await?, path)?;
        return wait::until_over(client, started, stream, json).await;
    }
    let answer = client.post(path, body).await?;
    if json {
        output::json(&answer)?;
    } else {
        let JobStarted { job, kind } = parse(&answer, path)?;
        let text = format!("{} waits as job {job}; `sealctl watch` follows it\n", kind_words(kind));
        output::text(&output::hints(&text))?;
    }
    Ok(ExitCode::SUCCESS)
}
