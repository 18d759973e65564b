//! Questions: one answer, or its pieces as they come.

use std::convert::Infallible;
use std::time::Instant;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::extract::{Body, generation};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::serve::{Stopping, stopped};
use super::super::views::{learned, shares_words, unlearned};
use crate::pipeline::model_requests::{AnswerEvent, GenerateRequest, Prompt};
use seald_core::domain::document::Document;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{AskEvent, AskRequest, AskView, Problem, ServerSentEvent, Source, Unlearned};
use seald_store::Store;

/// Longest question, characters.
const QUESTION: usize = 4000;
/// Most tokens of an answer, and how many where none are given.
const TOKENS: usize = 1024;
const FEW_TOKENS: usize = 64;
/// Most earlier questions.
const EARLIER: usize = 100;
/// Documents that an answer is traced to, at most.
const SOURCES: usize = 3;
/// How much likelier, in nats, a document made an answer that it is named for: three to one, below which a ratio of likelihoods is "not worth more than a bare
/// mention" (Kass and Raftery 1995).
const TAUGHT: f64 = 1.098_612_288_668_109_8;

/// Puts a question to the live model, to another generation, or to the base.
#[utoipa::path(post, path = "/v1/ask", tag = "ask", request_body = AskRequest, responses(
    (status = 200, description = "The answer or, where `stream` is true, server-sent events: `event` is `text`, `done` or `failed`, `data` an AskEvent",
     content((AskView = "application/json"), (ServerSentEvent = "text/event-stream"))),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn ask(
    State(api): State<Api>,
    stopping: Option<Extension<Stopping>>,
    Body(request): Body<AskRequest>,
) -> Result<Response, Failure> {
    if !request.stream {
        return Ok(Json(whole(&api, request).await?).into_response());
    }
    let answer = begin(&api, request).await?;
    let events = stream::unfold(answer, |mut answer| async move {
        let event = answer.event().await?;
        Some((Ok::<_, Infallible>(wire(&event)), answer))
    });
    let events = events.take_until(Box::pin(stopped(stopping)));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// A whole answer.
async fn whole(api: &Api, request: AskRequest) -> Result<AskView> {
    let mut answer = begin(api, request).await?;
    while answer.next().await?.is_some() {}
    answer.view().await
}

/// A whole answer, with every learned document that may have to do with it as a source.
pub(super) async fn untraced(api: &Api, request: AskRequest) -> Result<AskView> {
    let mut answer = begin(api, request).await?;
    while answer.next().await?.is_some() {}
    let view = answer.untraced();
    let sources = related(api, &answer.question, &view, |_, _| Ok(true)).await?;
    let unlearned = answer.unlearned().await;
    Ok(AskView { sources: sources.into_iter().map(source).collect(), unlearned, ..view })
}

/// Learned documents that share words with question and answer, the nearest first; of these, `wanted` ones.
async fn related(
    api: &Api,
    question: &str,
    view: &AskView,
    wanted: impl Fn(&Store, &Document) -> Result<bool> + Send + 'static,
) -> Result<Vec<Document>> {
    if generation(&view.model)? == GenerationId::BASE {
        return Ok(Vec::new());
    }
    let words = format!("{question} {}", view.answer);
    let read = move |store: &Store| {
        let found = store.look_up(&words, SOURCES)?;
        let keep = |document: Document| wanted(store, &document).map(|wanted| wanted.then_some(document));
        found.into_iter().filter_map(|document| keep(document).transpose()).collect()
    };
    api.service.read(move |_, reading| read(&reading.store)).await
}

/// Learned documents that the answer likely came from: they share a word with it that the question has not, and learning them made it likelier.
async fn likely(api: &Api, question: &str, view: &AskView) -> Result<Vec<Document>> {
    let (asked, said) = (question.to_string(), view.answer.clone());
    let wanted = move |store: &Store, document: &Document| shares_words(store, document, &asked, &said);
    let documents = related(api, question, view, wanted).await?;
    if documents.is_empty() {
        return Ok(documents);
    }
    let (who, ids) = (generation(&view.model)?, documents.iter().map(|d| d.id).collect::<Vec<_>>());
    let pairs: Vec<_> = api
        .service
        .read(move |_, reading| {
            ids.into_iter().map(|id| learned(&reading.store, who, id)).collect::<Result<_>>()
        })
        .await?;
    // Each generation is asked once; the base and who answered stand in where one's files are gone.
    let mut asked = vec![GenerationId::BASE, who];
    asked.extend(pairs.iter().flatten().flat_map(|(after, before)| [*before, *after]));
    asked.sort_unstable();
    asked.dedup();
    let log_probs =
        api.service.control.weigh(question.to_string(), view.answer.clone(), asked.clone()).await?;
    let log_prob = |id| asked.iter().position(|one| *one == id).and_then(|at| log_probs[at]);
    let gained = |(after, before)| {
        let own = log_prob(after).zip(log_prob(before));
        own.or_else(|| log_prob(who).zip(log_prob(GenerationId::BASE))).map(|(after, before)| after - before)
    };
    let taught = |pair: Option<_>| pair.and_then(gained).is_some_and(|gain| gain >= TAUGHT);
    Ok(documents
        .into_iter()
        .zip(pairs)
        .filter(|(_, pair)| taught(*pair))
        .map(|(document, _)| document)
        .collect())
}

fn source(document: Document) -> Source {
    Source { document: document.id, title: document.title, name: document.name }
}

async fn begin(api: &Api, request: AskRequest) -> Result<Answer> {
    let (question, asked) = check(request)?;
    if let Some(id) = asked.generation.filter(|id| *id != GenerationId::BASE) {
        api.service.read(move |_, reading| reading.store.generation(id)).await?;
    }
    let of_base = asked.generation == Some(GenerationId::BASE);
    let pieces = api.service.control.ask(asked)?;
    let (api, since, told) = (api.clone(), Instant::now(), AnswerSoFar::default());
    Ok(Answer { api, question, of_base, pieces, since, told, ended: false })
}

fn check(request: AskRequest) -> Result<(String, GenerateRequest)> {
    let AskRequest { question, model, earlier, max_tokens, stream: _ } = request;
    let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
    let characters = question.chars().count();
    if question.trim().is_empty() {
        return invalid(format!("the question is blank: give 1 to {QUESTION} characters"));
    }
    if characters > QUESTION {
        return invalid(format!("the question has {characters} characters: give at most {QUESTION}"));
    }
    if earlier.len() > EARLIER {
        return invalid(format!("{} earlier questions: give at most {EARLIER}", earlier.len()));
    }
    let max_tokens = max_tokens.unwrap_or(FEW_TOKENS);
    if !(1..=TOKENS).contains(&max_tokens) {
        return invalid(format!("max_tokens is {max_tokens}: give 1 to {TOKENS}"));
    }
    let generation = match model.as_deref() {
        None | Some("live") => None,
        Some(name) => Some(generation(name)?),
    };
    let earlier = earlier.into_iter().map(|turn| (turn.question, turn.answer)).collect();
    let prompt = Prompt::Question { text: question.clone(), earlier };
    let asked = GenerateRequest {
        generation,
        max_tokens: Some(max_tokens),
        temperature: Some(0.0),
        ..GenerateRequest::new(prompt)
    };
    Ok((question, asked))
}

const BROKEN_OFF: &str = "the daemon went down before the answer was whole: ask again once it runs";

/// An answer on its way. Dropping it tells the model to stop.
struct Answer {
    api: Api,
    question: String,
    /// Whether the base was asked for by name: nobody takes its answer for something learned.
    of_base: bool,
    pieces: UnboundedReceiver<AnswerEvent>,
    since: Instant,
    told: AnswerSoFar,
    ended: bool,
}

/// What has come of it.
#[derive(Default)]
struct AnswerSoFar {
    text: String,
    generation: Option<GenerationId>,
    tokens: usize,
    log_prob: f64,
}

impl Answer {
    /// The text that comes next; none at the end.
    async fn next(&mut self) -> Result<Option<String>> {
        loop {
            match self.pieces.recv().await {
                Some(AnswerEvent::Begun { generation, .. }) => self.told.generation = Some(generation),
                Some(AnswerEvent::Token { text, token, .. }) => {
                    self.told.tokens += 1;
                    self.told.log_prob += f64::from(token.log_prob);
                    if !text.is_empty() {
                        self.told.text.push_str(&text);
                        return Ok(Some(text));
                    }
                }
                Some(AnswerEvent::Done) => return Ok(None),
                Some(AnswerEvent::Failed(refused)) => return Err(refused.error),
                None => return Err(Error::new(Kind::Cancelled, BROKEN_OFF)),
            }
        }
    }

    /// The next event of a stream; none after the last.
    async fn event(&mut self) -> Option<AskEvent> {
        if self.ended {
            return None;
        }
        let found = match self.next().await {
            Ok(Some(text)) => Ok(AskEvent::Text { text }),
            Ok(None) => self.view().await.map(AskEvent::Done),
            Err(error) => Err(error),
        };
        self.ended = !matches!(found, Ok(AskEvent::Text { .. }));
        Some(found.unwrap_or_else(|error| AskEvent::Failed { error: error.to_string() }))
    }

    /// All of it, with the documents that it likely came from.
    async fn view(&mut self) -> Result<AskView> {
        let view = self.untraced();
        let sources = match view.answer.is_empty() {
            true => Vec::new(),
            // The answer is there, and is not lost for this.
            false => likely(&self.api, &self.question, &view).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "an answer is not traced to documents");
                Vec::new()
            }),
        };
        let unlearned = self.unlearned().await;
        Ok(AskView { sources: sources.into_iter().map(source).collect(), unlearned, ..view })
    }

    /// Documents that the question is about and that the answer is not made of. The answer is there, and is not lost for this.
    async fn unlearned(&self) -> Vec<Unlearned> {
        if self.of_base {
            return Vec::new();
        }
        let question = self.question.clone();
        let found = self.api.service.read(move |_, reading| unlearned(&reading.store, &question)).await;
        found.unwrap_or_else(|error| {
            tracing::debug!(%error, "documents that were not learned are not looked up");
            Vec::new()
        })
    }

    /// All of it, and no source.
    fn untraced(&mut self) -> AskView {
        let AnswerSoFar { text, generation, tokens, log_prob } = std::mem::take(&mut self.told);
        let generation = generation.unwrap_or(GenerationId::BASE);
        AskView {
            answer: text.trim().to_string(),
            model: if generation == GenerationId::BASE { "base".into() } else { generation.folder() },
            tokens,
            mean_log_prob: log_prob / tokens.max(1) as f64,
            sources: Vec::new(),
            unlearned: Vec::new(),
            seconds: self.since.elapsed().as_secs_f64(),
        }
    }
}

fn wire(piece: &AskEvent) -> Event {
    let kind = match piece {
        AskEvent::Text { .. } => "text",
        AskEvent::Done(_) => "done",
        AskEvent::Failed { .. } => "failed",
    };
    Event::default().event(kind).data(serde_json::to_string(piece).unwrap_or_default())
}
