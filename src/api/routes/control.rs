//! What clients may ask of the learner: hold, go on, go back, ask again.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::super::extract::{Body, NoFields, Params, generation};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use seald_core::protocol::{PauseRequest, Problem, ReplayView, RollbackRequest, RollbackView, StatusView};

/// How long a replay is waited for where nobody says how long, and at most: proxies and clients give up after a minute or half of one.
const REPLAY_SECONDS: u64 = 20;
const MAX_REPLAY_SECONDS: u64 = 60;
/// Longest pause: ten years. What is meant to last longer is meant to last until somebody ends it.
const LONGEST_PAUSE: u64 = 10 * 365 * 86_400;

/// Holds learning, for a time or until somebody resumes.
#[utoipa::path(post, path = "/v1/pause", tag = "control", request_body = Option<PauseRequest>, responses(
    (status = 200, body = StatusView, description = "The daemon at a glance, held"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn pause(
    State(api): State<Api>,
    Body(PauseRequest { seconds }): Body<PauseRequest>,
) -> Result<Json<StatusView>, Failure> {
    if seconds == Some(0) {
        return Err(Failure::invalid("seconds is 0: give 1 or more, or leave it out to pause until resumed"));
    }
    if let Some(seconds) = seconds.filter(|seconds| *seconds > LONGEST_PAUSE) {
        let text = format!(
            "a pause of {seconds} seconds is too long: give at most {LONGEST_PAUSE} (3650 days), or no time at all to pause until resumed"
        );
        return Err(Failure::invalid(text));
    }
    let until = seconds.map(|s| api.service.clock.now().plus_seconds(i64::try_from(s).unwrap_or(i64::MAX)));
    api.service.control.pause(until).await?;
    Ok(Json(api.service.read(views::status).await?))
}

/// Learns on.
#[utoipa::path(post, path = "/v1/resume", tag = "control", responses(
    (status = 200, body = StatusView, description = "The daemon at a glance, going on"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn resume(
    State(api): State<Api>,
    Body(NoFields {}): Body<NoFields>,
) -> Result<Json<StatusView>, Failure> {
    api.service.control.resume().await?;
    Ok(Json(api.service.read(views::status).await?))
}

/// Makes another generation live, or the base.
#[utoipa::path(post, path = "/v1/rollback", tag = "control", request_body = RollbackRequest, responses(
    (status = 200, body = RollbackView, description = "What is live now, and what it does not contain any more"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn rollback(
    State(api): State<Api>,
    Body(RollbackRequest { to }): Body<RollbackRequest>,
) -> Result<Json<RollbackView>, Failure> {
    Ok(Json(api.service.control.rollback(generation(&to)?).await?))
}

/// How long a request for a replay is waited for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct Waiting {
    /// Seconds after which the answer comes even though it is not done, at most 60; 20 where it is left out.
    #[param(maximum = 60)]
    wait_seconds: Option<u64>,
}

/// Asks about everything that was learned, after the document under way.
#[utoipa::path(post, path = "/v1/replay", tag = "control", params(Waiting), responses(
    (status = 200, body = ReplayView, description = "What the live generation still knows"),
    (status = 202, body = StatusView, description = "The daemon at a glance: it is not done yet. An event of kind `replayed` tells what it finds, `replay_failed` why it does not"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn replay(
    State(api): State<Api>,
    Params(Waiting { wait_seconds }): Params<Waiting>,
    Body(NoFields {}): Body<NoFields>,
) -> Result<Response, Failure> {
    let seconds = wait_seconds.unwrap_or(REPLAY_SECONDS);
    if seconds > MAX_REPLAY_SECONDS {
        let text = format!("wait_seconds is {seconds}: give 0 to {MAX_REPLAY_SECONDS}");
        return Err(Failure::invalid(text));
    }
    match tokio::time::timeout(Duration::from_secs(seconds), api.service.control.replay()).await {
        Ok(found) => Ok(Json(found?).into_response()),
        Err(_) => {
            let status = api.service.read(views::status).await?;
            Ok((StatusCode::ACCEPTED, Json(status)).into_response())
        }
    }
}
