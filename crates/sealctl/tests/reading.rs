//! What a person reads: nothing that matters is cut, no word is broken, nothing needs the paper to be understood.

use std::process::Command;

use seald_core::domain::ids::JobId;
use seald_core::domain::progress::{Task, Work};
use seald_core::domain::self_edit::DroppedLine;
use seald_core::protocol::*;
use seald_terminal::feed::Feed;
use seald_terminal::*;

use crate::binary::{run, sealctl, told};
use crate::made_up;
use crate::server::{Reply, Server};
use crate::terminal::{matrix, plain};

/// The same text, however it is wrapped.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_wrong_is_told_in_full_and_once() {
    let reason =
        "the disk is full (free some space) (cannot keep the base model's samples in state/seald.db)";
    let again_at = made_up::NOW.plus_seconds(60);
    let held = Some(Held::Trouble { reason: reason.into(), again_at });
    let mut view = StatusView { held, ..made_up::status() };
    view.problems.push(reason.into());
    for width in [40, 60, 80] {
        let text = unwrapped(&status::render(&view, made_up::times(), &plain(width)));
        assert_eq!(text.matches(reason).count(), 1, "{text}");
        for problem in &view.problems {
            assert!(text.contains(problem), "{width}: no `{problem}` in {text}");
        }
        assert!(text.contains("see whether it runs and whether url is right"), "{text}");
    }
}

#[test]
fn no_word_is_broken_however_narrow_the_place_is() {
    let mut large = matrix(3);
    large.consolidated = vec!["gen-000002".into()];
    let (view, times, now) = (made_up::story(), made_up::times(), made_up::status());
    let pages = |look: &Look| {
        [
            status::render(&now, times, look),
            story::render(&view, times, look),
            edits::render(&made_up::edits(), false, look),
            why::render(&made_up::why(), look),
            heatmap::render(&large, look),
        ]
    };
    let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    let wide = pages(&plain(200));
    for width in 50..=100 {
        for (narrow, wide) in pages(&plain(width)).iter().zip(&wide) {
            let wide = words(wide);
            // Bars and shades are no words, and titles in the columns of a table may be cut, with a sign.
            let broken = words(narrow)
                .into_iter()
                .find(|word| word.chars().all(|c| c.is_ascii_alphanumeric()) && !wide.contains(word));
            assert_eq!(broken, None, "{width}: {narrow}");
            assert!(narrow.lines().all(|line| columns(line) <= width), "{width}: {narrow}");
        }
    }
}

#[test]
fn times_are_told_as_far_as_they_are_known() {
    let times = made_up::times();
    let unknown = StatusView { time_left: TimeLeft::default(), ..made_up::status() };
    let text = unwrapped(&status::render(&unknown, times, &plain(100)));
    assert!(text.contains("for 3 min, how long it takes is not known yet: "), "{text}");
    assert!(text.contains("2 documents, how long that takes is not known yet; so far"), "{text}");
    let late =
        StatusView { time_left: TimeLeft { document: Some(0.0), all: Some(0.0) }, ..made_up::status() };
    assert!(status::doing_words(&late, times).contains("longer than foretold"));
    assert!(status::waiting_words(&late).unwrap().contains("should be done by now"));
    let one =
        StatusView { documents: DocumentCounts { waiting: 1, ..Default::default() }, ..made_up::status() };
    assert_eq!(status::waiting_words(&one), None, "the one under way does not wait");
    assert!(status::waiting_words(&made_up::idle()).is_none());
}

#[test]
fn the_same_questions_have_the_same_share() {
    let text = heatmap::render(&matrix(3), &plain(100));
    assert!(
        text.contains("Today 75 % of 48 questions (61-85) are answered right, on average 66 % of those"),
        "{text}"
    );
}

#[test]
fn what_was_never_judged_shows_no_share_of_what_was_known_before() {
    let mut view = made_up::story();
    view.line.state = seald_core::domain::document::DocumentState::Rejected;
    view.report.accuracies.adapter = None;
    view.report.accuracies.before = Share::of(0, 3);
    let text = story::render(&view, made_up::times(), &plain(80));
    assert!(!text.contains("0 % of 3 questions"), "{text}");
}

#[test]
fn bars_are_left_out_in_a_pipe() {
    let server = Server::start();
    server.on("GET /v1/status", Reply::json(&made_up::status()));
    let (code, out, _) = run(&server, &["status"]);
    assert!(
        code == Some(0)
            && out.contains("step 20 of 80 (loss 1.23; key facts, learning rate 1e-3, 10 epochs)"),
        "{out}"
    );
    assert!(!out.contains(['━', '─', '=']), "{out}");
}

#[test]
fn without_a_verb_there_is_help_that_says_where_to_begin() {
    let server = Server::start();
    let bare = Command::new(env!("CARGO_BIN_EXE_sealctl")).env_clear().output().unwrap();
    for output in [bare, sealctl(&server).output().unwrap(), sealctl(&server).arg("--json").output().unwrap()]
    {
        let (code, out, err) = told(output);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.contains("What the daemon does") && err.contains("First: `sealctl status`"), "{err}");
    }
    let (_, out, _) = run(&server, &["--help"]);
    let tail: Vec<&str> = out.lines().skip_while(|line| !line.starts_with("First: ")).collect();
    for pair in tail.windows(2) {
        let next = pair[1].split_whitespace().next().unwrap_or_default();
        let full = pair[0].is_empty() || next.is_empty() || pair[0].len() + next.len() + 1 > 80;
        assert!(full, "wrapped twice: {pair:?}");
    }
}

#[test]
fn lines_left_out_for_one_reason_are_one_line() {
    let mut view = made_up::edits();
    let line = |line: &str, reason: &str| DroppedLine { line: line.into(), reason: reason.into() };
    let mut dropped: Vec<_> = (1..=12).map(|n| line(&format!("line {n}"), "not in the passage")).collect();
    dropped.insert(3, line("odd one", "it copies a probe"));
    view.self_edits[0].dropped = dropped;
    view.self_edits.truncate(1);
    let text = unwrapped(&edits::render(&view, false, &plain(200)));
    assert!(text.contains("left out: 12 lines: not in the passage, such as: line 1 "), "{text}");
    assert!(text.contains("left out: odd one (it copies a probe)") && !text.contains("line 2"), "{text}");
    assert!(text.contains("--all shows every line that was left out."), "{text}");
    let all = unwrapped(&edits::render(&view, true, &plain(200)));
    assert!((1..=12).all(|n| all.contains(&format!("left out: line {n} (not in the passage)"))), "{all}");
    assert!(all.contains("odd one") && !all.contains("--all") && !all.contains("such as"), "{all}");
}

#[test]
fn the_status_of_a_document_tells_one_time() {
    let work = Work { task: Task::AnswerDocument, done: 30, of: 100, seconds: 60.0 };
    let mut view = StatusView { work: Some(work), ..made_up::status() };
    if let Activity::Learning(learning) = &mut view.activity {
        learning.trial = None;
    }
    let text = unwrapped(&status::render(&view, made_up::times(), &plain(200)));
    assert!(text.contains("about the document, without it: 30 % of this step "), "{text}");
    assert!(text.contains("about 6 minutes left: ") && !text.contains("of it left"), "{text}");
}

#[test]
fn a_replay_of_nothing_is_no_line() {
    let event = |asked: u64| EventView {
        id: Some(1),
        document: None,
        job: None,
        at: made_up::NOW,
        kind: "replayed".into(),
        body: serde_json::json!({ "generation": null, "asked": asked, "right": asked, "lost": 0 }),
    };
    let mut feed = Feed::new(plain(80));
    assert!(feed.tell(&event(0), None).is_empty() && log::line(&event(0), made_up::times()).is_none());
    assert!(!feed.tell(&event(3), None).is_empty() && log::line(&event(3), made_up::times()).is_some());
}

#[test]
fn hints_reach_the_daemon_as_it_was_reached() {
    let server = Server::start();
    let none = DocumentsPage { documents: vec![], next_before: None, total: 0 };
    let held = Some(Held::Paused { since: made_up::NOW, until: None });
    let documents = DocumentCounts { refused: 2, ..Default::default() };
    let view = StatusView { held, documents, ..made_up::idle() };
    server.on("GET /v1/documents?limit=20", Reply::json(&none)).on("GET /v1/status", Reply::json(&view));
    let started = JobStarted { job: JobId(3), kind: seald_core::domain::job::JobKind::Consolidate };
    server.on("POST /v1/consolidate", Reply::json(&started));
    let reached = format!("`sealctl --socket {} ", server.socket().display());
    let socket = server.socket().to_str().unwrap();
    let (_, out, _) = run(&server, &["docs", "--socket", socket]);
    assert!(unwrapped(&out).contains(&format!("{reached}add FILE`")), "{out}");
    let (_, out, _) = run(&server, &["status", "--socket", socket]);
    let text = unwrapped(&out);
    for hint in ["docs --state failed`", "resume`"] {
        assert!(text.contains(&format!("{reached}{hint}")), "{hint}: {out}");
    }
    let (_, out, _) = run(&server, &["--socket", socket, "consolidate", "--no-wait"]);
    assert!(out.contains(&format!("{reached}watch` follows it")), "{out}");
    // What the environment names need not be named again.
    server.on("GET /v1/documents?limit=20", Reply::json(&none));
    let (_, out, _) = run(&server, &["docs"]);
    assert!(unwrapped(&out).contains("`sealctl add FILE`"), "{out}");
}
