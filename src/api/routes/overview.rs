//! The daemon at a glance: status, health, generations, what was forgotten.

use axum::Json;
use axum::extract::State;

use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use seald_core::error::{Error, Kind};
use seald_core::protocol::{AdaptersView, ForgettingView, Problem, StatusView};

/// Tells what the daemon is doing, what it knows, what it forgot and what is next.
#[utoipa::path(get, path = "/v1/status", tag = "overview", responses(
    (status = 200, body = StatusView, description = "The daemon at a glance"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn status(State(api): State<Api>) -> Result<Json<StatusView>, Failure> {
    Ok(Json(api.service.read(views::status).await?))
}

/// Lists every generation.
#[utoipa::path(get, path = "/v1/adapters", tag = "overview", responses(
    (status = 200, body = AdaptersView, description = "Every generation, newest first"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn adapters(State(api): State<Api>) -> Result<Json<AdaptersView>, Failure> {
    Ok(Json(api.service.read(|service, reading| views::adapters(&reading.store, &service.root)).await?))
}

/// Shows the forgetting matrix of the live generation.
#[utoipa::path(get, path = "/v1/forgetting", tag = "overview", responses(
    (status = 200, body = ForgettingView, description = "What each generation still knows of each document"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn forgetting(State(api): State<Api>) -> Result<Json<ForgettingView>, Failure> {
    Ok(Json(api.service.read(|_, reading| views::forgetting(&reading.store)).await?))
}

/// Says whether the daemon lives. It needs no token.
#[utoipa::path(get, path = "/healthz", tag = "overview", responses(
    (status = 200, body = String, content_type = "text/plain", description = "The word `ok`"),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "The learner has died, or the preparation of requests stands still")))]
pub(in crate::api) async fn health(State(api): State<Api>) -> Result<&'static str, Failure> {
    let load = api.service.control.load();
    let still = load.stuck_in_words().filter(|_| load.stands_still());
    match api.service.monitor.now().problems.remove("learner").or(still) {
        None => Ok("ok"),
        Some(words) => Err(Error::new(Kind::Cancelled, words).into()),
    }
}
