//! The sockets: connections with their bounds, and an end that lets answers under way come out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::net::SocketAddr as UnixAddress;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::{Extension, Router, middleware};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::guard::{self, Guard, Token};
use super::router::router;
use super::service::Service;

/// Connections at a time on each of the two sockets, 256 in all: neither can shut the other out.
const CONNECTIONS: usize = 128;
/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
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
    let (unix_room, tcp_room) = (Semaphore::new(CONNECTIONS).into(), Semaphore::new(CONNECTIONS).into());
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (permit, stream) = next_unix(&unix, &unix_room) => {
                let peer = match stream.peer_cred() {
                    Ok(peer) => Peer::Unix { uid: peer.uid(), pid: peer.pid() },
                    Err(e) => {
                        debug!(error = %e, "a client has gone before it was known");
                        continue;
                    }
                };
                server.connect(stream, peer, app.clone(), permit);
            }
            (permit, stream, peer, app) = next_tcp(tcp.as_ref(), &tcp_room) => {
                // Pieces of answers are small and go out at once: they must not wait for the client's word on the last.
                if let Err(e) = stream.set_nodelay(true) {
                    debug!(error = %e, "a client has gone before it was known");
                    continue;
                }
                server.connect(stream, Peer::Tcp(peer), app, permit);
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

async fn next_unix(
    listener: &UnixListener,
    room: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, UnixStream) {
    // A semaphore that is never closed always has a permit in the end.
    let permit = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (permit, stream),
            Err(e) => refused(&e).await,
        }
    }
}

async fn next_tcp(
    tcp: Option<&(TcpListener, Router)>,
    room: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr, Router) {
    let Some((listener, app)) = tcp else { return std::future::pending().await };
    let permit = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (permit, stream, address, app.clone()),
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
        permit: Option<OwnedSemaphorePermit>,
    ) {
        let stopping = self.stopping.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(stopping.clone());
            answer(app.clone(), request.map(Body::new))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = self.graceful.watch(connection);
        self.connections.spawn(async move {
            if let Err(e) = connection.await {
                debug!(?peer, error = %e, "a connection broke off");
            }
            drop(permit);
        });
    }

    async fn drain(self) {
        let Self { graceful, mut connections, stopping: _ } = self;
        if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
            warn!("clients that did not finish in time were cut off");
        }
        connections.shutdown().await;
    }
}

async fn answer(app: Router, request: Request) -> Result<Response, Infallible> {
    app.oneshot(request).await
}
