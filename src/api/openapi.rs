//! The description of the API in the terms of OpenAPI 3.1.

use axum::Json;
use utoipa::OpenApi;

use super::{events, openai, routes};
use seald_core::domain::export::ExportManifest;
use seald_core::protocol::{AskEvent, EventView};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "seald",
        version = "1",
        description = "A daemon that keeps a local language model learning from documents. On its Unix socket whoever \
                       may connect may do everything; on TCP every route but /healthz needs `Authorization: Bearer`.",
        license(name = "MIT OR Apache-2.0"),
        contact()
    ),
    paths(
        routes::overview::status,
        routes::overview::adapters,
        routes::export::export,
        routes::models::models,
        routes::models::use_model,
        routes::overview::forgetting,
        routes::overview::health,
        routes::backups::list,
        routes::backups::make,
        routes::metrics::show,
        routes::documents::list,
        routes::documents::add,
        routes::documents::show,
        routes::documents::edits,
        routes::documents::retry,
        routes::documents::refused,
        events::follow,
        routes::ask::ask,
        routes::why::why,
        openai::models,
        openai::model,
        openai::chat,
        openai::completions,
        openai::embeddings,
        routes::control::pause,
        routes::control::resume,
        routes::control::rollback,
        routes::control::replay,
        routes::upkeep::forget,
        routes::upkeep::consolidate,
        routes::upkeep::consolidations,
        routes::upkeep::writer,
        routes::upkeep::train_writer,
        routes::upkeep::job,
    ),
    components(schemas(AskEvent, EventView, ExportManifest))
)]
struct Description;

/// The description that `/openapi.json` answers.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Answers with the description.
pub(super) async fn show() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi())
}
