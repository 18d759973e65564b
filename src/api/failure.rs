//! Errors as the API answers them: problem details, with words for the client and the whole of it for the log.

use std::error::Error as _;
use std::io::ErrorKind;

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tracing::error;

use seald_core::error::{Error, Kind};
use seald_core::protocol::Problem;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    word: &'static str,
    detail: String,
    /// Seconds after which to try again, if that is the remedy.
    retry_after: Option<u64>,
}

impl Failure {
    /// A failure that has no [`Kind`], because only HTTP knows it.
    pub(super) fn new(status: StatusCode, word: &'static str, detail: impl Into<String>) -> Self {
        Self { status, word, detail: detail.into(), retry_after: None }
    }

    /// The remedy is to try again after so many seconds.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The status that it is answered with.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// What sort it is, in a word.
    pub(super) fn word(&self) -> &'static str {
        self.word
    }

    /// What the client is told.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// When to try again, if that is the remedy.
    pub(super) fn seconds_to_wait(&self) -> Option<u64> {
        self.retry_after
    }

    /// Input that is wrong.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::from(Error::new(Kind::Invalid, detail))
    }
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        let (status, word) = match is_full(&e) {
            true => (StatusCode::INSUFFICIENT_STORAGE, "disk-full"),
            false => meaning(e.kind()),
        };
        let whole = e.to_string();
        if !status.is_server_error() || e.kind() == Kind::Cancelled {
            return Self::new(status, word, whole);
        }
        error!(kind = word, error = %whole, "a request could not be answered");
        // What lies beneath is for the log.
        Self::new(status, word, e.without_source())
    }
}

/// Whether a disk without room is what lies beneath.
fn is_full(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(one) = source {
        let io = one.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(io, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
            return true;
        }
        source = one.source();
    }
    false
}

fn meaning(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "invalid"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "not-found"),
        Kind::Conflict => (StatusCode::CONFLICT, "conflict"),
        Kind::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        Kind::Unsupported => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported"),
        Kind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "corrupt"),
        Kind::Io => (StatusCode::INTERNAL_SERVER_ERROR, "io"),
        Kind::Memory => (StatusCode::INSUFFICIENT_STORAGE, "memory"),
        Kind::Diverged => (StatusCode::INTERNAL_SERVER_ERROR, "diverged"),
        Kind::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.answer(None)
    }
}

impl Failure {
    /// The problem, with OpenAI's `error` in it where one is given.
    fn answer(self, error: Option<serde_json::Value>) -> Response {
        let Self { status, word, detail, retry_after } = self;
        let title = status.canonical_reason().unwrap_or("Error").to_string();
        let problem = Problem { kind: format!("urn:seald:{word}"), title, status: status.as_u16(), detail };
        let mut body = serde_json::to_value(problem).unwrap_or_default();
        if let (Some(error), Some(fields)) = (error, body.as_object_mut()) {
            fields.insert("error".into(), error);
        }
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The answer where there is no such route.
pub(super) async fn unknown_route(uri: Uri) -> Response {
    let text = format!("there is nothing at {}: /openapi.json lists what there is", uri.path());
    for_all_clients(Failure::from(Error::new(Kind::NotFound, text)), "unknown_url")
}

/// The answer where the route takes other methods.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let text = format!("{} does not take {method}: /openapi.json says what it takes", uri.path());
    let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", text);
    for_all_clients(failure, "method_not_allowed")
}

/// A problem with OpenAI's `error` in it: its clients look for that, and would find nothing to say.
fn for_all_clients(failure: Failure, code: &str) -> Response {
    let error = serde_json::json!({
        "message": failure.detail, "type": "invalid_request_error", "param": null, "code": code,
    });
    failure.answer(Some(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_see_what_went_wrong_and_the_log_what_lies_beneath() {
        let beneath = std::io::Error::other("sector 7");
        let failure = Failure::from(Error::new(Kind::Io, "cannot read a.db").with_source(beneath));
        assert_eq!((failure.status.as_u16(), failure.detail.as_str()), (500, "cannot read a.db"));
        let beneath = std::io::Error::other("line 1");
        let failure = Failure::from(Error::new(Kind::Invalid, "the body is no JSON").with_source(beneath));
        assert_eq!(failure.detail, "the body is no JSON: line 1");
    }

    #[test]
    fn a_full_disk_has_a_status_of_its_own() {
        let full = Error::new(Kind::Io, "cannot write a.md")
            .with_source(std::io::Error::from(ErrorKind::StorageFull));
        let failure = Failure::from(full.context("taking a.md in"));
        assert_eq!((failure.status.as_u16(), failure.word), (507, "disk-full"));
    }

    #[test]
    fn every_kind_has_its_status() {
        let status = |kind| meaning(kind).0.as_u16();
        let kinds =
            [Kind::Invalid, Kind::NotFound, Kind::Conflict, Kind::Unsupported, Kind::Memory, Kind::Cancelled];
        assert_eq!(kinds.map(status), [400, 404, 409, 415, 507, 503]);
        assert_eq!([Kind::Corrupt, Kind::Io, Kind::Diverged, Kind::Internal].map(status), [500; 4]);
    }
}
