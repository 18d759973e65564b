//! `sealctl watch` as a process: lines as they come, restarts of the daemon, and the end when nothing waits.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::progress::Progress;
use seald_core::protocol::{Activity, AddView, DocumentCounts, EventView, Held, StatusView};

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
    assert!(rest.iter().any(|line| line.contains("rejected")), "{rest:?}");
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
        verdict: DocumentState::Failed,
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
fn what_cannot_be_looked_at_is_a_failure() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    let documents = DocumentCounts { unreadable: 2, ..DocumentCounts::default() };
    let view = StatusView { documents, ..made_up::idle() };
    server.on("GET /v1/events", reply).on("GET /v1/status", Reply::json(&view));
    let ended = watch(&server, &["--until-idle", "--quiet-for", "0"]).wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "it lay there before, and is not learned");
    assert!(
        said.contains("2 places in the inbox cannot be looked at: `sealctl docs --state failed`"),
        "{said}"
    );
    drop(pieces);
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

#[test]
fn a_file_that_could_not_be_read_is_a_failure() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events", reply).on("GET /v1/status", Reply::json(&busy(1, 0)));
    let mut none = busy(0, 0);
    none.documents.refused = 1;
    server.on("GET /v1/status", Reply::json(&none));
    let child = watch(&server, &["--until-idle", "--quiet-for", "0"]);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    drop(pieces);
}

#[test]
fn why_nothing_is_learned_is_said_once_and_not_each_second() {
    let server = Server::start();
    let (reply, _pieces) = Reply::stream();
    server.on("GET /v1/events", reply).on("GET /v1/status", Reply::json(&busy(1, 0)));
    for second in 0..4 {
        let trouble = Held::Trouble {
            reason: "the disk is full".into(),
            again_at: made_up::NOW.plus_seconds(60 - second),
        };
        server.on("GET /v1/status", Reply::json(&StatusView { held: Some(trouble), ..busy(1, 0) }));
    }
    server.on("GET /v1/status", Reply::json(&busy(0, 0)));
    let output = watch(&server, &["--until-idle", "--quiet-for", "0"]).wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.matches("nothing is learned now: the disk is full").count(), 1, "{said}");
}

#[test]
fn a_watch_that_does_not_end_gives_up_after_its_time() {
    let server = Server::start();
    let (reply, _pieces) = Reply::stream();
    let held = Some(Held::Paused { since: made_up::NOW, until: None });
    server.on("GET /v1/events", reply).on("GET /v1/status", Reply::json(&StatusView { held, ..busy(1, 0) }));
    let child = watch(&server, &["--until-idle", "--timeout", "1s"]);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("nothing is learned now: paused since").count(), 1, "{said}");
    assert!(said.ends_with("1.0 s went by, and it is not idle: `sealctl status` says why\n"), "{said}");
    assert_eq!(
        crate::binary::run(&server, &["watch", "--timeout", "1s"]).0,
        Some(2),
        "without an end to wait for"
    );
}

#[test]
fn watching_begins_with_how_long_it_takes() {
    let server = Server::start();
    let (reply, _pieces) = Reply::stream();
    server
        .on("GET /v1/events", reply)
        .on("GET /v1/status", Reply::json(&StatusView { held: None, ..made_up::status() }))
        .on("GET /v1/status", Reply::json(&busy(0, 0)));
    let output = watch(&server, &["--until-idle", "--quiet-for", "0"]).wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(", about 6 minutes left: "), "{said}");
    assert!(said.contains("; 2 documents wait, about 21 minutes until all are done"), "{said}");
    assert!(!said.contains("Ctrl-C"), "nobody reads that in a pipe: {said}");
}

#[test]
fn add_says_what_was_read_and_what_was_not() {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on("GET /v1/events", reply);
    for name in ["good.md", "bad.pdf"] {
        let route = format!("POST /v1/documents?name={name}");
        server.on(&route, Reply::json(&AddView { path: format!("/in/{name}") }));
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| {
        std::fs::write(dir.path().join(name), "x").unwrap();
        dir.path().join(name)
    };
    let mut command = sealctl(&server);
    command.arg("add").args([file("good.md"), file("bad.pdf")]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let event = |id: i64, kind: &str, document: Option<i64>, body: serde_json::Value| {
        let view = EventView {
            id: Some(id),
            at: made_up::NOW,
            job: None,
            document: document.map(DocumentId),
            kind: kind.into(),
            body,
        };
        made_up::sse(&view)
    };
    piece(
        &pieces,
        event(
            1,
            "received",
            Some(3),
            serde_json::json!({ "name": "other.md", "path": "/in/other.md", "last": true }),
        ),
    );
    piece(
        &pieces,
        event(
            2,
            "received",
            Some(4),
            serde_json::json!({ "name": "good.md", "path": "/in/good.md", "last": true }),
        ),
    );
    piece(
        &pieces,
        event(3, "refused", None, serde_json::json!({ "path": "/in/bad.pdf", "reason": "it is damaged" })),
    );
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(
        text,
        "/in/good.md was read and waits to be learned: document 4\n/in/bad.pdf could not be read: it is damaged\n"
    );
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
