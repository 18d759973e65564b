//! The sockets: connections with their bounds, and an end that lets answers under way come out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddress;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::header;
use axum::response::Response;
use axum::{Extension, Router, middleware};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::arriving::{Arriving, Rest};
use super::guard::{self, Admitted, Guard, Token};
use super::places::{Busy, Leaving, Place, Places};
use super::router::router;
use super::service::Service;

/// Connections at a time on each of the two sockets, 256 in all: neither can shut the other out.
const CONNECTIONS: usize = 128;
/// Connections that may wait for a place.
const WAITING: usize = 64;
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client that has to leave may take for the answer that says so.
const PARTING: Duration = Duration::from_secs(2);
/// How long answers under way may take when the daemon goes down.
const GRACE: Duration = Duration::from_secs(5);
/// How long we wait when the system refuses a connection: it has no more files to give.
const REFUSED: Duration = Duration::from_millis(500);

/// Where clients come in.
#[derive(Debug)]
pub struct Listeners {
    /// The Unix socket, from [`super::bind_unix`]: who may connect may do everything.
    pub unix: UnixListener,
    /// TCP, for those who show the token.
    pub tcp: Option<(TcpListener, Token)>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A process of this machine.
    Unix {
        /// Its user.
        uid: u32,
        /// Its process id, where the system tells.
        pid: Option<i32>,
    },
    /// Somebody on TCP.
    Tcp(SocketAddr),
}

/// Becomes true when the daemon goes down: streams end then.
#[derive(Debug, Clone)]
pub(super) struct Stopping(watch::Receiver<bool>);

/// Returns when the daemon goes down; never where nobody serves.
pub(super) async fn stopped(stopping: Option<Extension<Stopping>>) {
    match stopping {
        // An error says that the server has gone, which is the same.
        Some(Extension(Stopping(mut stopping))) => drop(stopping.wait_for(|stop| *stop).await),
        None => std::future::pending().await,
    }
}

/// Answers until `shutdown`, then takes no more connections, ends event streams, gives answers under way five seconds,
/// and removes the socket.
pub async fn serve(listeners: Listeners, service: Arc<Service>, shutdown: impl Future<Output = ()>) {
    let Listeners { unix, tcp } = listeners;
    let (stop, stopping) = watch::channel(false);
    let app = router(service);
    let tcp = tcp.map(|(listener, token)| guarded(listener, token, &app));
    let mut server = Server {
        graceful: GracefulShutdown::new(),
        connections: JoinSet::new(),
        stopping: Stopping(stopping),
    };
    let (unix_places, tcp_places) = (Places::new(CONNECTIONS), Places::new(CONNECTIONS));
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            stream = next_unix(&unix), if server.has_room() => {
                let peer = match stream.peer_cred() {
                    Ok(peer) => Peer::Unix { uid: peer.uid(), pid: peer.pid() },
                    Err(e) => {
                        debug!(error = %e, "a client has gone before it was known");
                        continue;
                    }
                };
                server.connect(stream, peer, app.clone(), &unix_places);
            }
            (stream, peer, app) = next_tcp(tcp.as_ref()), if server.has_room() => {
                // Pieces of answers are small and go out at once: they must not wait for the client's word on the last.
                if let Err(e) = stream.set_nodelay(true) {
                    debug!(error = %e, "a client has gone before it was known");
                    continue;
                }
                server.connect(stream, Peer::Tcp(peer), app, &tcp_places);
            }
            Some(ended) = server.connections.join_next() => {
                if let Err(e) = ended {
                    warn!(error = %e, "a connection ended badly");
                }
            }
        }
    }
    let path = unix.local_addr().ok().map(UnixAddress::from);
    drop((unix, tcp));
    if let Some(path) = path.as_ref().and_then(|address| address.as_pathname())
        && let Err(e) = std::fs::remove_file(path)
    {
        debug!(path = %path.display(), error = %e, "the socket could not be removed");
    }
    let _ = stop.send(true);
    server.drain().await;
}

/// The listener and the API behind the guard.
fn guarded(listener: TcpListener, token: Token, app: &Router) -> (TcpListener, Router) {
    // An address that the system will not tell is none that a client could name.
    let listen = listener.local_addr().map_or(std::net::Ipv4Addr::LOCALHOST.into(), |address| address.ip());
    let guard = Arc::new(Guard { token, listen });
    (listener, app.clone().layer(middleware::from_fn_with_state(guard, guard::pass)))
}

async fn next_unix(listener: &UnixListener) -> UnixStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(e) => refused(&e).await,
        }
    }
}

async fn next_tcp(tcp: Option<&(TcpListener, Router)>) -> (TcpStream, SocketAddr, Router) {
    let Some((listener, app)) = tcp else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, address, app.clone()),
            Err(e) => refused(&e).await,
        }
    }
}

async fn refused(e: &std::io::Error) {
    warn!(error = %e, "the system refused a connection");
    tokio::time::sleep(REFUSED).await;
}

/// Connections under way.
struct Server {
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
    stopping: Stopping,
}

impl Server {
    fn connect(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        app: Router,
        places: &Arc<Places>,
    ) {
        let (stopping, places, place) = (self.stopping.clone(), places.clone(), Arc::new(Place::new(places)));
        let own = place.clone();
        let (rests, mut unread) = mpsc::unbounded_channel();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(stopping.clone());
            let expects = request.headers().contains_key(header::EXPECT);
            let (place, rests) = (place.clone(), rests.clone());
            let busy = Busy::begin(place.clone());
            let request = request.map(|body| Body::new(Arriving::new(body, expects, place, rests)));
            answer(app.clone(), request, busy)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        self.connections.spawn(async move {
            let held = places.take(own).await;
            // Bodies that nobody wanted, read away beside the answers.
            let mut away = FuturesUnordered::new();
            tokio::pin!(connection);
            let ended = loop {
                tokio::select! {
                    ended = &mut connection => break Some(ended),
                    Some(rest) = unread.recv() => away.push(Rest::read_away(rest)),
                    Some(()) = away.next() => {}
                    () = held.needed() => match held.leaves() {
                        Leaving::Stays => {}
                        Leaving::Now => {
                            debug!(?peer, "an idle connection made room for another");
                            break None;
                        }
                        Leaving::Answered => {
                            debug!(?peer, "a body that came slowly made room for another connection");
                            break tokio::time::timeout(PARTING, &mut connection).await.ok();
                        }
                    }
                }
            };
            if let Some(Err(e)) = ended {
                debug!(?peer, error = %e, "a connection broke off");
            }
        });
    }

    /// Whether another connection is accepted: beyond the places some may wait for one.
    fn has_room(&self) -> bool {
        self.connections.len() < 2 * CONNECTIONS + WAITING
    }

    async fn drain(self) {
        let Self { graceful, mut connections, stopping: _ } = self;
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            warn!("clients that did not finish in time were cut off");
        }
        connections.shutdown().await;
    }
}

async fn answer(app: Router, request: Request, busy: Busy) -> Result<Response, Infallible> {
    let on_unix = matches!(request.extensions().get::<Peer>(), Some(Peer::Unix { .. }));
    let response = app.oneshot(request).await?;
    if on_unix || response.extensions().get::<Admitted>().is_some() {
        busy.admit();
    }
    if response.body().size_hint().exact().is_some() {
        return Ok(response);
    }
    // A stream goes on after its beginning: until its end its place is not given away.
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _until_the_end = &busy;
            frame
        }))
    }))
}
