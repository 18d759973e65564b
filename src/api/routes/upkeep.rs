//! Work that learns no document: asked for, and what came of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::super::extract::{Body, Named, NoFields, Params};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use super::documents::find;
use seald_core::domain::ids::JobId;
use seald_core::domain::job::JobKind;
use seald_core::protocol::{ConsolidationsView, ForgetRequest, JobOutcome, JobStarted, Problem, WriterView};

/// What is answered where a job was queued.
type Started = (StatusCode, Json<JobStarted>);

/// Trains one adapter anew on everything that was learned, and lets it answer if it is no worse than the live one.
#[utoipa::path(post, path = "/v1/consolidate", tag = "upkeep", responses(
    (status = 202, body = JobStarted, description = "The job that does it; the one that was queued already, if one was"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn consolidate(
    State(api): State<Api>,
    Body(NoFields {}): Body<NoFields>,
) -> Result<Started, Failure> {
    queue(&api, JobKind::Consolidate).await
}

/// Trains a new writer of self-edits, and lets it write if what it writes teaches more.
#[utoipa::path(post, path = "/v1/writer/rounds", tag = "upkeep", responses(
    (status = 202, body = JobStarted, description = "The job that does it; the one that was queued already, if one was"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn train_writer(
    State(api): State<Api>,
    Body(NoFields {}): Body<NoFields>,
) -> Result<Started, Failure> {
    queue(&api, JobKind::WriterRound).await
}

async fn queue(api: &Api, kind: JobKind) -> Result<Started, Failure> {
    let job = api.service.control.queue(kind).await?;
    Ok((StatusCode::ACCEPTED, Json(JobStarted { job, kind })))
}

/// Forgets a document with its earlier versions: everything else is trained anew without it, then its rows and files go.
#[utoipa::path(post, path = "/v1/documents/{id}/forget", tag = "upkeep", request_body = Option<ForgetRequest>,
    params(("id" = String, Path, description = "Its number, or its file name: of several, the newest")),
    responses((status = 202, body = JobStarted, description = "The job that does it; the one that was queued already, if one was"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn forget(
    State(api): State<Api>,
    Named(id): Named,
    Body(ForgetRequest { keep_history }): Body<ForgetRequest>,
) -> Result<Started, Failure> {
    let id = api.service.read(move |_, reading| find(&reading.store, &id)).await?;
    let job = api.service.control.forget(id, keep_history).await?;
    Ok((StatusCode::ACCEPTED, Json(JobStarted { job, kind: JobKind::Forget })))
}

/// Tells where a job stands and what came of it; for a document that was forgotten, with the proof.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "upkeep",
    params(("id" = i64, Path, description = "Its number")),
    responses((status = 200, body = JobOutcome, description = "The job"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn job(
    State(api): State<Api>,
    Named(id): Named,
) -> Result<Json<JobOutcome>, Failure> {
    let number = id.parse().map_err(|_| Failure::invalid(format!("{id:?} is not the number of a job")))?;
    Ok(Json(api.service.read(move |_, reading| views::job(&reading.store, JobId(number))).await?))
}

/// Lists what was trained anew, and how it compared.
#[utoipa::path(get, path = "/v1/consolidations", tag = "upkeep", responses(
    (status = 200, body = ConsolidationsView, description = "The newest retrainings, newest first"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn consolidations(
    State(api): State<Api>,
) -> Result<Json<ConsolidationsView>, Failure> {
    Ok(Json(api.service.read(|_, reading| views::consolidations(&reading.store)).await?))
}

/// Which round.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct OfRound {
    /// The round that is told with examples, from 1 for the oldest; the newest that was examined where it is left out.
    #[param(format = Int64, minimum = 1, maximum = 4_294_967_295_u32)]
    round: Option<u32>,
}

/// Tells who writes self-edits, the rounds, and what changed in one of them.
#[utoipa::path(get, path = "/v1/writer", tag = "upkeep", params(OfRound), responses(
    (status = 200, body = WriterView, description = "The present writer and the rounds"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn writer(
    State(api): State<Api>,
    Params(OfRound { round }): Params<OfRound>,
) -> Result<Json<WriterView>, Failure> {
    let round = round.map(|round| round as usize);
    Ok(Json(api.service.read(move |_, reading| views::writer(&reading.store, round)).await?))
}
