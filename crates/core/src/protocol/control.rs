//! What a client can ask the daemon to do, and what it answers; errors.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domain::ids::{DocumentId, JobId};

/// Body of `POST /v1/pause`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// For so many seconds, 1 to 315,360,000 (ten years); until somebody resumes where it is left out.
    #[serde(default, deserialize_with = "any_length")]
    #[schema(minimum = 1, maximum = 315_360_000, format = "uint64")]
    pub seconds: Option<u64>,
}

/// Whole seconds. More than fit are as many as fit: whoever bounds them says how many may be.
fn any_length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::<f64>::deserialize(deserializer)?;
    match seconds.filter(|seconds| *seconds < 0.0 || seconds.fract() != 0.0) {
        Some(wrong) => Err(D::Error::custom(format!("{wrong} is no whole number of seconds"))),
        // Above the largest it is the largest.
        None => Ok(seconds.map(|seconds| seconds as u64)),
    }
}

/// Body of `POST /v1/rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// The generation to go back to (`gen-000007`, or its number), or `base`.
    #[schema(pattern = r"^(base|(gen-)?0*[1-9][0-9]{0,17})$")]
    pub to: String,
}

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RollbackView {
    /// Folder name of the generation that was live; none for the base.
    pub from: Option<String>,
    /// Folder name of the one that is live now; none for the base.
    pub to: Option<String>,
    /// Titles of the documents that the live model does not contain any more. They can be retried.
    pub dropped: Vec<String>,
}

/// Where an added file was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddView {
    /// Its path in the inbox; a number is put into the name where another file had it.
    pub path: String,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayView {
    /// Folder name of the generation that was asked; none for the base.
    pub generation: Option<String>,
    /// Questions asked.
    pub asked: usize,
    /// Right answers.
    pub right: usize,
    /// Right when last asked and wrong now.
    pub lost: usize,
}

/// A server-sent event, as clients take it apart.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "a shape for the description of the API: axum writes them")]
pub struct ServerSentEvent {
    /// Its kind, where the stream has several.
    event: Option<String>,
    /// JSON.
    data: String,
    /// Its number, where it is kept.
    id: Option<String>,
}

/// An event of the stream at `/v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Its number, for events that are kept (pass it as `Last-Event-ID` to go on after it); none for passing progress.
    pub id: Option<i64>,
    /// When.
    pub at: Timestamp,
    /// During which job.
    pub job: Option<JobId>,
    /// To which document.
    pub document: Option<DocumentId>,
    /// One word for what it is.
    pub kind: String,
    /// The rest.
    #[schema(value_type = Object)]
    pub body: serde_json::Value,
}

/// An error as every route answers it: problem details (RFC 9457), `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:seald:` and the kind: `not-found`, `conflict`, `invalid`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do about it.
    pub detail: String,
}
