//! Questions: one answer, or its pieces as they come.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc::Receiver;

use super::super::extract::{Body, generation};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::serve::{Stopping, stopped};
use crate::domain::ids::GenerationId;
use crate::error::{Error, Kind, Result};
use crate::pipeline::control::Question;
use crate::protocol::{AskEvent, AskRequest, AskView, Problem};

/// Longest question, characters.
const QUESTION: usize = 4000;
/// Most tokens of an answer, and how many where none are given.
const TOKENS: usize = 1024;
const FEW_TOKENS: usize = 64;

/// Puts a question to the live model, to another generation, or to the base.
#[utoipa::path(post, path = "/v1/ask", tag = "ask", request_body = AskRequest, responses(
    (status = 200, description = "The answer or, where `stream` is true, server-sent events: `event` is `text`, `done` or `failed`, `data` an AskEvent",
     content((AskView = "application/json"), (AskEvent = "text/event-stream"))),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn ask(
    State(api): State<Api>,
    stopping: Option<Extension<Stopping>>,
    Body(request): Body<AskRequest>,
) -> Result<Response, Failure> {
    let streamed = request.stream;
    let question = check(request)?;
    if let Some(id) = question.generation.filter(|id| *id != GenerationId::BASE) {
        api.service.read(move |_, reading| reading.store.generation(id)).await?;
    }
    let mut answer = api.service.control.ask(question)?;
    if !streamed {
        return Ok(Json(whole(&mut answer).await?).into_response());
    }
    let events =
        pieces(answer).take_until(Box::pin(stopped(stopping))).map(|piece| Ok::<_, Infallible>(wire(&piece)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn check(request: AskRequest) -> Result<Question> {
    let AskRequest { question, model, max_tokens, stream: _ } = request;
    let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
    let characters = question.chars().count();
    if question.trim().is_empty() || characters > QUESTION {
        return invalid(format!("the question has {characters} characters: give 1 to {QUESTION}"));
    }
    let max_tokens = max_tokens.unwrap_or(FEW_TOKENS);
    if !(1..=TOKENS).contains(&max_tokens) {
        return invalid(format!("max_tokens is {max_tokens}: give 1 to {TOKENS}"));
    }
    let generation = match model.as_deref() {
        None | Some("live") => None,
        Some(name) => Some(generation(name)?),
    };
    Ok(Question { text: question, generation, max_tokens })
}

async fn whole(answer: &mut Receiver<AskEvent>) -> Result<AskView> {
    loop {
        match answer.recv().await {
            Some(AskEvent::Text { .. }) => {}
            Some(AskEvent::Done(view)) => return Ok(view),
            Some(AskEvent::Failed { error }) => return Err(Error::new(Kind::Internal, error)),
            None => return Err(Error::new(Kind::Cancelled, BROKEN_OFF)),
        }
    }
}

const BROKEN_OFF: &str = "the daemon went down before the answer was whole: ask again once it runs";

/// The pieces of an answer up to its end, which there always is. Dropping them tells the learner to stop.
fn pieces(answer: Receiver<AskEvent>) -> impl Stream<Item = AskEvent> + Send {
    stream::unfold(Some(answer), |answer| async move {
        let mut answer = answer?;
        let piece = answer.recv().await.unwrap_or_else(|| AskEvent::Failed { error: BROKEN_OFF.into() });
        let goes_on = matches!(piece, AskEvent::Text { .. });
        Some((piece, goes_on.then_some(answer)))
    })
}

fn wire(piece: &AskEvent) -> Event {
    let kind = match piece {
        AskEvent::Text { .. } => "text",
        AskEvent::Done(_) => "done",
        AskEvent::Failed { .. } => "failed",
    };
    Event::default().event(kind).data(serde_json::to_string(piece).unwrap_or_default())
}
