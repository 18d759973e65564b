//! Errors as clients of OpenAI's API read them.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::failure::Failure;
use seald_core::error::Error;
use seald_core::protocol::openai::{ErrorBody, ErrorReply};

/// A failure in OpenAI's words.
#[derive(Debug)]
pub(in crate::api) struct Refusal {
    failure: Failure,
    param: Option<String>,
    code: Option<&'static str>,
}

impl Refusal {
    /// A field of the request that is wrong.
    pub(super) fn field(param: impl Into<String>, text: impl Into<String>) -> Self {
        Self::from(Failure::invalid(text)).of(param)
    }

    /// A field that would change the answer, and is not honoured here.
    pub(super) fn unsupported(param: impl Into<String>, text: impl Into<String>) -> Self {
        Self::field(param, text).code("unsupported_parameter")
    }

    /// Nobody of that name answers.
    pub(super) fn no_model(name: &str) -> Self {
        let text = format!("there is no model {name:?}: GET /v1/models lists those that there are");
        let failure = Failure::new(StatusCode::NOT_FOUND, "not-found", text);
        Self::from(failure).of("model").code("model_not_found")
    }

    /// About a field.
    pub(super) fn of(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// With a word for programs.
    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// With the seconds after which to try again, if that is the remedy.
    pub(super) fn retry_after(self, seconds: u64) -> Self {
        match self.failure.status() {
            StatusCode::TOO_MANY_REQUESTS => Self { failure: self.failure.retry_after(seconds), ..self },
            _ => self,
        }
    }

    /// What is said of it.
    pub(super) fn reply(&self) -> ErrorReply {
        let kind = match self.failure.status() {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let code = self.code.unwrap_or(self.failure.word()).replace('-', "_");
        let message = self.failure.detail().to_string();
        ErrorReply {
            error: ErrorBody { message, kind: kind.into(), param: self.param.clone(), code: Some(code) },
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, param: None, code: None }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Failure::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.failure.status();
        let mut response = (status, Json(self.reply())).into_response();
        if let Some(seconds) = self.failure.seconds_to_wait() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
