//! OpenAI's API as far as tools for chatting use it: models, chats, completions, over the same sockets as the rest.

mod failure;
mod fields;
mod reply;
mod request;
mod stream;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use super::extract::{Named, body_of};
use super::router::Api;
use super::serve::Stopping;
use super::views;
pub(super) use failure::Refusal;
use reply::Form;
use request::Wanted;
use seald_core::clock::Timestamp;
use seald_core::error::{Error, Kind};
use seald_core::protocol::ServerSentEvent;
use seald_core::protocol::openai::{
    ChatRequest, Completion, CompletionRequest, ErrorReply, ModelCard, ModelList,
};

/// Most bytes of a request.
const BODY: usize = 1 << 20;

/// Whether clients of OpenAI's API call this path, and read its errors.
pub(super) fn is_spoken_at(path: &str) -> bool {
    let names = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models"];
    names.contains(&path) || (path.starts_with("/v1/models/") && path != "/v1/models/local")
}

/// Goes on with a chat.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest, responses(
    (status = 200, description = "The answers or, where `stream` is true, server-sent events with a Completion each, the last `[DONE]`",
     content((Completion = "application/json"), (ServerSentEvent = "text/event-stream"))),
    (status = 429, body = ErrorReply, description = "Too many requests wait; `Retry-After` says when to try again"),
    (status = "default", body = ErrorReply, description = "An error")))]
pub(super) async fn chat(
    State(api): State<Api>,
    stopping: Option<Extension<Stopping>>,
    request: Request,
) -> Result<Response, Refusal> {
    let body = body_of(request, BODY).await?;
    answer(&api, stopping, request::chat(&body)?, Form::Chat).await
}

/// Goes on with a text.
#[utoipa::path(post, path = "/v1/completions", tag = "openai", request_body = CompletionRequest, responses(
    (status = 200, description = "The texts or, where `stream` is true, server-sent events with a Completion each, the last `[DONE]`",
     content((Completion = "application/json"), (ServerSentEvent = "text/event-stream"))),
    (status = 429, body = ErrorReply, description = "Too many requests wait; `Retry-After` says when to try again"),
    (status = "default", body = ErrorReply, description = "An error")))]
pub(super) async fn completions(
    State(api): State<Api>,
    stopping: Option<Extension<Stopping>>,
    request: Request,
) -> Result<Response, Refusal> {
    let body = body_of(request, BODY).await?;
    answer(&api, stopping, request::completion(&body)?, Form::Text).await
}

async fn answer(
    api: &Api,
    stopping: Option<Extension<Stopping>>,
    wanted: Wanted,
    form: Form,
) -> Result<Response, Refusal> {
    let Wanted { asked, log_probs, stream, usage } = wanted;
    let answers = asked.answers * asked.prompts.len();
    let control = &api.service.control;
    let pieces =
        control.ask(asked).map_err(|e| Refusal::from(e).retry_after(control.load().retry_after()))?;
    let reply = reply::begin(pieces, form, log_probs, api.service.clock.now()).await?;
    if stream {
        return Ok(stream::respond(reply, answers, usage, stopping));
    }
    Ok(Json(reply.whole(answers).await?).into_response())
}

/// Lists who can answer.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses(
    (status = 200, body = ModelList, description = "`live`, `base`, and generations, the newest first"),
    (status = "default", body = ErrorReply, description = "An error")))]
pub(super) async fn models(State(api): State<Api>) -> Result<Json<ModelList>, Refusal> {
    Ok(Json(list(&api).await?))
}

/// Tells of one who can answer.
#[utoipa::path(get, path = "/v1/models/{id}", tag = "openai",
    params(("id" = String, Path, description = "`live`, `base`, or a generation (`gen-000007`)")),
    responses((status = 200, body = ModelCard, description = "It"),
    (status = "default", body = ErrorReply, description = "An error")))]
pub(super) async fn model(State(api): State<Api>, Named(id): Named) -> Result<Json<ModelCard>, Refusal> {
    let found = list(&api).await?.data.into_iter().find(|model| model.id == id);
    found.map(Json).ok_or_else(|| Refusal::no_model(&id))
}

async fn list(api: &Api) -> Result<ModelList, Error> {
    api.service
        .read(|service, reading| {
            let context = service.monitor.now().model.map(|facts| facts.context);
            let all = views::adapters(&reading.store, &service.root)?;
            let card = |id: &str, created: Timestamp, root: &str| ModelCard {
                id: id.to_string(),
                object: "model".into(),
                created: created.0 / 1000,
                owned_by: "seald".into(),
                root: root.to_string(),
                max_model_len: context,
            };
            let base = (service.started_at, service.model.as_str());
            let live = all.generations.iter().find(|generation| generation.live);
            let (since, root) = live.map_or(base, |live| (live.created_at, live.name.as_str()));
            let mut data = vec![card("live", since, root), card("base", base.0, base.1)];
            let there = all.generations.iter().filter(|one| one.bytes.is_some() && one.other_base.is_none());
            data.extend(there.map(|one| card(&one.name, one.created_at, &one.name)));
            Ok(ModelList { object: "list".into(), data })
        })
        .await
}

/// Says that there are no embeddings.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai", responses(
    (status = 404, body = ErrorReply, description = "This program computes none")))]
pub(super) async fn embeddings() -> Refusal {
    let text = "seald computes no embeddings: use another server for them";
    Refusal::from(Error::new(Kind::NotFound, text)).code("unsupported")
}
