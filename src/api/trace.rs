//! Around every request: who asked what and how it ended, in the log; and an answer where the handler panicked.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http_body_util::BodyExt;
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
    let headers = response.headers_mut();
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        // Else proxies keep pieces back.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    }
    headers.insert(REQUEST_ID, id.clone());
    let status = response.status().as_u16();
    let entry = Entry { method, path, status, id, peer, began };
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    // A stream goes on after its beginning, which comes at once: how long it took is known when it ends, or the client leaves.
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _until_the_end = &entry;
            frame
        }))
    })
}

/// A request that was answered; it is logged when this is dropped.
struct Entry {
    method: Method,
    path: String,
    status: u16,
    id: HeaderValue,
    peer: Option<Peer>,
    began: Instant,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let Self { method, path, status, id, peer, began } = self;
        let (request_id, duration_ms) = (id.to_str().unwrap_or_default(), began.elapsed().as_millis());
        let (uid, pid, address) = match peer {
            Some(Peer::Unix { uid, pid }) => (Some(*uid), *pid, None),
            Some(Peer::Tcp(address)) => (None, None, Some(tracing::field::display(address))),
            None => (None, None, None),
        };
        if matches!(*method, Method::GET | Method::HEAD) {
            debug!(%method, path, status, request_id, duration_ms, peer_uid = uid, peer_pid = pid, peer_address = address, "request");
        } else {
            info!(%method, path, status, request_id, duration_ms, peer_uid = uid, peer_pid = pid, peer_address = address, "request");
        }
    }
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
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use axum::routing::{get, post};
    use axum::{Router, middleware};
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

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_stream_is_logged_at_its_end_and_a_whole_answer_at_once() {
        let log = Log::default();
        let writer = log.clone();
        let told = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        let _told = tracing::subscriber::set_default(told);
        let stream = || async {
            let pieces = ["At ", "noon."].map(Ok::<_, std::convert::Infallible>);
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        let router =
            Router::new().route("/pieces", post(stream)).route("/whole", post(|| async { "At noon." }));
        let router = router.layer(middleware::from_fn(request));
        let ask = |path: &str| router.clone().oneshot(Request::post(path).body(Body::empty()).unwrap());
        let mut pieces = ask("/pieces").await.unwrap().into_body();
        pieces.frame().await.unwrap().unwrap();
        assert_eq!(log.text(), "", "it is not over");
        let whole = ask("/whole").await.unwrap();
        assert!(log.text().contains("path=\"/whole\"") && !log.text().contains("/pieces"), "{}", log.text());
        drop((pieces.collect().await.unwrap(), whole));
        assert!(log.text().contains("path=\"/pieces\" status=200"), "{}", log.text());
        assert_eq!(log.text().lines().count(), 2, "each once: {}", log.text());
    }
}
