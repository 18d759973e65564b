//! The two sockets: who may come in, who is refused, and how they are opened and closed.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as Listener;
use std::sync::{Arc, Mutex};

use seald::api::{Token, bind_unix};
use seald::pipeline::model_requests::{AnswerEvent, ModelRequest};
use seald_core::error::{Error, Kind};
use seald_core::protocol::StatusView;
use tokio::io::AsyncWriteExt;

use crate::api::daemon::{Client, Daemon, TOKEN, patiently, request};
use crate::made_up_rows::Root;

#[tokio::test]
async fn tcp_needs_the_token_for_everything_but_health() {
    let daemon = Daemon::start(|_| {}).await;
    let mut client = daemon.tcp().await;
    assert_eq!(client.send(request("GET", "/healthz", "")).await.text(), "ok");
    for path in ["/", "/metrics", "/v1/status", "/openapi.json", "/v1/nothing", "/v1/events"] {
        let answer = daemon.tcp().await.send(request("GET", path, "")).await;
        answer.is_problem(401, "unauthorized", "Authorization: Bearer");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    // In OpenAI's words where its clients ask.
    let answer = daemon.tcp().await.send(request("GET", "/v1/models", "")).await;
    let error: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, error["error"]["type"].as_str()), (401, Some("authentication_error")));
    let with = |value: String| {
        let mut request = request("GET", "/v1/status", "");
        request.headers_mut().insert("authorization", value.parse().unwrap());
        request
    };
    for value in [
        "Bearer".to_string(),
        "Bearer ".to_string(),
        format!("Bearer {TOKEN}0"),
        format!("Bearer {}", &TOKEN[1..]),
        format!("Basic {TOKEN}"),
        TOKEN.to_string(),
    ] {
        daemon.tcp().await.send(with(value)).await.is_problem(401, "unauthorized", "token");
    }
    for value in [format!("Bearer {TOKEN}"), format!("bearer  {TOKEN}")] {
        daemon.tcp().await.send(with(value)).await.json::<StatusView>();
    }
    let answer = daemon.tcp().await.send(request("POST", "/v1/pause", "{}")).await;
    answer.is_problem(401, "unauthorized", "token");
}

#[tokio::test]
async fn tcp_answers_only_under_this_machines_own_names() {
    let daemon = Daemon::start(|_| {}).await;
    let under = |host: &str| {
        let mut request = request("GET", "/v1/status", "");
        request.headers_mut().insert("host", host.parse().unwrap());
        request.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        request
    };
    for host in ["localhost".to_string(), format!("127.0.0.1:{}", daemon.port), "[::1]:80".to_string()] {
        daemon.tcp().await.send(under(&host)).await.json::<StatusView>();
    }
    for host in ["evil.example", "evil.example:80", "localhost.evil.example"] {
        daemon.tcp().await.send(under(host)).await.is_problem(421, "misdirected", "another machine");
    }
    // The Unix socket has no names.
    daemon.unix().await.send(under("evil.example")).await.json::<StatusView>();
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let daemon = Daemon::start(|_| {}).await;
    let mut client = daemon.unix().await;
    for _ in 0..3 {
        client.send(request("GET", "/v1/status", "")).await.json::<StatusView>();
        client.send(request("GET", "/v1/nothing", "")).await.is_problem(404, "not-found", "nothing");
    }
}

#[tokio::test]
async fn the_socket_has_its_mode_and_its_folder_is_made() {
    let root = Root::new();
    let path = root.file("run/deep/seald.sock");
    for mode in [0o600, 0o660, 0o666] {
        let listener = bind_unix(&path, mode).unwrap();
        let found = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "whatever the umask is");
        drop(listener);
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
    let root = Root::new();
    let path = root.file("seald.sock");
    drop(Listener::bind(&path).unwrap());
    assert!(path.exists(), "nobody removed it");
    let living = bind_unix(&path, 0o600).unwrap();
    let e = bind_unix(&path, 0o600).unwrap_err();
    assert_eq!(e.kind(), Kind::Conflict);
    assert!(e.to_string().contains("seald.sock") && e.to_string().contains("stop it"), "{e}");
    // It was left as it is.
    tokio::net::UnixStream::connect(&path).await.unwrap();
    drop(living);
    let file = root.file("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(bind_unix(&file, 0o600).unwrap_err().kind(), Kind::Conflict);
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    let long = root.file(&"x".repeat(120));
    let e = bind_unix(&long, 0o600).unwrap_err();
    assert!(e.kind() == Kind::Invalid && e.to_string().contains("107"), "{e}");
}

#[tokio::test]
async fn stopping_ends_streams_finishes_answers_and_removes_the_socket() {
    let mut daemon = Daemon::start(crate::api::reading::five).await;
    let mut events = daemon.follow(request("GET", "/v1/events", "")).await;
    let mut desk = daemon.desk.take().unwrap();
    // An answer is under way, and a client has connected and says nothing.
    let idle = Client::over(tokio::net::UnixStream::connect(&daemon.socket).await.unwrap()).await;
    let mut client = daemon.unix().await;
    let asking =
        tokio::spawn(async move { client.send(request("POST", "/v1/ask", r#"{"question":"When?"}"#)).await });
    let ModelRequest::Answer(question) = patiently(desk.orders.recv()).await.unwrap() else {
        panic!("a question")
    };
    daemon.ask_to_stop();
    assert_eq!(events.next().await, None, "the stream ends");
    question.pieces.send(AnswerEvent::Failed(Error::new(Kind::Internal, "stopped").into())).unwrap();
    patiently(asking).await.unwrap().is_problem(500, "internal", "stopped");
    daemon.stopped().await;
    assert!(!daemon.socket.exists());
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", daemon.port)).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn clients_that_do_not_read_do_not_keep_the_server() {
    let mut daemon = Daemon::start(|_| {}).await;
    let mut silent = tokio::net::UnixStream::connect(&daemon.socket).await.unwrap();
    // It asks for more than a socket holds, and reads nothing of it.
    let head = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50);
    silent.write_all(head.as_bytes()).await.unwrap();
    daemon.get("/v1/status").await.json::<StatusView>();
    daemon.ask_to_stop();
    daemon.stopped().await;
}

/// Where the log of this process goes; tests look for their own lines.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_who_asked() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG);
    let subscriber = subscriber.with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let daemon = Daemon::start(|_| {}).await;
    daemon.get("/v1/logged-read").await;
    daemon.post("/v1/logged-change", "").await;
    daemon.tcp().await.send(request("GET", "/v1/logged-stranger", "")).await;
    let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = |path: &str| -> serde_json::Value {
        serde_json::from_str(lines.lines().find(|line| line.contains(path)).expect(path)).unwrap()
    };
    let (uid, pid) = (rustix::process::getuid().as_raw(), std::process::id());
    for (path, level) in [("/v1/logged-read", "DEBUG"), ("/v1/logged-change", "INFO")] {
        let (line, fields) = (line(path), line(path)["fields"].clone());
        assert_eq!((&line["level"], &fields["status"]), (&level.into(), &404.into()));
        assert_eq!((&fields["peer_uid"], &fields["peer_pid"]), (&uid.into(), &pid.into()));
    }
    let stranger = line("/v1/logged-stranger");
    assert!(stranger["fields"]["peer"].as_str().unwrap().contains("Tcp(127.0.0.1:"), "{stranger}");
}

#[test]
fn tokens_that_can_be_guessed_are_refused() {
    assert_eq!(Token::new("hunter2").unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn an_idle_connection_without_a_token_makes_room() {
    let daemon = Daemon::start(|_| {}).await;
    let allowed = || {
        let mut request = request("GET", "/v1/status", "");
        request.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
        request
    };
    let mut known = daemon.tcp().await;
    known.send(allowed()).await.json::<StatusView>();
    // With the known one these take every place.
    let mut idle = Vec::new();
    for _ in 0..127 {
        idle.push(tokio::net::TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap());
    }
    daemon.tcp().await.send(allowed()).await.json::<StatusView>();
    // Else all of them would have had to go, after ten seconds each.
    let closed = idle.iter().filter(|one| matches!(one.try_read(&mut [0; 1]), Ok(0))).count();
    assert!((1..=2).contains(&closed), "{closed}");
    known.send(allowed()).await.json::<StatusView>();
}
