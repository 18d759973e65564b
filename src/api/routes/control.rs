//! What clients may ask of the learner: hold, go on, go back, ask again.

use axum::Json;
use axum::extract::State;

use super::super::extract::{Body, generation};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use seald_core::protocol::{PauseRequest, Problem, ReplayView, RollbackRequest, RollbackView, StatusView};

/// Holds learning, for a time or until somebody resumes.
#[utoipa::path(post, path = "/v1/pause", tag = "control", request_body = PauseRequest, responses(
    (status = 200, body = StatusView, description = "The daemon at a glance, held"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn pause(
    State(api): State<Api>,
    Body(PauseRequest { seconds }): Body<PauseRequest>,
) -> Result<Json<StatusView>, Failure> {
    if seconds == Some(0) {
        return Err(Failure::invalid("seconds is 0: give 1 or more, or leave it out to pause until resumed"));
    }
    let until = seconds.map(|s| api.service.clock.now().plus_seconds(i64::try_from(s).unwrap_or(i64::MAX)));
    api.service.control.pause(until).await?;
    Ok(Json(api.service.read(views::status).await?))
}

/// Learns on.
#[utoipa::path(post, path = "/v1/resume", tag = "control", responses(
    (status = 200, body = StatusView, description = "The daemon at a glance, going on"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn resume(State(api): State<Api>) -> Result<Json<StatusView>, Failure> {
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

/// Asks about everything that was learned, after the document under way; the answer comes when that is done.
#[utoipa::path(post, path = "/v1/replay", tag = "control", responses(
    (status = 200, body = ReplayView, description = "What the live generation still knows"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn replay(State(api): State<Api>) -> Result<Json<ReplayView>, Failure> {
    Ok(Json(api.service.control.replay().await?))
}
