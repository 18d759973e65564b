//! Requests and what is made of the answers.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use seald::endpoint::{Endpoint, EndpointOptions, WriteOptions};
use seald_core::Kind;
use serde_json::{Value, json};

use crate::endpoint::{LINE, NEVER, ask, asking, options, text};
use crate::server::{Reply, Server, piece};

/// A busy server that asks for no pause, so that no test waits.
fn busy(status: u16) -> Reply {
    Reply::With(status, ("retry-after", "0".into()), r#"{"error":{"message":"overloaded"}}"#.into())
}

fn bodies(server: &Server) -> Vec<Value> {
    server.asked().iter().map(|asked| serde_json::from_slice(&asked.body).unwrap()).collect()
}

/// A server that answers nobody until it was asked three times at once: one after the other, the first request would wait for ever.
fn answers_three_at_once() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut asked: Vec<(TcpStream, String)> = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut request, mut piece) = (String::new(), [0; 4096]);
            while !request.contains("\"stream\":false}") {
                let read = stream.read(&mut piece).unwrap();
                request += std::str::from_utf8(&piece[..read]).unwrap();
            }
            asked.push((stream, request));
        }
        for (mut stream, request) in asked.into_iter().rev() {
            let said = ["One", "Two", "Three"]
                .into_iter()
                .find(|word| request.contains(&format!("Say {word}")))
                .unwrap();
            let body = json!({"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": said}}]});
            let (body, head) =
                (body.to_string(), "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json");
            write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    address
}

#[test]
fn requests_are_sent_side_by_side_and_answers_keep_their_order() {
    let url = format!("http://{}/v1", answers_three_at_once());
    let options =
        EndpointOptions { url, model: "teacher".into(), parallel_requests: 3, ..EndpointOptions::default() };
    let prompts = ["Say One", "Say Two", "Say Three"].map(String::from);
    let texts = Endpoint::open(&options).unwrap().write(&prompts, asking(), &NEVER).unwrap();
    assert_eq!(texts, ["One", "Two", "Three"]);
}

#[test]
fn each_prompt_is_one_request_in_order() {
    let server = Server::start();
    server.on(LINE, text(" One.\n")).on(LINE, text("Two."));
    let endpoint = Endpoint::open(&options(&server)).unwrap();
    let prompts = ["First \"prompt\"\n".to_string(), "Second".into()];
    let asking = WriteOptions { max_tokens: 512, temperature: 0.5, seed: u64::from(u32::MAX) };
    assert_eq!(endpoint.write(&prompts, asking, &NEVER).unwrap(), ["One.", "Two."]);
    let body = |prompt: &str, seed: u32| {
        json!({
            "model": "teacher", "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 512, "temperature": 0.5, "seed": seed, "stream": false,
        })
    };
    assert_eq!(bodies(&server), [body(&prompts[0], 0x7fff_ffff), body(&prompts[1], 0)]);
    let asked = &server.asked()[0];
    assert_eq!((&asked.line[..], asked.token.as_deref()), (LINE, None));
    assert_eq!(endpoint.name(), format!("teacher at http://{}/v1", server.address));
}

#[test]
fn a_key_is_shown_to_the_server_and_to_nobody_else() {
    let (server, dir) = (Server::start(), tempfile::tempdir().unwrap());
    let file = dir.path().join("key");
    fs::write(&file, "sk-0123456789\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    server.on(LINE, Reply::Json(401, r#"{"error":{"message":"Incorrect key sk-0123456789"}}"#.into()));
    let options = EndpointOptions { api_key_file: file.clone(), max_retries: 3, ..options(&server) };
    let endpoint = Endpoint::open(&options).unwrap();
    let error = endpoint.write(&["Write.".into()], asking(), &NEVER).unwrap_err();
    assert_eq!(server.asked().len(), 1, "a wrong key is wrong again");
    assert_eq!(server.asked()[0].token.as_deref(), Some("Bearer sk-0123456789"));
    assert_eq!(error.kind(), Kind::Conflict);
    let said = error.to_string();
    for words in [&server.address, "refuses the key: 401", "Incorrect key", file.to_str().unwrap()] {
        assert!(said.contains(words), "no {words} in {said}");
    }
    assert!(!format!("{said} {error:?} {endpoint:?}").contains("0123456789"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let error = Endpoint::open(&options).unwrap_err().to_string();
    assert!(error.contains("mode 0644") && !error.contains("0123456789"), "{error}");
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = Server::start();
    server.on(LINE, busy(429)).on(LINE, busy(503)).on(LINE, text("At last."));
    assert_eq!(ask(&EndpointOptions { max_retries: 2, ..options(&server) }).unwrap(), ["At last."]);
    let bodies = bodies(&server);
    assert_eq!(bodies.len(), 3);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "every attempt is the same request");
}

#[test]
fn a_server_that_stays_busy_is_given_up() {
    let server = Server::start();
    server.on(LINE, busy(500)).on(LINE, busy(500)).on(LINE, text("Too late."));
    let error = ask(&EndpointOptions { max_retries: 1, ..options(&server) }).unwrap_err();
    assert_eq!((error.kind(), server.asked().len()), (Kind::Io, 2));
    let said = error.to_string();
    for words in ["given up after 2 attempts", &server.address, "answers 500 (overloaded)"] {
        assert!(said.contains(words), "no {words} in {said}");
    }
}

#[test]
fn a_server_that_wants_an_hour_is_not_waited_for() {
    let server = Server::start();
    server.on(LINE, Reply::With(429, ("retry-after", "3600".into()), String::new()));
    let error = ask(&EndpointOptions { max_retries: 5, ..options(&server) }).unwrap_err();
    assert_eq!((error.kind(), server.asked().len()), (Kind::Io, 1));
    assert!(error.to_string().contains("left alone for 3600 seconds"), "{error}");
}

#[test]
fn a_broken_connection_is_tried_again() {
    let server = Server::start();
    let (half, pieces) = Reply::stream();
    piece(&pieces, r#"{"choices":[{"mess"#);
    pieces.send(Err(std::io::Error::other("the server dies"))).unwrap();
    server.on(LINE, half).on(LINE, text("Whole."));
    assert_eq!(ask(&EndpointOptions { max_retries: 1, ..options(&server) }).unwrap(), ["Whole."]);
    let server = Server::start();
    server.on(LINE, Reply::Break);
    let error = ask(&options(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().contains("broke the connection off"), "{error}");
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}/v1");
    let gone =
        EndpointOptions { url: url.clone(), model: "m".into(), max_retries: 1, ..EndpointOptions::default() };
    let error = ask(&gone).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    let said = error.to_string();
    assert!(
        said.contains("given up after 2 attempts") && said.contains(&url) && said.contains("whether it runs"),
        "{said}"
    );
}

#[test]
fn what_is_no_answer_is_said_and_not_asked_for_again() {
    for garbage in ["<html>Welcome</html>", "{", r#"{"choices":[]}"#, "\u{0}"] {
        let server = Server::start();
        server.on(LINE, Reply::Json(200, garbage.into()));
        let error = ask(&EndpointOptions { max_retries: 3, ..options(&server) }).unwrap_err();
        assert_eq!((error.kind(), server.asked().len()), (Kind::Conflict, 1), "{error}");
        assert!(error.to_string().contains("check url"), "{error}");
    }
}

#[test]
fn an_answer_without_bounds_is_cut_off() {
    let server = Server::start();
    let (endless, pieces) = Reply::stream();
    (0..40).for_each(|_| piece(&pieces, vec![b' '; 8 << 10]));
    server.on(LINE, endless);
    let error = ask(&EndpointOptions { max_retries: 3, ..options(&server) }).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("more than 256 KiB"), "{error}");
    assert_eq!(server.asked().len(), 1);
    drop(pieces);
}

#[test]
fn an_answer_that_does_not_end_runs_out_of_time() {
    let server = Server::start();
    let (slow, pieces) = Reply::stream();
    piece(&pieces, r#"{"choices":"#);
    server.on(LINE, slow);
    let error = ask(&EndpointOptions { timeout_seconds: 1, max_retries: 3, ..options(&server) }).unwrap_err();
    assert_eq!((error.kind(), server.asked().len()), (Kind::Io, 1));
    assert!(error.to_string().contains("did not finish within 1 seconds: raise timeout_seconds"), "{error}");
    drop(pieces);
}

#[test]
fn a_stop_does_not_wait_for_the_server() {
    let server = Server::start();
    let (never, pieces) = Reply::stream();
    server.on(LINE, never);
    let cancel = AtomicBool::new(false);
    let endpoint = Endpoint::open(&EndpointOptions { timeout_seconds: 3_600, ..options(&server) }).unwrap();
    let error = std::thread::scope(|scope| {
        let asked = scope.spawn(|| endpoint.write(&["Write.".into()], asking(), &cancel));
        server.wait_for(1);
        cancel.store(true, Ordering::Relaxed);
        asked.join().unwrap().unwrap_err()
    });
    assert_eq!(error.kind(), Kind::Cancelled);
    assert_eq!(endpoint.write(&["Write.".into()], asking(), &cancel).unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(server.asked().len(), 1, "after a stop nothing is sent");
    drop(pieces);
}

#[test]
fn a_document_goes_where_the_options_say_and_nowhere_else() {
    let (server, other) = (Server::start(), Server::start());
    let there = format!("http://{}/v1/chat/completions", other.address);
    server.on(LINE, Reply::With(307, ("location", there.clone()), String::new()));
    other.on(LINE, text("Mine now."));
    let error = ask(&EndpointOptions { max_retries: 3, ..options(&server) }).unwrap_err();
    assert_eq!((error.kind(), other.asked().len()), (Kind::Conflict, 0));
    assert!(error.to_string().contains(&format!("sends us to {there}")), "{error}");
}
