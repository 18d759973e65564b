//! Around every request: who asked what and how it ended, in the log; and an answer where the handler panicked.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{debug, info};

use super::failure::Failure;
use super::serve::Peer;
use seald_core::error::{Error, Kind};

/// Names a request, in its answer and in the log.
const REQUEST_ID: &str = "x-request-id";

/// Answers, logs and, where the handler panics, answers for it.
pub(super) async fn request(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_string());
    let peer = request.extensions().get::<Peer>().copied();
    let id = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned().unwrap_or_else(new_id);
    let began = Instant::now();
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => panicked(&method, &path, panic.as_ref()),
    };
    let (status, duration_ms) = (response.status().as_u16(), began.elapsed().as_millis());
    let request_id = id.to_str().unwrap_or_default();
    let headers = response.headers_mut();
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        // Else proxies keep pieces back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    headers.insert(REQUEST_ID, id.clone());
    let (uid, pid, address) = match peer {
        Some(Peer::Unix { uid, pid }) => (Some(uid), pid, None),
        Some(Peer::Tcp(address)) => (None, None, Some(tracing::field::display(address))),
        None => (None, None, None),
    };
    if matches!(method, Method::GET | Method::HEAD) {
        debug!(%method, path, status, request_id, duration_ms, peer_uid = uid, peer_pid = pid, peer_address = address, "request");
    } else {
        info!(%method, path, status, request_id, duration_ms, peer_uid = uid, peer_pid = pid, peer_address = address, "request");
    }
    response
}

/// The client's own name for its request comes back, if it is one that a log can take.
fn is_plain(id: &HeaderValue) -> bool {
    id.len() <= 128 && id.to_str().is_ok_and(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_graphic()))
}

fn new_id() -> HeaderValue {
    let id = format!("req-{:016x}", rand::random::<u64>());
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("req"))
}

fn panicked(method: &Method, path: &str, panic: &(dyn Any + Send)) -> Response {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words");
    let text = format!("{method} {path} met a defect of this program: please report it, with the log");
    Failure::from(Error::new(Kind::Internal, text).with_source(words)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use axum::{Router, middleware};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        async fn broken() -> &'static str {
            panic!("the pier is gone")
        }
        let router = Router::new().route("/pier", get(broken)).layer(middleware::from_fn(request));
        let response = router.oneshot(Request::get("/pier").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("req-"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("GET /pier met a defect") && !body.contains("the pier is gone"), "{body}");
    }

    #[tokio::test]
    async fn a_request_keeps_the_name_that_its_client_gave_it() {
        async fn pier() -> ([(&'static str, &'static str); 1], &'static str) {
            ([("content-type", "text/event-stream")], "")
        }
        let router = Router::new().route("/pier", get(pier)).layer(middleware::from_fn(request));
        let ask = |id: &'static str| {
            let request = Request::get("/pier").header("x-request-id", id).body(Body::empty()).unwrap();
            router.clone().oneshot(request)
        };
        let response = ask("trace-7").await.unwrap();
        assert_eq!(response.headers()["x-request-id"], "trace-7");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let response = ask("two words").await.unwrap();
        assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("req-"));
    }
}
