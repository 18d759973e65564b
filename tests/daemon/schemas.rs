//! Schemas that take too much to compile: refused, with everybody else answered meanwhile, and no stop that waits for them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::host::{Daemon, Host};

/// Nothing here takes longer; what hangs fails by it.
const FAR_TOO_LONG: Duration = Duration::from_secs(300);

fn body(schema: &Value) -> Value {
    json!({ "model": "base", "messages": [{ "role": "user", "content": "Hello" }], "max_tokens": 2,
        "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": schema } } })
}

/// Compiling it takes minutes, and gigabytes.
fn endless() -> Value {
    let pattern = |n: usize| (format!("^p{n}.*z{n}$"), json!({ "type": "string" }));
    let patterns: serde_json::Map<String, Value> = (0..1_000).map(pattern).collect();
    json!({ "type": "object", "patternProperties": patterns })
}

#[test]
fn what_takes_too_much_is_refused_and_others_are_answered_meanwhile() {
    let host = Host::new();
    let child = host.command().stderr(Stdio::piped()).spawn().unwrap();
    let mut daemon = host.adopt(child);
    let mut log = daemon.child.stderr.take().unwrap();
    let told = std::thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        text
    });
    daemon.wait_listening();
    let ask = |schema: &Value| daemon.post("/v1/chat/completions", body(schema));
    let refused = |schema: &Value, words: &str| {
        let (code, reply) = ask(schema);
        let message = reply["error"]["message"].as_str().unwrap_or_default();
        assert!(code == 400 && message.contains(words) && !message.contains("verbose"), "{reply}");
        assert_eq!(reply["error"]["param"], "response_format", "{reply}");
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| refused(&endless(), "takes more than"));
        }
        // More than there are threads for schemas: the third stands free for everybody else.
        for _ in 0..3 {
            scope.spawn(|| {
                refused(&json!({ "type": "integer", "multipleOf": 99_999_989 }), "takes more than")
            });
        }
        let hello = json!({ "model": "base", "messages": [{ "role": "user", "content": "Hello" }] });
        assert_eq!(daemon.post("/v1/chat/completions", hello).0, 200);
    });
    let joined = [999_983, 1_000_003, 7_919].map(|n| json!({ "type": "integer", "multipleOf": n }));
    refused(&json!({ "allOf": joined }), "multipleOf");
    refused(&json!({ "$ref": "#" }), "lead in a circle");
    let fine = json!({ "type": "object", "properties": { "a": { "type": "integer", "multipleOf": 5 } } });
    assert_eq!(ask(&fine).0, 200);
    assert_eq!(daemon.get("/healthz"), "ok");
    assert!(daemon.stop().success());
    let told = told.join().unwrap();
    assert_eq!(told.matches("a request was refused for its schema").count(), 6, "{told}");
}

/// The processes in which this daemon tries schemas.
fn trials(daemon: &Daemon<'_>) -> Vec<PathBuf> {
    let children = format!("/proc/{0}/task", daemon.child.id());
    let tasks = std::fs::read_dir(children).unwrap().filter_map(Result::ok);
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<String> =
        lists.flat_map(|list| list.split_whitespace().map(String::from).collect::<Vec<_>>()).collect();
    let tries = |pid: &String| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("try-schema"))
    };
    pids.iter().filter(|pid| tries(pid)).map(|pid| PathBuf::from(format!("/proc/{pid}"))).collect()
}

#[test]
fn a_stop_ends_what_is_tried_and_whoever_waits_is_told() {
    let host = Host::new();
    let daemon = host.start();
    let text = body(&endless()).to_string();
    let mut stream = UnixStream::connect(daemon.root.join("state/seald.sock")).unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: seald\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes()).unwrap();
    let started = Instant::now();
    let tried = loop {
        let tried = trials(&daemon);
        if !tried.is_empty() {
            break tried;
        }
        assert!(started.elapsed() < FAR_TOO_LONG, "no schema is tried");
        std::thread::yield_now();
    };
    assert!(daemon.stop().success());
    // Without a command line it has ended, whether or not somebody asked how.
    let goes_on =
        |process: &PathBuf| std::fs::read(process.join("cmdline")).is_ok_and(|line| !line.is_empty());
    while tried.iter().any(goes_on) {
        assert!(started.elapsed() < FAR_TOO_LONG, "{tried:?} goes on");
        std::thread::yield_now();
    }
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 503") && reply.contains("went down"), "{reply}");
}
