//! Which handler answers what.

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Router, middleware};
use tokio::sync::Semaphore;

use super::service::Service;
use super::uploads::Uploads;
use super::{events, failure, openai, openapi, query, routes, trace};

/// Bytes of large files that may arrive at a time: they are held in memory.
const UPLOADS: usize = 256 << 20;
/// Clients that may follow events at a time, so that they leave room for others.
const FOLLOWERS: usize = 64;
/// Exports at a time: each has a thread and a processor.
const EXPORTS: usize = 2;

/// What handlers share.
#[derive(Debug, Clone)]
pub(super) struct Api {
    /// What they work with.
    pub(super) service: Arc<Service>,
    /// Room for arriving files.
    pub(super) uploads: Uploads,
    /// Room for clients that follow events.
    pub(super) followers: Arc<Semaphore>,
    /// Room for exports.
    pub(super) exports: Arc<Semaphore>,
}

/// The whole API, without its sockets: whoever can call it may do everything.
pub fn router(service: Arc<Service>) -> Router {
    let (uploads, followers) = (Uploads::new(UPLOADS), Semaphore::new(FOLLOWERS).into());
    let exports = Semaphore::new(EXPORTS).into();
    Router::new()
        .route("/", get(routes::page::show))
        .route("/healthz", get(routes::overview::health))
        .route("/metrics", get(routes::metrics::show))
        .route("/openapi.json", get(openapi::show))
        .route("/v1/status", get(routes::overview::status))
        .route("/v1/documents", get(routes::documents::list).post(routes::documents::add))
        .route("/v1/documents/{id}", get(routes::documents::show))
        .route("/v1/documents/{id}/edits", get(routes::documents::edits))
        .route("/v1/documents/{id}/retry", post(routes::documents::retry))
        .route("/v1/inbox/failed", get(routes::documents::refused))
        .route("/v1/documents/{id}/forget", post(routes::upkeep::forget))
        .route("/v1/adapters", get(routes::overview::adapters))
        .route("/v1/adapters/{generation}/export", get(routes::export::export))
        .route("/v1/models/local", get(routes::models::models).post(routes::models::use_model))
        .route("/v1/backups", get(routes::backups::list).post(routes::backups::make))
        .route("/v1/forgetting", get(routes::overview::forgetting))
        .route("/v1/events", get(events::follow))
        .route("/v1/ask", post(routes::ask::ask))
        .route("/v1/why", post(routes::why::why))
        .route("/v1/models", get(openai::models))
        .route("/v1/models/{id}", get(openai::model))
        .route("/v1/chat/completions", post(openai::chat))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/pause", post(routes::control::pause))
        .route("/v1/resume", post(routes::control::resume))
        .route("/v1/rollback", post(routes::control::rollback))
        .route("/v1/replay", post(routes::control::replay))
        .route("/v1/consolidate", post(routes::upkeep::consolidate))
        .route("/v1/consolidations", get(routes::upkeep::consolidations))
        .route("/v1/writer", get(routes::upkeep::writer))
        .route("/v1/writer/rounds", post(routes::upkeep::train_writer))
        .route("/v1/jobs/{id}", get(routes::upkeep::job))
        .fallback(failure::unknown_route)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(middleware::from_fn(query::known))
        .layer(middleware::from_fn(trace::request))
        .with_state(Api { service, uploads, followers, exports })
}
