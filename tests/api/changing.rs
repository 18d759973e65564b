//! Routes that change something: what reaches the learner and the inbox, and what comes back.

use std::sync::mpsc;

use seald::pipeline::control::Request;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::error::{Error, Kind};
use seald_core::protocol::{AddView, DocumentLine, Held, ReplayView, RollbackView, StatusView};

use crate::api::daemon::{Daemon, NOW};
use crate::api::reading::five;

#[tokio::test]
async fn pausing_and_resuming_reach_the_learner_and_answer_with_the_status() {
    let mut daemon = Daemon::start(|_| {}).await;
    let monitor = daemon.monitor.clone();
    daemon.learner(move |desk| {
        for request in desk.requests {
            match request {
                Request::Pause(until, reply) => {
                    monitor.update(|now| now.held = Some(Held::Paused { since: NOW, until }));
                    reply.send(Ok(())).unwrap();
                }
                Request::Resume(reply) => {
                    monitor.update(|now| now.held = None);
                    reply.send(Ok(())).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    });
    let held = async |path: &str, body: &str| daemon.post(path, body).await.json::<StatusView>().held;
    let until = Some(NOW.plus_seconds(90));
    assert_eq!(held("/v1/pause", r#"{"seconds":90}"#).await, Some(Held::Paused { since: NOW, until }));
    for body in ["", "{}", r#"{"seconds":null}"#] {
        assert_eq!(held("/v1/pause", body).await, Some(Held::Paused { since: NOW, until: None }));
    }
    let (ten_years, until) = (r#"{"seconds":315360000}"#, Some(NOW.plus_seconds(315_360_000)));
    assert_eq!(held("/v1/pause", ten_years).await, Some(Held::Paused { since: NOW, until }));
    assert_eq!(held("/v1/resume", "").await, None);
    assert!(held("/v1/pause", r#"{"seconds":90.0}"#).await.is_some());
    for body in [r#"{"seconds":-1}"#, r#"{"seconds":1.5}"#] {
        daemon.post("/v1/pause", body).await.is_problem(400, "invalid", "no whole number of seconds");
    }
    daemon.post("/v1/pause", r#"{"seconds":0}"#).await.is_problem(400, "invalid", "seconds is 0");
}

#[tokio::test]
async fn a_replay_that_takes_long_is_told_of_before_it_is_done() {
    let mut daemon = Daemon::start(five).await;
    // The learner has something else to do.
    daemon.learner(|desk| {
        let kept: Vec<_> = desk.requests.into_iter().collect();
        assert!(matches!(&kept[..], [Request::Replay(_)]));
    });
    let reply = daemon.post("/v1/replay?wait_seconds=0", "").await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.json::<StatusView>().documents.learned, 2);
}

#[tokio::test]
async fn rollback_replay_and_retry_bring_back_what_the_learner_says() {
    let mut daemon = Daemon::start(five).await;
    daemon.learner(|desk| {
        for request in desk.requests {
            match request {
                Request::Rollback(to, reply) => {
                    let to = (to != GenerationId::BASE).then(|| to.folder());
                    let view = RollbackView {
                        from: Some("gen-000002".into()),
                        to,
                        dropped: vec!["Bulletin 3".into()],
                    };
                    reply.send(Ok(view)).unwrap();
                }
                Request::Replay(reply) => {
                    let view = ReplayView { generation: None, asked: 8, right: 5, lost: 1 };
                    reply.send(Ok(view)).unwrap();
                }
                Request::Retry(DocumentId(2), reply) => reply.send(Ok(())).unwrap(),
                Request::Retry(id, reply) => {
                    let text = format!("document {id} waits already");
                    reply.send(Err(Error::new(Kind::Conflict, text))).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    });
    for (word, to) in [("gen-000001", Some("gen-000001")), ("1", Some("gen-000001")), ("base", None)] {
        let body = serde_json::json!({ "to": word }).to_string();
        let view: RollbackView = daemon.post("/v1/rollback", body).await.json();
        assert_eq!((view.to.as_deref(), &view.dropped[..]), (to, &["Bulletin 3".to_string()][..]));
    }
    let replay: ReplayView = daemon.post("/v1/replay", "").await.json();
    assert_eq!((replay.asked, replay.right, replay.lost), (8, 5, 1));
    daemon.post("/v1/replay?wait_seconds=61", "").await.is_problem(400, "invalid", "give 0 to 60");
    let answer = daemon.post("/v1/documents/2.txt/retry", "").await;
    assert_eq!((answer.status, answer.json::<DocumentLine>().id), (202, DocumentId(2)));
    daemon.post("/v1/documents/5/retry", "").await.is_problem(409, "conflict", "document 5 waits already");
    daemon.post("/v1/documents/99/retry", "").await.is_problem(404, "not-found", "document 99");
    daemon.post("/v1/rollback", r#"{"to":"yesterday"}"#).await.is_problem(400, "invalid", "yesterday");
    daemon.post("/v1/rollback", "").await.is_problem(400, "invalid", "`to`");
}

#[tokio::test]
async fn a_learner_that_has_gone_answers_503() {
    let mut daemon = Daemon::start(five).await;
    drop(daemon.desk.take());
    for path in ["/v1/pause", "/v1/resume", "/v1/replay", "/v1/documents/2/retry"] {
        daemon.post(path, "").await.is_problem(503, "cancelled", "on its way down");
    }
    daemon.post("/v1/ask", r#"{"question":"When?"}"#).await.is_problem(503, "cancelled", "on its way down");
}

#[tokio::test]
async fn files_are_put_into_the_inbox_as_they_are() {
    let daemon = Daemon::start(|_| {}).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(3 << 20).collect();
    let answer = daemon.post("/v1/documents?name=caf%C3%A9%20%231.md&tag=pier", &bytes).await;
    assert_eq!(answer.status, 202);
    let path = answer.json::<AddView>().path;
    assert_eq!(path, daemon.root.file("inbox/pier/caf\u{e9} #1.md").display().to_string());
    assert!(std::fs::read(path).unwrap() == bytes);
    let answer = daemon.post("/v1/documents?name=a.txt", "noon").await;
    assert_eq!(std::fs::read(answer.json::<AddView>().path).unwrap(), b"noon");
}

#[tokio::test]
async fn names_that_would_leave_the_inbox_are_refused() {
    let daemon = Daemon::start_with(|_| {}, |_| Box::new(|name, _, _| panic!("{name} was put"))).await;
    let long = format!("name={}", "x".repeat(256));
    for query in [
        "name=..",
        "name=.hidden",
        "name=%ff.txt",
        "name=a%2Fb",
        "name=%2Fetc%2Fpasswd",
        "name=a%00b",
        "name=",
        long.as_str(),
        "name=a.txt&tag=..",
        "name=a.txt&tag=a%2Fb",
        "name=a.txt&tag=",
    ] {
        daemon.post(&format!("/v1/documents?{query}"), "x").await.is_problem(
            400,
            "invalid",
            "give 1 to 255 bytes",
        );
    }
    daemon.post("/v1/documents?name=a.txt", "").await.is_problem(400, "invalid", "the body is empty");
    daemon.post("/v1/documents", "x").await.is_problem(400, "invalid", "name");
}

#[tokio::test]
async fn what_the_inbox_refuses_is_told_and_a_panic_is_no_hang_up() {
    let (tell, told) = mpsc::channel();
    let daemon = Daemon::start_with(
        |_| {},
        |_| {
            Box::new(move |name, _, bytes| match name {
                "full.txt" => {
                    tell.send(bytes.len()).unwrap();
                    let beneath = std::io::Error::from(std::io::ErrorKind::StorageFull);
                    Err(seald_core::files::io_error("write", std::path::Path::new("inbox/full.txt"), beneath))
                }
                _ => panic!("the pier is gone"),
            })
        },
    )
    .await;
    let mut client = daemon.unix().await;
    let full = client.send(crate::api::daemon::request("POST", "/v1/documents?name=full.txt", "four")).await;
    full.is_problem(507, "disk-full", "inbox/full.txt (free some space)");
    assert_eq!(told.recv().unwrap(), 4);
    let gone = client.send(crate::api::daemon::request("POST", "/v1/documents?name=gone.txt", "four")).await;
    gone.is_problem(500, "internal", "defect");
    assert!(!gone.text().contains("pier"));
    // The connection lives, and so does the service.
    assert_eq!(client.send(crate::api::daemon::request("GET", "/healthz", "")).await.text(), "ok");
}

#[tokio::test]
async fn what_a_route_does_not_take_is_refused_and_nothing_begins() {
    let mut daemon = Daemon::start(five).await;
    daemon.learner(|desk| {
        if let Some(request) = desk.requests.iter().next() {
            panic!("{request:?}");
        }
    });
    for path in ["/v1/consolidate", "/v1/writer/rounds", "/v1/backups", "/v1/resume"] {
        for body in [r#"{"a":1}"#, "garbage"] {
            assert_eq!(daemon.post(path, body).await.status, 400, "{path} {body}");
        }
    }
    for path in [
        "/v1/status?x=1",
        "/v1/backups?limit=3",
        "/metrics?x",
        "/v1/documents/1/edits?x=1",
        "/v1/adapters?&y=",
    ] {
        let answer = daemon.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        let words = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(words.contains("unknown") && words.contains("takes none"), "{path}: {words}");
    }
    assert_eq!(daemon.post("/v1/consolidate?now=1", "").await.status, 400);
    assert_eq!(daemon.get("/v1/documents?limit=2&tag=pier").await.status, 200);
}
