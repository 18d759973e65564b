//! Verbs that begin work which learns no document: their pages, what they wait for and what they refuse.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use seald::domain::generation::Origin;
use seald::domain::ids::{DocumentId, JobId};
use seald::domain::job::{JobKind, JobState, Stage};
use seald::domain::progress::Progress;
use seald::domain::self_edit::{Directive, Format};
use seald::domain::writer::Examined;
use seald::protocol::*;
use seald::terminal::{forget, heatmap, jobs, writer};

use crate::binary::{run, sealctl};
use crate::made_up::{self, LONG, NOW, WIDE, times};
use crate::pages::check;
use crate::server::{Reply, Server, piece};
use crate::terminal::{golden, matrix, plain};

fn comparison() -> ComparisonView {
    ComparisonView {
        before: Share::of(36, 48),
        after: Share::of(40, 48),
        lost: 2,
        below_base: 1,
        drift_before: 0.0123,
        drift_after: 0.0101,
        accepted: true,
        reasons: vec![],
    }
}

fn consolidation() -> ConsolidationView {
    ConsolidationView {
        job: JobId(31),
        reason: "scheduled".into(),
        against: Some("gen-000012".into()),
        documents: 12,
        rows: 1340,
        learning_rate: 1e-3,
        steps: 2400,
        tokens: 300_000,
        seconds: 425.0,
        loss: 0.5,
        comparison: Some(comparison()),
        generation: Some("gen-000013".into()),
        ended_at: Some(NOW),
    }
}

fn consolidated() -> JobOutcome {
    JobOutcome {
        job: JobId(31),
        kind: JobKind::Consolidate,
        document: None,
        state: JobState::Done,
        stage: Stage::Swap,
        attempts: 1,
        reason: Some("scheduled".into()),
        error: None,
        done: Some(true),
        outcome: Some("gen-000013 takes the place of gen-000012: 40 of 48 questions right, 36 before".into()),
        seconds: Some(630.0),
        consolidation: Some(consolidation()),
        forgotten: None,
    }
}

fn proof(after: usize, keep_history: bool) -> ForgottenView {
    ForgottenView {
        document: DocumentId(10),
        keep_history,
        base: Share::of(1, 12),
        before: Share::of(11, 12),
        after: Share::of(after, 12),
        ended_at: Some(NOW),
    }
}

fn forgotten(after: usize, keep_history: bool) -> JobOutcome {
    JobOutcome {
        kind: JobKind::Forget,
        document: Some(DocumentId(10)),
        stage: Stage::Purge,
        outcome: Some("document 10 is forgotten".into()),
        forgotten: Some(proof(after, keep_history)),
        ..consolidated()
    }
}

fn failed() -> JobOutcome {
    let unproven = ForgottenView { base: None, before: None, after: None, ended_at: None, ..proof(1, false) };
    JobOutcome {
        state: JobState::Failed,
        stage: Stage::Retrain,
        error: Some("given up after 3 attempts: the disk is full\u{1b}[2J: make room".into()),
        done: Some(false),
        consolidation: None,
        forgotten: Some(unproven),
        ..forgotten(1, false)
    }
}

fn text(format: Format, reward: f64, text: &str) -> WriterText {
    let directive = Directive { format, learning_rate: 1e-3, epochs: 10 };
    WriterText { directive, text: text.into(), reward, discarded: None }
}

fn authors() -> WriterView {
    let examined = Examined {
        documents: 12,
        reward_before: 0.42,
        reward_after: 0.61,
        bound: 0.05,
        diversity_before: 0.81,
        diversity_after: 0.8,
        promoted: true,
        reasons: vec!["its self-edits earn +0.19 nats a question against the old writer's".into()],
    };
    let round = RoundView {
        number: 2,
        job: JobId(40),
        reason: "asked for".into(),
        present: Some("writer-000001".into()),
        winners: 24,
        steps: 96,
        tokens: 41_000,
        seconds: 31.0,
        loss: 0.7,
        examined: Some(examined.clone()),
        writer: Some("writer-000002".into()),
        ended_at: Some(NOW),
    };
    let stays = Examined { bound: -0.02, promoted: false, reasons: vec![WIDE.into()], ..examined };
    let first = RoundView { number: 1, present: None, examined: Some(stays), writer: None, ..round.clone() };
    let begun = RoundView { number: 3, examined: None, writer: None, ended_at: None, ..round.clone() };
    let choice = |what: &str, present: usize, new: usize| WriterChoice {
        what: what.into(),
        present: Tally { count: present, of: 60 },
        new: Tally { count: new, of: 60 },
        present_reward: (present > 0).then_some(0.41),
        new_reward: (new > 0).then_some(-12.5),
    };
    let example = WriterExample {
        document: DocumentId(10),
        title: WIDE.into(),
        present: Some(text(Format::Rewrite, 0.5, "The harbour\u{1b}[2J opens\n\nat nine.")),
        new: Some(WriterText {
            discarded: Some("it repeats itself".into()),
            ..text(Format::KeyFacts, 0.0, LONG)
        }),
    };
    let story = RoundStory {
        number: 2,
        present_discarded: Tally { count: 6, of: 60 },
        new_discarded: Tally { count: 0, of: 60 },
        formats: vec![choice("implications_long", 12, 0), choice("key_facts", 48, 60)],
        learning_rates: vec![choice("1e-3", 60, 60)],
        epochs: vec![choice("10", 60, 60)],
        examples: vec![example.clone(), WriterExample { title: LONG.into(), new: None, ..example }],
    };
    WriterView {
        writer: Some("writer-000002".into()),
        since: Some(NOW.plus_seconds(-90_000)),
        documents: vec![LONG.into(), WIDE.into()],
        total: 3,
        rounds: vec![begun, round, first],
        told: Some(story),
    }
}

fn anew() -> AdaptersView {
    let mut view = made_up::adapters(5);
    for (place, parent) in [(0, Some("gen-000004")), (3, None)] {
        let generation = &mut view.generations[place];
        (generation.origin, generation.parent) = (Origin::Consolidated, parent.map(String::from));
        generation.documents.clear();
    }
    view
}

#[test]
fn what_came_of_a_job_is_a_page() {
    check("job_consolidated", |look| jobs::render(&consolidated(), look));
    check("job_forgotten", |look| jobs::render(&forgotten(1, true), look));
    check("job_failed", |look| jobs::render(&failed(), look));
    let above = jobs::render(&forgotten(9, false), &plain(80));
    assert!(above.contains("more than the base knows") && !above.contains("Kept"), "{above}");
    let stays = JobOutcome {
        done: Some(false),
        outcome: Some("gen-000012 stays: too much would be lost".into()),
        ..consolidated()
    };
    let stays = jobs::render(&stays, &plain(80));
    assert!(
        stays.contains("✗ changed nothing in 10 min 30 s") && stays.contains("gen-000012 stays"),
        "{stays}"
    );
}

#[test]
fn the_writer_and_its_rounds_are_a_page() {
    check("writer", |look| writer::render(&authors(), times(), look));
    let base = WriterView { writer: None, since: None, total: 0, rounds: vec![], told: None, ..authors() };
    let text = writer::render(&base, times(), &plain(80));
    assert!(text.contains("the base model") && text.contains("`sealctl train-writer` begins one"), "{text}");
}

#[test]
fn generations_that_were_trained_anew_are_marked() {
    check("adapters_anew", |look| seald::terminal::adapters::render(&anew(), times(), look));
    let mut view = matrix(4);
    view.consolidated = vec!["gen-000003".into()];
    golden("sealctl/forgetting_anew", &heatmap::render(&view, &plain(80)));
}

#[test]
fn forgetting_says_what_goes_before_it_is_asked_for() {
    let mut document = made_up::story();
    let live = Some("gen-000005");
    check("forget", |look| forget::question(&document, live, false, look));
    let kept = forget::question(&document, live, true, &plain(80));
    assert!(
        kept.contains("Kept       backups, and 4 adapters that contain it: gen-000002 to gen-000005"),
        "{kept}"
    );
    let went = forget::question(&document, Some("gen-000001"), false, &plain(80));
    assert!(went.contains("nothing: the live model does not contain it"), "{went}");
    document.contained_in.clear();
    let never = forget::question(&document, live, false, &plain(80));
    assert!(never.contains("no adapter: none contains it"), "{never}");
}

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
    server.on("GET /v1/jobs/31", Reply::json(&consolidated()));
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
