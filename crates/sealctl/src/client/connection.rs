//! One connection for one request.

use std::io;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;

use super::failure::{Failure, LOG};
use super::place::Place;
use seald_core::error::{Context, Error, Kind};

/// Seconds that connecting may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// What a request carries.
pub(super) enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Bytes),
    /// A file.
    Bytes(Bytes),
}

impl Body {
    /// An object as JSON.
    pub(super) fn json(object: &impl serde::Serialize) -> Result<Self, Failure> {
        let text = serde_json::to_vec(object).doing(Kind::Internal, || "cannot write JSON".to_string())?;
        Ok(Self::Json(text.into()))
    }
}

/// What moves a connection's bytes; it ends with its owner.
#[derive(Debug)]
pub(super) struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request; the answer's body is read while the driver lives.
pub(super) async fn send(
    place: &Place,
    method: Method,
    path: &str,
    body: Body,
) -> Result<(Response<Incoming>, Driver), Failure> {
    let request = request(place, method, path, body)?;
    match place {
        Place::Socket { path, .. } => over(place, UnixStream::connect(path), request).await,
        Place::Tcp { authority, .. } => over(place, TcpStream::connect(authority), request).await,
    }
}

fn request(place: &Place, method: Method, path: &str, body: Body) -> Result<Request<Full<Bytes>>, Failure> {
    let (host, token) = match place {
        Place::Socket { .. } => ("localhost", None),
        Place::Tcp { authority, token } => (authority.as_str(), token.as_deref()),
    };
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let (kind, bytes) = match body {
        Body::Empty => (None, Bytes::new()),
        Body::Json(bytes) => (Some("application/json"), bytes),
        Body::Bytes(bytes) => (Some("application/octet-stream"), bytes),
    };
    if let Some(kind) = kind {
        request = request.header(header::CONTENT_TYPE, kind);
    }
    let wrong = || format!("cannot send a request for {path}: is the token one line of plain letters?");
    Ok(request.body(Full::new(bytes)).doing(Kind::Invalid, wrong)?)
}

async fn over<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    place: &Place,
    connecting: impl Future<Output = io::Result<S>>,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, Driver), Failure> {
    let in_time = tokio::time::timeout(CONNECTING, connecting).await;
    let stream = in_time.map_err(|_| Failure::late(place, CONNECTING))?.map_err(|e| unreachable(place, e))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|e| Failure::lost(place, e))?;
    // How it ends is told by the answer.
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
    let response = sender.send_request(request).await.map_err(|e| Failure::lost(place, e))?;
    Ok((response, driver))
}

/// That nobody answers: why, what to start and where the log is.
fn unreachable(place: &Place, e: io::Error) -> Failure {
    let why = match (e.kind(), place) {
        (io::ErrorKind::NotFound, _) => "there is no such socket",
        (io::ErrorKind::ConnectionRefused, Place::Socket { .. }) => {
            "nobody listens on the socket, which an earlier daemon left behind"
        }
        (io::ErrorKind::ConnectionRefused, Place::Tcp { .. }) => "nobody listens there",
        (io::ErrorKind::PermissionDenied, _) => {
            let text = format!(
                "you may not use {place}: `sealctl doctor` says which group to join, or use `sudo sealctl`"
            );
            return Failure::Unreachable(Error::new(Kind::Io, text));
        }
        _ => "it cannot be reached",
    };
    let also = match place {
        Place::Socket { tried, .. } if !tried.is_empty() => {
            let tried: Vec<_> = tried.iter().map(|path| path.display().to_string()).collect();
            format!(" (nor is there one at {})", tried.join(", "))
        }
        _ => String::new(),
    };
    let text = format!(
        "no daemon answers at {place}: {why}{also}. Start it with `seald` or `systemctl start seald`, or say where it is \
         with --socket or --root. Its log: {LOG}"
    );
    Failure::Unreachable(Error::new(Kind::Io, text).with_source(e))
}
