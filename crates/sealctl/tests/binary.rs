//! The program as a process: exit codes, what goes to stdout and what to stderr, pipes.

use std::fs;
use std::io::{Write, pipe};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use seald_core::domain::ids::DocumentId;
use seald_core::protocol::*;

use crate::server::{Asked, Reply, Server};
use crate::{made_up, made_up_models};

/// The program for a server.
pub(crate) fn sealctl(server: &Server) -> Command {
    at(server.socket())
}

fn at(socket: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealctl"));
    command.env_clear().env("TZ", "UTC").env("LANG", "C.UTF-8").env("SEALD_SOCKET", socket);
    command
}

pub(crate) fn run(server: &Server, args: &[&str]) -> (Option<i32>, String, String) {
    told(sealctl(server).args(args).output().unwrap())
}

pub(crate) fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A server that answers everything that can be shown.
fn server() -> Server {
    let server = Server::start();
    server
        .on("GET /v1/status", Reply::json(&made_up::status()))
        .on(
            "GET /v1/documents?limit=20",
            Reply::json(&DocumentsPage { next_before: None, ..made_up::documents() }),
        )
        .on("GET /v1/documents/harbour%20rules.md", Reply::json(&made_up::story()))
        .on("GET /v1/documents/10/edits", Reply::json(&made_up::edits()))
        .on("GET /v1/adapters", Reply::json(&made_up::adapters(3)))
        .on("GET /v1/models/local", Reply::json(&made_up_models::models(3)))
        .on("GET /v1/forgetting", Reply::json(&crate::terminal::matrix(3)));
    server
}

#[test]
fn every_page_is_plain_in_a_pipe_and_json_is_the_daemons() {
    let server = server();
    let verbs: [(&[&str], &str, String); 7] = [
        (&["status"], "漁業組合の規則集", serde_json::to_string(&made_up::status()).unwrap()),
        (&["docs"], "rejected", String::new()),
        (
            &["show", "harbour rules.md"],
            "✓ after: at nine",
            serde_json::to_string(&made_up::story()).unwrap(),
        ),
        (&["edits", "10"], "it repeats itself", serde_json::to_string(&made_up::edits()).unwrap()),
        (&["adapters"], "gen-000003 is live", serde_json::to_string(&made_up::adapters(3)).unwrap()),
        (&["models"], "7.3 M parameters", serde_json::to_string(&made_up_models::models(3)).unwrap()),
        (&["forgetting"], "backward transfer", String::new()),
    ];
    for (verb, part, json) in verbs {
        let (code, out, err) = run(&server, verb);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{verb:?}");
        assert!(out.contains(part) && !out.contains('\u{1b}'), "{verb:?}: {out}");
        let (code, out, err) = run(&server, &[verb, &["--json"]].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{verb:?}");
        if json.is_empty() {
            assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{out}");
        } else {
            assert_eq!(out, json + "\n", "{verb:?}");
        }
    }
}

#[test]
fn colours_can_be_forced_and_forbidden() {
    let server = server();
    let colours = |name: &str| {
        let output =
            sealctl(&server).env("CLICOLOR_FORCE", "1").env(name, "1").arg("status").output().unwrap();
        told(output).1.contains("\u{1b}[")
    };
    assert!(colours("CLICOLOR_FORCE") && !colours("NO_COLOR"));
}

#[test]
fn nobody_there_is_exit_code_69() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("seald.sock");
    for verb in [&["status"][..], &["watch"], &["ask", "x"], &["pause"], &["status", "--json"]] {
        let (code, out, err) = told(at(&socket).args(verb).output().unwrap());
        assert_eq!((code, out.as_str()), (Some(69), ""), "{verb:?}");
        let parts = [socket.to_str().unwrap(), "systemctl start seald", "journalctl -u seald"];
        assert!(parts.iter().all(|part| err.contains(part)), "{err}");
    }
}

#[test]
fn the_daemons_no_is_an_exit_code() {
    let server = Server::start();
    server.on("POST /v1/rollback", Reply::problem(409, "gen-000007 is live already"));
    server.on("POST /v1/documents/7/retry", Reply::problem(404, "there is no document 7\u{1b}[2J"));
    assert_eq!(
        run(&server, &["rollback", "7"]),
        (Some(4), String::new(), "error: gen-000007 is live already\n".into())
    );
    let (code, _, err) = run(&server, &["retry", "7"]);
    assert_eq!(
        (code, err.as_str()),
        (Some(3), "error: there is no document 7 [2J\n"),
        "no escapes on stderr either"
    );
    for wrong in [&["pause", "45"][..], &["docs", "--state", "lost"], &["ask"], &["nonsense"], &["top"]] {
        assert_eq!(run(&server, wrong).0, Some(2), "{wrong:?}");
    }
    assert_eq!(run(&server, &["add", "/missing/file.md"]).0, Some(3));
    assert_eq!(server.asked().len(), 2, "what is wrong here is not sent");
}

/// A stream of something else, and then of what came of a replay.
fn replayed(kind: &str, body: serde_json::Value) -> Reply {
    let event = |kind: &str, body| EventView {
        id: None,
        at: made_up::NOW,
        job: None,
        document: None,
        kind: kind.into(),
        body,
    };
    let events = [event("resumed", serde_json::Value::Null), event(kind, body)];
    let text: String =
        events.iter().map(|e| format!("data: {}\n\n", serde_json::to_string(e).unwrap())).collect();
    Reply::pieces([text.as_bytes()])
}

#[test]
fn a_replay_that_fails_says_why() {
    let server = server();
    server.on("POST /v1/replay?wait_seconds=0", Reply::Json(202, "{}".into())).on(
        "GET /v1/events",
        replayed("replay_failed", serde_json::json!({ "error": "the adapter is damaged" })),
    );
    let (code, _, err) = run(&server, &["replay"]);
    assert!(code == Some(1) && err.contains("asking failed: the adapter is damaged"), "{code:?} {err}");
    server.on("GET /v1/events", Reply::pieces(std::iter::empty::<&[u8]>()));
    let (code, _, err) = run(&server, &["replay"]);
    assert!(code == Some(1) && err.contains("went away"), "{code:?} {err}");
}

#[test]
fn acts_are_sent_and_told() {
    let server = server();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a b.md");
    fs::write(&file, b"# A\n\xff").unwrap();
    let view =
        RollbackView { from: Some("gen-000008".into()), to: None, dropped: vec![made_up::WIDE.into()] };
    let replay = ReplayView { generation: Some("gen-000007".into()), asked: 40, right: 37, lost: 1 };
    server
        .on("POST /v1/documents?name=a%20b.md&tag=x", Reply::json(&AddView { path: "/in/x/a b.md".into() }))
        .on("POST /v1/documents/7/retry", Reply::Json(202, String::new()))
        .on("POST /v1/rollback", Reply::json(&view))
        .on("POST /v1/replay?wait_seconds=0", Reply::Json(202, "{}".into()))
        .on("GET /v1/events", replayed("replayed", serde_json::json!(replay)))
        .on("POST /v1/pause", Reply::Json(204, String::new()))
        .on("POST /v1/resume", Reply::Json(200, "{}".into()));
    let out = |args: &[&str]| {
        let (code, out, err) = run(&server, args);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        out
    };
    assert_eq!(
        out(&["add", "--no-wait", "--tag", "x", file.to_str().unwrap()]),
        "/in/x/a b.md was handed in\n"
    );
    assert_eq!(out(&["retry", "7"]), "7 waits to be learned again\n");
    let rolled = out(&["rollback", "base"]);
    assert!(rolled.starts_with("the base model is live; it was gen-000008\n"), "{rolled}");
    assert!(rolled.contains("1 document:\n  漁業組合の規則集 👩‍👩‍👧‍👦 second [2J line\n"), "{rolled}");
    assert_eq!(out(&["replay"]), "gen-000007: 37 of 40 answers right; 1 that were right are wrong now\n");
    assert!(out(&["pause", "1h30m"]).starts_with("paused until "), "the status says so");
    assert_eq!(out(&["resume", "--json"]), "{}\n");
    let bodies: Vec<_> = server.asked().into_iter().map(|Asked { line, body, .. }| (line, body)).collect();
    assert_eq!(bodies[0].1, b"# A\n\xff");
    let sent = |line: &str| {
        bodies.iter().find(|(l, _)| l == line).map(|(_, b)| String::from_utf8(b.clone()).unwrap())
    };
    assert_eq!(sent("POST /v1/rollback").unwrap(), r#"{"to":"base"}"#);
    assert_eq!(sent("POST /v1/pause").unwrap(), r#"{"seconds":5400}"#);
}

#[test]
fn documents_are_paged() {
    let server = Server::start();
    let page = |ids: std::ops::RangeInclusive<i64>, next_before: Option<i64>| DocumentsPage {
        documents: ids
            .rev()
            .map(|id| made_up::line(id, "Hokra", seald_core::domain::document::DocumentState::Learned))
            .collect(),
        next_before: next_before.map(DocumentId),
        total: 150,
    };
    server.on("GET /v1/documents?limit=100&state=learned&tag=x", Reply::json(&page(51..=150, Some(51))));
    server.on(
        "GET /v1/documents?limit=20&state=learned&tag=x&before=51",
        Reply::json(&page(31..=50, Some(31))),
    );
    let (code, out, err) =
        run(&server, &["docs", "--json", "--limit", "120", "--state", "learned", "--tag", "x"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let all: DocumentsPage = serde_json::from_str(&out).unwrap();
    assert_eq!((all.documents.len(), all.next_before), (120, Some(DocumentId(31))));
    assert_eq!(server.lines().len(), 2);
}

#[test]
fn the_answer_alone_goes_to_stdout() {
    let server = Server::start();
    let pieces = ["At \u{1b}[2J", "nine.\nAnd "].map(|text| AskEvent::Text { text: text.into() });
    let stream = |events: &[AskEvent]| {
        let text: String =
            events.iter().map(|e| format!("data: {}\n\n", serde_json::to_string(e).unwrap())).collect();
        Reply::pieces([text.as_bytes()])
    };
    let all: Vec<_> = pieces.iter().cloned().chain([AskEvent::Done(made_up::answer())]).collect();
    let failed: Vec<_> =
        pieces.iter().cloned().chain([AskEvent::Failed { error: "out of\nmemory".into() }]).collect();
    server.on("POST /v1/ask", stream(&all)).on("POST /v1/ask", Reply::json(&made_up::answer()));
    server.on("POST /v1/ask", stream(&failed)).on("POST /v1/ask", stream(&pieces));
    let (code, out, err) = run(&server, &["ask", "When", "does it open?", "--gen", "7", "--max-tokens", "9"]);
    assert_eq!((code, out.as_str()), (Some(0), "At  [2Jnine.\nAnd \n"));
    assert!(err.contains("gen-000012, fairly sure") && err.contains("likely from Harbour rules"), "{err}");
    let asked: AskRequest = serde_json::from_slice(&server.asked()[0].body).unwrap();
    let model = Some("gen-000007".to_string());
    assert_eq!(
        asked,
        AskRequest {
            question: "When does it open?".into(),
            model,
            earlier: vec![],
            max_tokens: Some(9),
            stream: true
        }
    );

    // The list of answers is longer than one, so that each is given once.
    let (code, out, _) = run(&server, &["ask", "--base", "When?", "--json"]);
    assert_eq!((code, out), (Some(0), serde_json::to_string(&made_up::answer()).unwrap() + "\n"));
    let asked: AskRequest = serde_json::from_slice(&server.asked()[1].body).unwrap();
    assert_eq!((asked.model.as_deref(), asked.stream), (Some("base"), false));
    let (code, _, err) = run(&server, &["ask", "When?"]);
    assert_eq!((code, err.as_str()), (Some(1), "error: out of memory\n"));
    assert_eq!(run(&server, &["ask", "When?"]).0, Some(69), "an answer that breaks off is not whole");
}

#[test]
fn why_and_compare_show_more_than_the_answer() {
    let server = Server::start();
    server.on("POST /v1/why", Reply::json(&made_up::why())).on("POST /v1/why", Reply::json(&made_up::why()));
    let (code, out, err) = run(&server, &["why", "When", "does it open?"]);
    assert!(code == Some(0) && out.contains("learned in gen-000003") && err.is_empty(), "{out} {err}");
    let (_, out, _) = run(&server, &["why", "When?", "--json"]);
    assert_eq!(out, serde_json::to_string(&made_up::why()).unwrap() + "\n");

    let base = AskView { model: "base".into(), answer: "no idea".into(), ..made_up::answer() };
    let server = Server::start();
    // Both are asked at once: the server does not tell them apart.
    server.on("POST /v1/ask", Reply::json(&base)).on("POST /v1/ask", Reply::json(&base));
    let (code, out, _) = run(&server, &["ask", "--compare", "When?"]);
    assert!(code == Some(0) && out.matches("no idea").count() == 1, "{out}");
    assert!(out.ends_with("nothing was learned yet: both answers would be the base's\n"), "{out}");
    let mut models: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| serde_json::from_slice::<AskRequest>(&asked.body).unwrap().model)
        .collect();
    models.sort();
    assert_eq!(models, [None, Some("base".to_string())]);

    let server = Server::start();
    server.on("POST /v1/ask", Reply::json(&base)).on("POST /v1/ask", Reply::json(&made_up::answer()));
    let (_, out, _) = run(&server, &["ask", "--compare", "When?"]);
    assert!(out.contains("no idea") && out.contains("At nine.") && !out.contains("nothing was"), "{out}");
}

#[test]
fn a_question_may_come_on_stdin() {
    let server = Server::start();
    server.on("POST /v1/ask", Reply::json(&made_up::answer()));
    let mut child = sealctl(&server)
        .args(["ask", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b" When does it open?\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let asked: AskRequest = serde_json::from_slice(&server.asked()[0].body).unwrap();
    assert_eq!(asked.question, "When does it open?");
    let nothing = sealctl(&server).arg("ask").stdin(Stdio::null()).output().unwrap();
    let (code, _, err) = told(nothing);
    assert!(code == Some(2) && err.contains("no question"), "{err}");
}

#[test]
fn a_reader_that_has_enough_is_no_failure() {
    let server = server();
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    let output = sealctl(&server).arg("status").stdout(writer).output().unwrap();
    let (code, _, err) = told(output);
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

#[test]
fn doctor_goes_from_the_socket_to_the_backup() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let well = StatusView { root: dir.path().display().to_string(), ..made_up::idle() };
    server.on("GET /healthz", Reply::Json(200, "ok".into())).on("GET /v1/status", Reply::json(&well));
    let (code, out, err) = run(&server, &["doctor"]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let parts = [
        "ok    socket: ",
        "ok    permission",
        "ok    daemon: process 4711",
        "ok    version",
        "free in",
        "warn  backup",
    ];
    assert!(parts.iter().all(|part| out.contains(part)), "{out}");
    let (_, out, _) = run(&server, &["doctor", "--json"]);
    let checks: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(checks[0]["outcome"], "ok");

    let ill = Server::start();
    let view = StatusView { version: "9.9.9".into(), ..made_up::status() };
    ill.on("GET /healthz", Reply::Json(503, "the learner died".into()))
        .on("GET /v1/status", Reply::json(&view));
    let (code, out, _) = run(&ill, &["doctor"]);
    assert_eq!(code, Some(1), "{out}");
    let parts = ["fail  health: the learner died", "warn  version: the daemon is 9.9.9", "fail  problem: "];
    assert!(parts.iter().all(|part| out.contains(part)), "{out}");

    let file = dir.path().join("seald.sock");
    let doctor = |file: &Path| told(at(file).arg("doctor").output().unwrap());
    let (code, out, _) = doctor(&file);
    assert!(
        code == Some(69)
            && out.contains("fail  socket: there is none")
            && out.contains("systemctl start seald"),
        "{out}"
    );
    fs::write(&file, "").unwrap();
    let (code, out, _) = doctor(&file);
    assert!(code == Some(69) && out.contains("is no socket"), "{out}");
}

#[test]
fn completions_and_manual_pages_need_no_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("none.sock");
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = told(at(&nowhere).args(["completions", shell]).output().unwrap());
        assert!(code == Some(0) && out.contains("rollback"), "{shell}");
    }
    let (code, out, _) = told(at(&nowhere).arg("man").output().unwrap());
    assert!(code == Some(0) && out.contains(".TH sealctl 1"), "{out}");
    let folder = dir.path().join("man");
    assert!(at(&nowhere).arg("man").arg(&folder).status().unwrap().success());
    let page = fs::read_to_string(folder.join("sealctl-watch.1")).unwrap();
    assert!(page.contains("until\\-idle") && folder.join("sealctl.1").is_file(), "{page}");
    assert!(fs::read_to_string(folder.join("sealctl-models-pull.1")).unwrap().contains("HF_TOKEN"));
}

#[test]
fn help_that_cannot_be_printed_is_a_failure() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealctl"));
    let output = command.arg("--help").stdout(full).stderr(Stdio::piped()).output().unwrap();
    let (code, _, said) = told(output);
    assert!(code == Some(1) && said.contains("cannot write to stdout"), "{code:?} {said}");
}

#[test]
fn what_names_nothing_or_two_daemons_is_wrong_usage() {
    let server = Server::start();
    for verb in ["show", "edits", "retry", "forget"] {
        let (code, _, said) = run(&server, &[verb, " "]);
        assert!(code == Some(2) && said.contains("`sealctl docs` lists them"), "{verb} {said}");
    }
    let (code, _, said) = run(&server, &["--root", "/nowhere", "--socket", "/no", "status"]);
    assert!(code == Some(2) && said.contains("give one of them"), "{said}");
}
