//! What is behind an answer.

use axum::Json;
use axum::extract::State;

use super::super::extract::{Body, generation};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views::{Trace, trace};
use super::ask;
use seald_core::domain::ids::GenerationId;
use seald_core::error::Result;
use seald_core::protocol::{AskRequest, AskView, DocumentShare, Problem, Weighed, WhyDocument, WhyView};

/// Answers a question and tells what taught the answer: documents, training rows, probes, and what learning each document did for it.
#[utoipa::path(post, path = "/v1/why", tag = "ask", request_body = AskRequest, responses(
    (status = 200, body = WhyView, description = "The answer and what is behind it; `stream` is not heeded"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn why(
    State(api): State<Api>,
    Body(request): Body<AskRequest>,
) -> Result<Json<WhyView>, Failure> {
    let question = request.question.clone();
    let answer = ask::untraced(&api, request).await?;
    let words = format!("{question} {}", answer.answer);
    let who = generation(&answer.model)?;
    let sources: Vec<_> = answer.sources.iter().map(|source| source.document).collect();
    let traces = api.service.read(move |_, reading| {
        let store = &reading.store;
        let traces = sources.into_iter().map(|id| trace(store, who, store.document(id)?, &words));
        Ok(traces.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect::<Vec<Trace>>())
    });
    Ok(Json(weighed(&api, question, who, answer, traces.await?).await?))
}

/// Puts the answer to everyone concerned.
async fn weighed(
    api: &Api,
    question: String,
    who: GenerationId,
    answer: AskView,
    traces: Vec<Trace>,
) -> Result<WhyView> {
    let mut asked = vec![who, GenerationId::BASE];
    asked.extend(traces.iter().flat_map(|trace| [trace.before, trace.after]));
    let log_probs = if answer.answer.is_empty() {
        vec![None; asked.len()]
    } else {
        api.service.control.weigh(question, answer.answer.clone(), asked.clone()).await?
    };
    let mut found = asked.into_iter().zip(log_probs).map(|(id, log_prob)| {
        let model = if id == GenerationId::BASE { "base".to_string() } else { id.folder() };
        log_prob.map(|log_prob| Weighed { model, log_prob })
    });
    let mut next = || found.next().flatten();
    let (known, base) = (next(), next());
    let documents = traces.into_iter().map(|Trace { document, .. }| {
        let (before, after) = (next(), next());
        let share = before.zip(after).map(|(before, after)| DocumentShare { before, after });
        WhyDocument { share, ..document }
    });
    Ok(WhyView { documents: documents.collect(), answer, known, base })
}
