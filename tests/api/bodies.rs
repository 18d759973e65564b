//! Bodies of requests: slow ones keep nobody out, and who sends too much is told so.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use seald_core::protocol::{AddView, StatusView};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::api::daemon::{Daemon, TOKEN, patiently, request};

/// Connections of one socket.
const PLACES: usize = 128;

/// Begins a request and sends one byte of its body. When this returns, the daemon waits for the rest: it has said so.
async fn dawdle<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, path: &str) -> S {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    patiently(stream.read_exact(&mut told)).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{").await.unwrap();
    stream
}

#[tokio::test]
async fn slow_bodies_make_room_and_are_told_so() {
    let daemon = Daemon::start(|_| {}).await;
    let mut slow = Vec::new();
    for _ in 0..PLACES {
        let stream = tokio::net::UnixStream::connect(&daemon.socket).await.unwrap();
        slow.push(dawdle(stream, "/v1/chat/completions").await);
    }
    for _ in 0..3 {
        daemon.get("/v1/status").await.json::<StatusView>();
    }
    let mut answers = Vec::new();
    for stream in &slow {
        let mut answer = [0; 4096];
        if let Ok(bytes) = stream.try_read(&mut answer) {
            answers.push(String::from_utf8_lossy(&answer[..bytes]).into_owned());
        }
    }
    assert!((1..=3).contains(&answers.len()), "{answers:?}");
    for answer in answers {
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: "), "{answer}");
        assert!(answer.contains("came slowest: send it again"), "{answer}");
    }
    // Those that stayed are waited for.
    let last = slow.last_mut().unwrap();
    last.write_all(&[b' '; 99]).await.unwrap();
    let mut answer = [0; 12];
    patiently(last.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[tokio::test]
async fn slow_bodies_make_room_on_tcp_too() {
    let daemon = Daemon::start(|_| {}).await;
    let mut slow = Vec::new();
    for _ in 0..PLACES {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", daemon.port)).await.unwrap();
        slow.push(dawdle(stream, "/v1/documents?name=slow.txt").await);
    }
    let mut allowed = request("GET", "/v1/status", "");
    allowed.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    daemon.tcp().await.send(allowed).await.json::<StatusView>();
}

#[tokio::test]
async fn slow_files_keep_no_other_out() {
    let daemon = Daemon::start(|_| {}).await;
    let mut slow = Vec::new();
    for _ in 0..8 {
        let stream = tokio::net::UnixStream::connect(&daemon.socket).await.unwrap();
        slow.push(dawdle(stream, "/v1/documents?name=slow.txt").await);
    }
    let answer = daemon.post("/v1/documents?name=quick.txt", "The pier is long.").await;
    assert!(answer.json::<AddView>().path.ends_with("quick.txt"));
}

/// Writes all of it before it reads a word; the answers to this and to a second request on the same connection.
fn write_first(mut stream: UnixStream, path: &str, bytes: usize) -> (String, String) {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; bytes]).expect("it is read to its end");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut stream = BufReader::new(stream);
    let mut answer = || {
        let (mut head, mut length) = (String::new(), 0);
        while !head.ends_with("\r\n\r\n") {
            let begins = head.len();
            assert_ne!(stream.read_line(&mut head).unwrap(), 0, "{head}");
            if let Some(given) = head[begins..].strip_prefix("content-length: ") {
                length = given.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        head + &String::from_utf8(body).unwrap()
    };
    (answer(), answer())
}

#[tokio::test]
async fn who_sends_too_much_before_reading_is_told_so() {
    let daemon = Daemon::start(|_| {}).await;
    for (path, bytes, most) in [
        ("/v1/chat/completions", 3 << 20, "1048576"),
        ("/v1/ask", 600_000, "65536"),
        ("/v1/nothing", 3 << 20, ""),
    ] {
        let stream = UnixStream::connect(&daemon.socket).unwrap();
        let writing = tokio::task::spawn_blocking(move || write_first(stream, path, bytes));
        let (answer, next) = patiently(writing).await.unwrap();
        let status = if most.is_empty() { "HTTP/1.1 404" } else { "HTTP/1.1 413" };
        assert!(answer.starts_with(status) && answer.contains(most), "{answer}");
        assert!(next.starts_with("HTTP/1.1 200") && next.ends_with("ok"), "{next}");
    }
}
