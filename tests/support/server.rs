//! A small HTTP server on a real socket that answers what a test tells it to, and remembers what it was asked.
#![allow(dead_code, reason = "each test crate uses a part")]

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// The pieces of a stream; an error breaks the connection.
pub(crate) type Pieces = mpsc::UnboundedSender<Result<Frame<Bytes>, io::Error>>;

/// What is answered.
pub(crate) enum Reply {
    /// A status and a JSON text.
    Json(u16, String),
    /// The same with one more header.
    With(u16, (&'static str, String), String),
    /// Pieces as they come.
    Stream(mpsc::UnboundedReceiver<Result<Frame<Bytes>, io::Error>>),
    /// The connection breaks.
    Break,
}

impl Reply {
    pub(crate) fn json(object: &impl serde::Serialize) -> Self {
        Self::Json(200, serde_json::to_string(object).unwrap())
    }

    pub(crate) fn problem(status: u16, detail: &str) -> Self {
        let text = serde_json::json!({
            "type": "urn:seald:test", "title": "Test", "status": status, "detail": detail
        });
        Self::Json(status, text.to_string())
    }

    /// A stream, and what feeds it.
    pub(crate) fn stream() -> (Self, Pieces) {
        let (send, receive) = mpsc::unbounded_channel();
        (Self::Stream(receive), send)
    }

    /// A stream of these pieces that then ends.
    pub(crate) fn pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (reply, send) = Self::stream();
        pieces.into_iter().for_each(|bytes| piece(&send, bytes));
        reply
    }
}

pub(crate) fn piece(to: &Pieces, bytes: impl AsRef<[u8]>) {
    to.send(Ok(Frame::data(Bytes::copy_from_slice(bytes.as_ref())))).unwrap();
}

/// What a request was.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// `GET /v1/status`.
    pub(crate) line: String,
    pub(crate) token: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    /// Answers to `GET /v1/status` and the like, in order; the last JSON is given again and again.
    answers: HashMap<String, VecDeque<Reply>>,
    asked: Vec<Asked>,
}

/// The server; gone when it is dropped.
pub(crate) struct Server {
    shared: Arc<Mutex<Shared>>,
    arrived: Arc<Condvar>,
    socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
    pub(crate) address: String,
}

impl Server {
    /// On a Unix socket in a folder of its own, and on a TCP port.
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("seald.sock");
        let unix = UnixListener::bind(&socket).unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap().to_string();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let arrived = Arc::new(Condvar::new());
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let (shared, arrived) = (Arc::clone(&shared), Arc::clone(&arrived));
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    tokio::select! {
                        () = serve(unix, tcp, shared, arrived) => {}
                        _ = stopped => {}
                    }
                });
            }
        });
        Self { shared, arrived, socket, stop: Some(stop), thread: Some(thread), _dir: dir, address }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Answers a request line with this, after the answers it already has.
    pub(crate) fn on(&self, line: &str, reply: Reply) -> &Self {
        self.shared.lock().unwrap().answers.entry(line.into()).or_default().push_back(reply);
        self
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.lock().unwrap().asked.clone()
    }

    /// Returns once so many requests came.
    pub(crate) fn wait_for(&self, count: usize) {
        let shared = self.shared.lock().unwrap();
        drop(self.arrived.wait_while(shared, |shared| shared.asked.len() < count).unwrap());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(
    unix: UnixListener,
    tcp: std::net::TcpListener,
    shared: Arc<Mutex<Shared>>,
    arrived: Arc<Condvar>,
) {
    unix.set_nonblocking(true).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let unix = tokio::net::UnixListener::from_std(unix).unwrap();
    let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
    let both = || (Arc::clone(&shared), Arc::clone(&arrived));
    loop {
        tokio::select! {
            stream = unix.accept() => drop(tokio::spawn(connection(stream.unwrap().0, both()))),
            stream = tcp.accept() => drop(tokio::spawn(connection(stream.unwrap().0, both()))),
        }
    }
}

type Both = (Arc<Mutex<Shared>>, Arc<Condvar>);

async fn connection<S>(stream: S, both: Both)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let service = service_fn(|request| answer(request, both.clone()));
    // A client may leave when it likes.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type Answer = Response<BoxBody<Bytes, io::Error>>;

async fn answer(request: Request<Incoming>, (shared, arrived): Both) -> Result<Answer, io::Error> {
    let line = format!("{} {}", request.method(), request.uri());
    let header = |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap().to_string());
    let (token, host) = (header("authorization"), header("host"));
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes().to_vec();
    let reply = {
        let mut shared = shared.lock().unwrap();
        shared.asked.push(Asked { line: line.clone(), token, host, body });
        arrived.notify_all();
        let answers = shared.answers.entry(line.clone()).or_default();
        match (answers.len(), answers.front()) {
            (1, Some(Reply::Json(status, text))) => Some(Reply::Json(*status, text.clone())),
            _ => answers.pop_front(),
        }
    };
    let whole = |text: String| Full::new(Bytes::from(text)).map_err(|e: Infallible| match e {}).boxed();
    let mut header = None;
    let (status, body) = match reply {
        Some(Reply::Json(status, text)) => (status, whole(text)),
        Some(Reply::With(status, more, text)) => {
            header = Some(more);
            (status, whole(text))
        }
        Some(Reply::Stream(pieces)) => (200, StreamBody::new(UnboundedReceiverStream::new(pieces)).boxed()),
        Some(Reply::Break) => return Err(io::Error::other("broken on purpose")),
        None => (
            404,
            whole(format!(
                r#"{{"type":"urn:seald:not-found","title":"Not Found","status":404,"detail":"no answer to {line}"}}"#
            )),
        ),
    };
    let response = Response::builder().status(status);
    let response = header.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    Ok(response.body(body).unwrap())
}
