//! `sealctl watch` as a process: lines as they come, restarts of the daemon, and the end when nothing waits.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use seald_core::domain::progress::Progress;
use seald_core::protocol::{Activity, DocumentCounts, StatusView};

use crate::binary::sealctl;
use crate::made_up;
use crate::server::{Reply, Server, piece};
use crate::terminal::events;

fn busy(waiting: usize, failed: usize) -> StatusView {
    StatusView {
        documents: DocumentCounts { waiting, failed, ..DocumentCounts::default() },
        ..made_up::idle()
    }
}

/// Everything that a sample of learning tells, as it stands in the stream.
fn stream() -> String {
    (1..).zip(events()).map(|(i, e)| made_up::sse(&made_up::event(Some(i), 12, &e))).collect()
}

fn watch(server: &Server, more: &[&str]) -> Child {
    let mut command = sealctl(server);
    command.arg("watch").args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn ends_when_nothing_waits() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events", reply).on("GET /v1/status", Reply::json(&busy(1, 0)));
    let mut child = watch(&server, &["--until-idle", "--quiet-for", "0"]);
    piece(&pieces, stream());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // It looks again and again and ends only now.
    let last = lines.find(|line| line.contains("second editio")).unwrap();
    assert!(last.contains("漁業組合の規則集"), "{last}");
    let learning = StatusView { activity: made_up::status().activity, ..busy(0, 0) };
    server.on("GET /v1/status", Reply::json(&learning)).on("GET /v1/status", Reply::json(&busy(0, 0)));
    assert!(child.wait().unwrap().success());
    let rest: Vec<_> = lines.collect();
    assert!(rest.iter().any(|line| line.contains("turned away")), "{rest:?}");
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.starts_with("watching seald 0.1.0 in /var/lib/seald"), "{said}");
}

#[test]
fn a_document_that_failed_meanwhile_is_a_failure() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events", reply);
    server.on("GET /v1/status", Reply::json(&busy(1, 2))).on("GET /v1/status", Reply::json(&busy(0, 3)));
    let child = watch(&server, &["--until-idle", "--quiet-for", "0"]);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1), "the count of failures rose");
    drop(pieces);

    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events", reply).on("GET /v1/status", Reply::json(&busy(1, 2)));
    let failed = Progress::Finished {
        verdict: "failed".into(),
        reasons: vec!["no text".into()],
        before: None,
        after: None,
        seconds: 1.0,
    };
    let mut child = watch(&server, &["--until-idle", "--quiet-for", "0"]);
    piece(&pieces, made_up::sse(&made_up::event(None, 7, &failed)));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("document 7") && line.contains("failed"), "{line}");
    server.on("GET /v1/status", Reply::json(&busy(0, 2)));
    assert_eq!(child.wait().unwrap().code(), Some(1), "an event told of it, though it was retried since");
}

#[test]
fn goes_on_after_a_restart_where_it_was() {
    let server = Server::start();
    let (first, pieces) = Reply::stream();
    let (second, more) = Reply::stream();
    server.on("GET /v1/events", first).on("GET /v1/status", Reply::json(&busy(1, 0)));
    server
        .on("GET /v1/events?after=1", Reply::Break)
        .on("GET /v1/events?after=1", Reply::problem(503, "starting"));
    server.on("GET /v1/events?after=1", second);
    let mut child = watch(&server, &[]);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let all = events();
    piece(&pieces, made_up::sse(&made_up::event(Some(1), 12, &all[0])));
    assert_eq!(lines.next().unwrap(), "Yiltonrk Trading: 1,812 tokens, 4 passages");
    assert!(said.next().unwrap().starts_with("watching"));
    drop(pieces);
    assert_eq!(said.next().unwrap(), "the daemon went away; waiting for it to come back");
    assert!(said.next().unwrap().starts_with("it is back: seald"));
    piece(&more, made_up::sse(&made_up::event(Some(2), 12, &all[1])));
    assert_eq!(lines.next().unwrap(), "  writing questions about it");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn json_is_one_object_a_line_and_nothing_else() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events?after=0", reply).on("GET /v1/status", Reply::json(&busy(1, 0)));
    let mut child = watch(&server, &["--json", "--after", "0", "--until-idle", "--quiet-for", "0"]);
    piece(&pieces, stream());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    for (id, event) in (1..).zip(events()) {
        let expected = serde_json::to_string(&made_up::event(Some(id), 12, &event)).unwrap();
        assert_eq!(lines.next().unwrap(), expected);
    }
    let idle = StatusView { activity: Activity::Idle, ..busy(0, 0) };
    server.on("GET /v1/status", Reply::json(&idle));
    assert_eq!(lines.next(), None);
    assert!(child.wait().unwrap().success());
}
