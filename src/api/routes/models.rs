//! Base models: which is used, and the change to another.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::super::extract::Body;
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::views;
use seald_core::error::{Error, Kind};
use seald_core::protocol::{ModelsView, Problem, UseModelRequest, UseModelView};

/// Lists who can answer, and the base models that were used here.
#[utoipa::path(get, path = "/v1/models/local", tag = "overview", responses(
    (status = 200, body = ModelsView, description = "The base model, the names that `ask` takes, and earlier base models"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn models(State(api): State<Api>) -> Result<Json<ModelsView>, Failure> {
    Ok(Json(api.service.read(views::models).await?))
}

/// Changes over to another base model, or tells what that would do. The daemon gives back what it is doing and begins again with the new
/// one: for a moment nobody answers. What was learned before is kept for the day its model is used again; its documents are learned again.
#[utoipa::path(post, path = "/v1/models/local", tag = "control", request_body = UseModelRequest, responses(
    (status = 200, body = UseModelView, description = "What a change would do (`preview`)"),
    (status = 202, body = UseModelView, description = "What the change does that begins now"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn use_model(
    State(api): State<Api>,
    Body(UseModelRequest { model, preview }): Body<UseModelRequest>,
) -> Result<(StatusCode, Json<UseModelView>), Failure> {
    let looked = api.service.read(move |service, reading| {
        let place = views::place(service, &model)?;
        views::change(service, reading, &place)
    });
    let change = looked.await?;
    if preview {
        return Ok((StatusCode::OK, Json(change)));
    }
    if change.model.model == change.from {
        return Err(Error::new(Kind::Conflict, format!("{} is used already", change.from)).into());
    }
    api.service.control.use_model(change.model.model.clone()).await?;
    Ok((StatusCode::ACCEPTED, Json(change)))
}
