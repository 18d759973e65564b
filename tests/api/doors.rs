//! The two sockets: who may come in, who is turned away, and how they are opened and closed.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as Listener;

use seald::api::{Token, bind_unix};
use seald::error::Kind;
use seald::protocol::StatusView;

use crate::daemon::{Client, Daemon, TOKEN, patiently, request};
use crate::made_up::Root;

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
    let mut daemon = Daemon::start(crate::reading::five).await;
    let mut events = daemon.follow(request("GET", "/v1/events", "")).await;
    let mut desk = daemon.desk.take().unwrap();
    // An answer is under way, and a client has connected and says nothing.
    let idle = Client::over(tokio::net::UnixStream::connect(&daemon.socket).await.unwrap()).await;
    let mut client = daemon.unix().await;
    let asking =
        tokio::spawn(async move { client.send(request("POST", "/v1/ask", r#"{"question":"When?"}"#)).await });
    let question = patiently(desk.questions.recv()).await.unwrap();
    daemon.ask_to_stop();
    assert_eq!(events.next().await, None, "the stream ends");
    question.events.send(seald::protocol::AskEvent::Failed { error: "stopped".into() }).await.unwrap();
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
    // It asks for more than a socket holds and reads nothing of it.
    use tokio::io::AsyncWriteExt;
    let head = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    let asking = async {
        for _ in 0..2000 {
            silent.write_all(head).await.unwrap();
        }
    };
    // Its requests are not taken either in the end.
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), asking).await;
    daemon.get("/v1/status").await.json::<StatusView>();
    daemon.ask_to_stop();
    daemon.stopped().await;
}

#[test]
fn tokens_that_can_be_guessed_are_refused() {
    assert_eq!(Token::new("hunter2").unwrap_err().kind(), Kind::Invalid);
}
