//! Backups of the database: which there are, and one more.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::super::extract::{Body, NoFields};
use super::super::failure::Failure;
use super::super::router::Api;
use super::super::service::blocking;
use super::super::views;
use seald_core::protocol::{BackupView, BackupsView, Problem};

/// Lists the backups of the database.
#[utoipa::path(get, path = "/v1/backups", tag = "backups", responses(
    (status = 200, body = BackupsView, description = "Every backup, newest first"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn list(State(api): State<Api>) -> Result<Json<BackupsView>, Failure> {
    let root = api.service.root.clone();
    Ok(Json(blocking(move || views::backups(&root)).await?))
}

/// Makes a backup of the database now.
#[utoipa::path(post, path = "/v1/backups", tag = "backups", responses(
    (status = 201, body = BackupView, description = "The backup, once it is whole"),
    (status = "default", body = Problem, content_type = "application/problem+json", description = "An error")))]
pub(in crate::api) async fn make(
    State(api): State<Api>,
    Body(NoFields {}): Body<NoFields>,
) -> Result<(StatusCode, Json<BackupView>), Failure> {
    let path = api.service.control.back_up().await?;
    Ok((StatusCode::CREATED, Json(blocking(move || views::backup(path)).await?)))
}
