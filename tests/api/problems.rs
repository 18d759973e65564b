//! Everything that goes wrong comes as a problem, and none of it hurts the next request.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use http_body_util::BodyExt;
use hyper::Request;
use seald_core::protocol::StatusView;

use crate::api::daemon::{Daemon, patiently, request};

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let daemon = Daemon::start(|_| {}).await;
    let nothing = daemon.get("/v1/nothing").await;
    nothing.is_problem(404, "not-found", "/v1/nothing");
    // What clients of OpenAI's API tell their users.
    let error = &serde_json::from_str::<serde_json::Value>(nothing.text()).unwrap()["error"];
    assert!(error["message"].as_str().unwrap().contains("/v1/nothing"), "{error}");
    assert_eq!(error["code"], "unknown_url");
    daemon.get("/v1/status/").await.is_problem(404, "not-found", "openapi.json");
    let answer = daemon.post("/v1/status", "").await;
    answer.is_problem(405, "method-not-allowed", "does not take POST");
    assert!(answer.headers["allow"].to_str().unwrap().contains("GET"));
    let delete = daemon.unix().await.send(request("DELETE", "/v1/documents/1", "")).await;
    delete.is_problem(405, "method-not-allowed", "DELETE");
    daemon.get("/v1/ask").await.is_problem(405, "method-not-allowed", "GET");
    for method in ["GET", "OPTIONS", "DELETE"] {
        let answer = daemon.unix().await.send(request(method, "/v1/chat/completions", "")).await;
        answer.is_problem(405, "method-not-allowed", method);
        let error = &serde_json::from_str::<serde_json::Value>(answer.text()).unwrap()["error"];
        assert!(error["message"].as_str().unwrap().contains(method), "{error}");
        assert_eq!(
            (&error["type"], &error["code"]),
            (&"invalid_request_error".into(), &"method_not_allowed".into())
        );
    }
}

#[tokio::test]
async fn wrong_queries_are_problems_that_name_the_field() {
    let daemon = Daemon::start(|_| {}).await;
    for (query, words) in [
        ("limit=0", "limit is 0"),
        ("limit=501", "1 to 500"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("state=lost", "waiting"),
        ("before=last", "before"),
        ("stat=waiting", "stat"),
        ("limit=1&limit=2", "limit"),
        ("search=%00", "NUL"),
        ("tag=a%00b", "NUL"),
    ] {
        daemon.get(&format!("/v1/documents?{query}")).await.is_problem(400, "invalid", words);
    }
    daemon.get("/v1/events?after=x").await.is_problem(400, "invalid", "after");
    daemon.get("/v1/events?since=1").await.is_problem(400, "invalid", "since");
}

#[tokio::test]
async fn wrong_bodies_are_problems_that_say_why() {
    let daemon = Daemon::start(|_| {}).await;
    let (long, many) = ("x".repeat(4001), r#"{"question":"a","max_tokens":1025}"#);
    let long = serde_json::json!({ "question": long }).to_string();
    for (body, words) in [
        ("{", "EOF"),
        ("[]", "expected"),
        ("", "`question`"),
        (r#"{"question":7}"#, "it is 7: give text"),
        (r#"{"question":"a","modle":"base"}"#, "`modle`"),
        (r#"{"question":" "}"#, "is blank: give 1 to 4000"),
        (long.as_str(), "4001 characters"),
        (many, "max_tokens is 1025"),
        (r#"{"question":"a","max_tokens":0}"#, "max_tokens is 0"),
        (r#"{"question":"a","model":"gpt"}"#, "\"gpt\""),
    ] {
        daemon.post("/v1/ask", body).await.is_problem(400, "invalid", words);
    }
    let answer = daemon.post("/v1/ask", r#"{"question":"a","model":"gen-000009"}"#).await;
    answer.is_problem(404, "not-found", "generation 9");
    for seconds in ["315360001", "1e300"] {
        let body = format!(r#"{{"seconds":{seconds}}}"#);
        daemon.post("/v1/pause", body).await.is_problem(400, "invalid", "to pause until resumed");
    }
    let answer = daemon.post("/v1/replay", r#"{"wait_seconds":-1}"#).await;
    answer.is_problem(400, "invalid", "`wait_seconds`");
    let answer = daemon.post("/v1/pause", vec![b' '; (64 << 10) + 1]).await;
    answer.is_problem(413, "too-large", "65536 bytes");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_while_it_arrives() {
    let daemon = Daemon::start_with(|_| {}, |_| Box::new(|name, _, _| panic!("{name} was put"))).await;
    // Without a length, so that only counting helps; the sender is still at it when it is answered.
    let (feed, body) = tokio::sync::mpsc::channel(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(body);
    let body = http_body_util::StreamBody::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(
        tokio::net::UnixStream::connect(&daemon.socket).await.unwrap(),
    ))
    .await
    .unwrap();
    tokio::spawn(connection);
    let feeding = tokio::spawn(async move {
        let chunk = hyper::body::Bytes::from(vec![7u8; 1 << 20]);
        let mut sent = 0;
        while feed.send(Ok::<_, std::io::Error>(hyper::body::Frame::data(chunk.clone()))).await.is_ok() {
            sent += 1;
        }
        sent
    });
    let request = Request::post("/v1/documents?name=big.txt").header("host", "localhost").body(body).unwrap();
    let response = patiently(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("put the file into the inbox"));
    drop(sender);
    assert!(patiently(feeding).await.unwrap() >= 64);
    daemon.get("/v1/status").await.json::<StatusView>();
}

#[tokio::test]
async fn what_is_no_http_or_breaks_off_hurts_nobody_else() {
    let daemon = Daemon::start(|_| {}).await;
    let socket = daemon.socket.clone();
    let told = tokio::task::spawn_blocking(move || {
        let mut garbage = UnixStream::connect(&socket).unwrap();
        garbage.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
        let mut told = String::new();
        garbage.read_to_string(&mut told).unwrap();
        // Half a head, and half a body: both vanish.
        let mut half = UnixStream::connect(&socket).unwrap();
        half.write_all(b"GET /v1/status HT").unwrap();
        let mut body = UnixStream::connect(&socket).unwrap();
        let head = "POST /v1/documents?name=a.txt HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf";
        body.write_all(head.as_bytes()).unwrap();
        told
    });
    assert!(patiently(told).await.unwrap().starts_with("HTTP/1.1 400"));
    daemon.get("/v1/status").await.json::<StatusView>();
    assert!(!daemon.root.file("inbox").exists(), "half a file is no file");
}

#[tokio::test]
async fn a_damaged_database_is_a_problem_without_its_insides() {
    let daemon = Daemon::start(crate::api::reading::five).await;
    let database = rusqlite::Connection::open(daemon.root.database()).unwrap();
    database.execute_batch("PRAGMA foreign_keys = OFF; DROP TABLE evaluations").unwrap();
    daemon.get("/v1/documents/1").await.is_problem(500, "internal", "cannot read");
    assert!(!daemon.get("/v1/documents/1").await.text().contains("no such table"));
    assert_eq!(daemon.get("/healthz").await.status, 200);
}
