//! A served API on a temporary root, and a client for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HeaderMap;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use seald::api::{Export, Listeners, Put, Reader, Service, Token, bind_unix, serve};
use seald::pipeline::control::{Control, ControlReceiver};
use seald::pipeline::monitor::Monitor;
use seald_core::clock::{Clock, Timestamp};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{EventView, Problem};
use seald_store::Store;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::made_up_rows as made_up;

/// The time in every test.
pub(crate) const NOW: Timestamp = Timestamp(1_763_769_600_000);
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Requests to the model that may wait.
pub(crate) const WAITING: usize = 32;
/// Nothing that a test waits for takes longer; one that hangs fails by it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts files into `inbox`, which is a folder.
fn put_into(inbox: PathBuf) -> Put {
    Box::new(move |name, tag, bytes| {
        let folder = inbox.join(tag.unwrap_or(""));
        std::fs::create_dir_all(&folder).unwrap();
        seald_core::files::write_atomic(&folder.join(name), bytes)?;
        Ok(folder.join(name))
    })
}

/// A served API. Its learner is whoever takes the desk.
pub(crate) struct Daemon {
    pub(crate) root: made_up::Root,
    pub(crate) socket: PathBuf,
    pub(crate) port: u16,
    pub(crate) monitor: Arc<Monitor>,
    pub(crate) desk: Option<ControlReceiver>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Daemon {
    /// One whose database `fill` made, and whose inbox is a folder.
    pub(crate) async fn start(fill: impl FnOnce(&mut Store)) -> Self {
        Self::start_with(fill, put_into).await
    }

    /// The same with another way into the inbox.
    pub(crate) async fn start_with(fill: impl FnOnce(&mut Store), put: impl FnOnce(PathBuf) -> Put) -> Self {
        Self::start_on(fill, put, Box::new(|id, _| panic!("{id} was exported"))).await
    }

    /// The same with a way out for generations.
    pub(crate) async fn exporting(fill: impl FnOnce(&mut Store), export: Export) -> Self {
        Self::start_on(fill, put_into, export).await
    }

    async fn start_on(
        fill: impl FnOnce(&mut Store),
        put: impl FnOnce(PathBuf) -> Put,
        export: Export,
    ) -> Self {
        let root = made_up::Root::new();
        fill(&mut root.open());
        let clock = Clock::at(NOW);
        let monitor = Arc::new(Monitor::new(clock.clone()));
        let (control, desk) = Control::new(WAITING);
        let inbox = root.file("inbox");
        let service = Service {
            root: root.file(""),
            inbox: inbox.clone(),
            model: "nano".into(),
            started_at: NOW.plus_seconds(-90),
            clock,
            reader: Reader::new(root.open()),
            monitor: monitor.clone(),
            control,
            put: put(inbox),
            export,
            // tests/daemon changes base models.
            inspect: Box::new(|model| Err(Error::new(Kind::NotFound, format!("there is no {model} here")))),
        };
        let socket = root.file("state/seald.sock");
        let unix = bind_unix(&socket, 0o660).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = tcp.local_addr().unwrap().port();
        let listeners = Listeners { unix, tcp: Some((tcp, Token::new(TOKEN).unwrap())) };
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listeners, Arc::new(service), async move {
            let _ = stopped.await;
        }));
        Self { root, socket, port, monitor, desk: Some(desk), stop: Some(stop), server }
    }

    /// Lets `learner` answer the desk on a thread of its own, until it returns.
    pub(crate) fn learner(&mut self, learner: impl FnOnce(ControlReceiver) + Send + 'static) {
        let desk = self.desk.take().unwrap();
        std::thread::spawn(move || learner(desk));
    }

    pub(crate) fn store(&self) -> Store {
        self.root.open()
    }

    pub(crate) async fn unix(&self) -> Client {
        Client::over(UnixStream::connect(&self.socket).await.unwrap()).await
    }

    pub(crate) async fn tcp(&self) -> Client {
        Client::over(TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.unix().await.send(request("GET", path, b"")).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.unix().await.send(request("POST", path, body)).await
    }

    /// Follows a stream of server-sent events.
    pub(crate) async fn follow(&self, request: Request<Full<Bytes>>) -> Events {
        let mut client = self.unix().await;
        let response = patiently(client.sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { body: response.into_body(), text: String::new(), _client: client }
    }

    /// Asks the server to stop, without waiting.
    pub(crate) fn ask_to_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has returned.
    pub(crate) async fn stopped(&mut self) {
        patiently(&mut self.server).await.unwrap();
    }
}

/// Waits for what must happen; a test that would wait for ever fails.
pub(crate) async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens")
}

pub(crate) fn request(method: &str, path: &str, body: impl AsRef<[u8]>) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::copy_from_slice(body.as_ref()));
    Request::builder().method(method).uri(path).header("host", "localhost").body(body).unwrap()
}

/// One connection.
pub(crate) struct Client {
    pub(crate) sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

/// Dropping a client closes its connection.
impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Client {
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { sender, connection }
    }

    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Answer {
        Answer::of(patiently(self.sender.send_request(request)).await.unwrap()).await
    }
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    async fn of(response: Response<Incoming>) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = patiently(response.into_body().collect()).await.unwrap().to_bytes();
        Self { status, headers, body }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body of a good answer.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.text());
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem of another; its status is the response's.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text());
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        assert!(!problem.title.is_empty() && !problem.detail.is_empty(), "{problem:?}");
        problem
    }

    /// Demands a problem of this status and type whose words hold `words`.
    pub(crate) fn is_problem(&self, status: u16, kind: &str, words: &str) {
        let problem = self.problem();
        assert_eq!((problem.status, problem.kind.as_str()), (status, format!("urn:seald:{kind}").as_str()));
        assert!(problem.detail.contains(words), "{problem:?} does not say {words:?}");
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) id: Option<i64>,
    pub(crate) event: String,
    pub(crate) data: String,
}

impl Sent {
    pub(crate) fn view(&self) -> EventView {
        let view: EventView = serde_json::from_str(&self.data).unwrap();
        assert_eq!((view.id, &view.kind), (self.id, &self.event));
        view
    }
}

/// A stream that is followed.
pub(crate) struct Events {
    body: Incoming,
    text: String,
    _client: Client,
}

impl Events {
    /// The next event; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        // Comments keep coming: patience is for the event.
        patiently(self.read()).await
    }

    async fn read(&mut self) -> Option<Sent> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let sent = Sent {
                    id: field("id:").map(|id| id.parse().unwrap()),
                    event: field("event:").unwrap_or_default().into(),
                    data: field("data:").unwrap_or_default().into(),
                };
                let comment = event.starts_with(':');
                self.text = rest.to_string();
                if !comment {
                    return Some(sent);
                }
                continue;
            }
            let frame = self.body.frame().await?.unwrap();
            self.text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
        }
    }

    /// The numbers of the next `count` events.
    pub(crate) async fn ids(&mut self, count: usize) -> Vec<Option<i64>> {
        let mut ids = Vec::new();
        while ids.len() < count {
            ids.push(self.next().await.expect("another event").id);
        }
        ids
    }
}
