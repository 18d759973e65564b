//! Verbs that begin a job, as processes: what they refuse, what they wait for, and how they end.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use seald_core::domain::ids::JobId;
use seald_core::domain::job::{JobKind, JobState, Stage};
use seald_core::domain::progress::Progress;
use seald_core::protocol::*;
use seald_terminal::jobs;

use crate::binary::{run, sealctl};
use crate::made_up;
use crate::server::{Reply, Server, piece};
use crate::terminal::plain;
use crate::upkeep::{consolidated, failed};

#[test]
fn forgetting_is_refused_where_nobody_can_be_asked() {
    let server = Server::start();
    let (code, out, err) = run(&server, &["forget", "10"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("cannot be undone") && err.contains("--yes"), "{err}");
    assert!(server.asked().is_empty(), "nothing was sent");
}

#[test]
fn a_job_may_be_left_alone() {
    let server = Server::start();
    let started = |job, kind| {
        let Reply::Json(_, text) = Reply::json(&JobStarted { job: JobId(job), kind }) else { unreachable!() };
        Reply::Json(202, text)
    };
    server
        .on("POST /v1/consolidate", started(31, JobKind::Consolidate))
        .on("POST /v1/writer/rounds", started(32, JobKind::WriterRound))
        .on("POST /v1/documents/a%20b.md/forget", started(33, JobKind::Forget));
    let out = |args: &[&str]| {
        let (code, out, err) = run(&server, args);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
        out
    };
    assert_eq!(
        out(&["consolidate", "--no-wait"]),
        "consolidation waits as job 31; `sealctl watch` follows it\n"
    );
    assert_eq!(out(&["train-writer", "--no-wait", "--json"]), "{\"job\":32,\"kind\":\"writer_round\"}\n");
    out(&["forget", "a b.md", "--keep-history", "--yes", "--no-wait"]);
    assert_eq!(server.asked()[2].body, br#"{"keep_history":true}"#);
}

/// A server whose consolidation, job 31, is queued; and the feed of its events.
fn queued() -> (Server, crate::server::Pieces) {
    let server = Server::start();
    let (events, pieces) = Reply::stream();
    let waits = JobOutcome { state: JobState::Queued, done: None, outcome: None, ..consolidated() };
    server
        .on("GET /v1/events", events)
        .on("POST /v1/consolidate", Reply::json(&JobStarted { job: JobId(31), kind: JobKind::Consolidate }))
        .on("GET /v1/status", Reply::json(&made_up::status()))
        .on("GET /v1/jobs/31", Reply::json(&waits));
    (server, pieces)
}

fn spawn(server: &Server, more: &[&str]) -> Child {
    let mut command = sealctl(server);
    command.arg("consolidate").args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn event(job: i64, progress: &Progress) -> String {
    let event = EventView { document: None, job: Some(JobId(job)), ..made_up::event(None, 1, progress) };
    made_up::sse(&event)
}

fn ended(done: bool) -> Progress {
    Progress::Ended { kind: JobKind::Consolidate, done, outcome: "over".into(), seconds: 630.0 }
}

#[test]
fn waits_for_the_end_and_prints_what_came_of_it() {
    let (server, pieces) = queued();
    let mut child = spawn(&server, &[]);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "consolidation is job 31; Ctrl-C ends the waiting, not the job");
    let held = said.next().unwrap();
    assert!(
        held.starts_with("it waits: paused until") && held.ends_with("`sealctl resume` goes on now"),
        "{held}"
    );
    // What other jobs do is not told, and their end is not ours.
    piece(&pieces, event(30, &ended(true)));
    piece(&pieces, event(31, &Progress::Stage { stage: Stage::Retrain }));
    assert_eq!(said.next().unwrap(), "  training everything anew");
    // It is over a moment before the log says what came of it.
    let untold = JobOutcome { done: None, outcome: None, ..consolidated() };
    server.on("GET /v1/jobs/31", Reply::json(&untold)).on("GET /v1/jobs/31", Reply::json(&consolidated()));
    piece(&pieces, event(31, &ended(true)));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out, jobs::render(&consolidated(), &plain(80)));
}

#[test]
fn a_job_that_failed_is_a_failure_and_json_is_the_daemons() {
    let (server, pieces) = queued();
    let child = spawn(&server, &["--json"]);
    let failure = JobOutcome { kind: JobKind::Consolidate, forgotten: None, ..failed() };
    // The first answer is given once, this one from then on; the end comes over the stream or by looking again.
    server.on("GET /v1/jobs/31", Reply::json(&failure));
    piece(&pieces, event(31, &ended(false)));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out, serde_json::to_string(&failure).unwrap() + "\n");
}

#[test]
fn goes_on_waiting_over_a_restart_of_the_daemon() {
    let (server, pieces) = queued();
    let (again, _more) = Reply::stream();
    server.on("GET /v1/events", Reply::Break).on("GET /v1/events", again);
    let mut child = spawn(&server, &[]);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    said.find(|line| line.starts_with("it waits")).unwrap();
    server.on("GET /v1/jobs/31", Reply::json(&consolidated()));
    drop(pieces);
    said.find(|line| line.contains("went away")).unwrap();
    assert!(child.wait().unwrap().success(), "the end came while nobody listened");
}
