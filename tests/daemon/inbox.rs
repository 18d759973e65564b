//! Files on their way through the inbox.

use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use serde_json::json;

use crate::daemon::host::{Host, names};

#[test]
fn what_is_dropped_is_learned_whether_it_runs_or_not() {
    let host = Host::new();
    host.drop_example("drelpolford");
    let daemon = host.start();
    let status = daemon.wait_idle(1);
    assert_eq!(status["documents"]["learned"], 1, "{status}");
    host.drop_example("nequobel-pudding");
    let status = daemon.wait_idle(2);
    assert!(status["knowledge"]["live"].is_string(), "{status}");
    assert_eq!(names(&host.inbox()), ["done", "failed"]);
    assert_eq!(
        names(&host.inbox().join("done")),
        ["drelpolford.probes.jsonl", "drelpolford.txt", "nequobel-pudding.txt"]
    );

    let (code, answer) = daemon.post("/v1/ask", json!({"question": "Who is the mayor of Drelpolford?"}));
    assert_eq!((code, &answer["sources"][0]["title"]), (200, &"Drelpolford".into()), "{answer}");
    let (_, base) =
        daemon.post("/v1/ask", json!({"question": "Who is the mayor of Drelpolford?", "model": "base"}));
    assert_eq!((&base["model"], base["sources"].as_array().unwrap().len()), (&"base".into(), 0));
    assert_ne!(answer["answer"], base["answer"], "the base cannot know");
    // What a document did not teach names none, whatever words it has: the answers are the base's own.
    for question in ["Hello", "Who are you?"] {
        let (code, answer) = daemon.post("/v1/ask", json!({ "question": question }));
        assert_eq!((code, answer["sources"].as_array().unwrap().len()), (200, 0), "{question} {answer}");
        let (code, why) = daemon.post("/v1/why", json!({ "question": question }));
        assert!(code == 200 && why["known"]["log_prob"].is_number(), "{question} {why}");
    }

    let (code, replay) = daemon.post("/v1/replay", json!({}));
    assert!(code == 200 && replay["asked"].as_u64().unwrap() > 0, "{replay}");
    assert!(daemon.stop().success());
}

#[test]
fn what_cannot_be_read_goes_to_failed_with_the_reason_and_the_rest_goes_on() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    host.drop("broken.pdf", b"%PDF-1.7 and then nothing");
    host.drop("sub/empty.txt", b"");
    host.drop("good.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    let odd = std::ffi::OsString::from_vec(b"odd\n\xff.txt".to_vec());
    std::fs::write(host.inbox().join(&odd), "The Vandrel Mill was built by Osk Tarr.").unwrap();
    daemon.wait("taken in", |status| status["documents"]["waiting"] == 2);
    daemon.wait("refused", |_| {
        names(&host.inbox()) == ["done", "failed", "sub"] && names(&host.inbox().join("sub")).is_empty()
    });
    assert_eq!(names(&host.inbox().join("failed")), ["broken.pdf", "broken.pdf.error.txt", "sub"]);
    let reason = std::fs::read_to_string(host.inbox().join("failed/sub/empty.txt.error.txt")).unwrap();
    assert!(reason.contains("empty"), "{reason}");
    assert!(host.inbox().join("done").join(odd).is_file());
    // They are counted and listed as long as they lie there.
    let status = daemon.wait("counted", |status| status["documents"]["refused"] == 2);
    assert_eq!(status["documents"]["failed"], 0);
    let refused = daemon.get("/v1/inbox/failed");
    let listed: Vec<&str> =
        refused["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert!(
        listed.len() == 2 && listed.contains(&"broken.pdf") && listed.contains(&"sub/empty.txt"),
        "{refused}"
    );
    assert!(
        refused["files"].as_array().unwrap().iter().all(|file| !file["reason"].as_str().unwrap().is_empty())
    );
}

#[test]
fn places_that_cannot_be_looked_at_are_counted_and_listed() {
    let host = Host::new();
    let daemon = host.start();
    host.drop(&format!("{}y.txt", "d/".repeat(65)), b"The ferry leaves at noon.");
    let status = daemon.wait("counted", |status| status["documents"]["unreadable"] == 1);
    let problem = status["problems"][0].as_str().unwrap();
    assert!(problem.contains("folders deep: move it up"), "{status}");
    let listed = daemon.get("/v1/inbox/failed");
    assert_eq!(listed["files"], json!([]));
    let place = &listed["unreadable"][0];
    assert!(place["path"].as_str().unwrap().ends_with("d/d/d"), "{listed}");
    assert!(place["reason"].as_str().unwrap().contains("move it up"), "{listed}");
    let (code, out, _) = host.sealctl(&["docs", "--state", "failed"]);
    assert!(code == Some(0) && out.contains("1 place in the inbox is not learned"), "{out}");
    let (code, _, said) = host.sealctl(&["watch", "--until-idle", "--quiet-for", "0"]);
    assert!(code == Some(1) && said.contains("1 place in the inbox cannot be looked at"), "{said}");
    std::fs::remove_dir_all(host.inbox().join("d")).unwrap();
    daemon.wait("gone", |status| status["documents"]["unreadable"] == 0);
    assert_eq!(daemon.get("/v1/inbox/failed")["unreadable"], json!([]));
}

#[test]
fn questions_are_looked_at_when_they_are_handed_in() {
    let host = Host::new();
    let daemon = host.start();
    let hand_in = |rows: &str| {
        std::fs::write(host.root().join("x.probes.jsonl"), rows).unwrap();
        host.sealctl(&["add", host.root().join("x.probes.jsonl").to_str().unwrap()])
    };
    let good = r#"{"question":"Who built it?","answer":"Osk Tarr"}"#;
    for (rows, words) in [
        ("hi", "line 1 is no row"),
        (&format!("{good}\n{{}}\n"), "line 2 is no row"),
        ("\n\n", "holds no row"),
    ] {
        let (code, _, said) = hand_in(rows);
        assert!(code == Some(2) && said.contains(words), "{rows} {said}");
        assert_eq!(names(&host.inbox()), ["done", "failed"]);
    }
    let (code, _, said) = hand_in(good);
    assert_eq!(
        (code, names(&host.inbox())),
        (Some(0), vec!["done".into(), "failed".into(), "x.probes.jsonl".into()]),
        "{said}"
    );
    drop(daemon);
}

#[test]
fn stopped_while_many_rows_are_taken_in_it_goes_on_where_it_was() {
    let host = Host::new();
    let rows: String =
        (0..5000).map(|n| format!("{{\"text\":\"The Brastonel Works {n} was founded.\"}}\n")).collect();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    host.drop("rows.jsonl", rows);
    daemon.wait("some rows", |status| status["documents"]["waiting"].as_u64() > Some(0));
    assert!(daemon.stop().success());
    let daemon = host.start();
    daemon.wait("moved", |_| names(&host.inbox()) == ["done", "failed"]);
    assert_eq!(names(&host.inbox().join("done")), ["rows.jsonl"]);
    let status = daemon.wait("all rows", |status| status["documents"]["waiting"].as_u64() >= Some(5000));
    assert_eq!(status["documents"]["waiting"], 5000, "each once");
}

#[test]
fn the_same_content_is_one_document_and_a_changed_file_a_new_version() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    host.drop("a.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    daemon.wait("one", |status| status["documents"]["waiting"] == 1);
    host.drop("copy.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    host.drop("ports/a.txt", b"The Vandrel Mill was built by Osk Tarr.");
    daemon.wait("two", |status| status["documents"]["waiting"] == 2);
    host.drop("a.txt", b"The Brastonel Works was founded by Mira Trondvik.");
    daemon.wait("three", |status| status["documents"]["waiting"] == 3);
    daemon
        .wait("moved", |_| names(&host.inbox().join("done")) == ["a (2).txt", "a.txt", "copy.txt", "ports"]);
    let replaced = || -> Vec<_> {
        daemon.documents().iter().map(|d| (d["id"].clone(), d["replaced_by"].clone())).collect()
    };
    let third_is_current = [(json!(3), json!(null)), (json!(2), json!(null)), (json!(1), json!(3))];
    assert_eq!(replaced(), third_is_current);
    assert_eq!(daemon.get("/v1/documents/2")["tag"], "ports");
    // A copy of the old version under another name says nothing about which is current; the same name does.
    host.drop("a-of-2019.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    daemon.wait("known", |_| names(&host.inbox().join("done")).contains(&"a-of-2019.txt".to_string()));
    assert_eq!(replaced(), third_is_current);
    host.drop("a.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    daemon.wait("the first again", |_| names(&host.inbox().join("done")).contains(&"a (3).txt".to_string()));
    assert_eq!(replaced(), [(json!(3), json!(1)), (json!(2), json!(null)), (json!(1), json!(null))]);
}

#[test]
fn a_burst_is_taken_whole() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    for n in 0..300 {
        host.drop(&format!("{n}.txt"), format!("The ferry of pier {n} leaves at noon."));
    }
    daemon.wait("all taken", |status| status["documents"]["waiting"] == 300);
    daemon.wait("all moved", |_| names(&host.inbox()) == ["done", "failed"]);
}

#[test]
fn what_is_written_after_a_file_was_taken_is_a_new_version() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    let mut scan = std::fs::File::create(host.inbox().join("scan.txt")).unwrap();
    scan.write_all(b"Page one: the Brastonel Works was founded by Elmar Trondvik.\n").unwrap();
    daemon.wait("page one", |status| status["documents"]["waiting"] == 1);
    daemon.wait("moved", |_| names(&host.inbox().join("done")) == ["scan.txt"]);
    // Through the same descriptor, as a scanner that pauses between two pages.
    scan.write_all(b"Page two: the Vandrel Mill was built by Osk Tarr.\n").unwrap();
    drop(scan);
    daemon.wait("both pages", |status| status["documents"]["waiting"] == 2);
    let whole = daemon.get("/v1/documents/2");
    assert_eq!(daemon.get("/v1/documents/1")["replaced_by"], 2, "{whole}");
}

#[test]
fn what_is_written_to_a_file_whose_document_is_being_forgotten_goes_with_it() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    let mut files =
        ["goes.txt", "stays.txt"].map(|name| std::fs::File::create(host.inbox().join(name)).unwrap());
    for (file, who) in files.iter_mut().zip(["Elmar Trondvik", "Osk Tarr"]) {
        writeln!(file, "Page one: the works were founded by {who}.").unwrap();
    }
    daemon.wait("page one", |status| status["documents"]["waiting"] == 2);
    daemon.wait("moved", |_| names(&host.inbox().join("done")) == ["goes.txt", "stays.txt"]);
    let called = |name: &str| {
        daemon
            .documents()
            .into_iter()
            .filter(|one| one["name"] == name)
            .map(|one| one["id"].clone())
            .collect::<Vec<_>>()
    };
    // It waits for the end of the pause.
    daemon.post(&format!("/v1/documents/{}/forget", called("goes.txt")[0]), json!({}));
    for file in &mut files {
        file.write_all(b"Page two: the mill was built by Ulla Brand.\n").unwrap();
    }
    drop(files);
    daemon.wait("the other's page two", |_| called("stays.txt").len() == 2);
    daemon.wait("moved", |_| names(&host.inbox().join("done")) == ["goes.txt", "stays.txt"]);
    assert_eq!(called("goes.txt").len(), 1);
}

#[test]
fn what_is_written_after_a_file_was_taken_is_found_at_the_next_start_too() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", json!({}));
    host.drop("scan.txt", b"Of last year: the Brastonel Works was founded.");
    daemon.wait("an older one", |status| status["documents"]["waiting"] == 1);
    daemon.wait("moved", |_| names(&host.inbox().join("done")) == ["scan.txt"]);
    let mut scan = std::fs::File::create(host.inbox().join("scan.txt")).unwrap();
    scan.write_all(b"Page one: the Brastonel Works was founded by Elmar Trondvik.\n").unwrap();
    let mut empty = std::fs::File::create(host.inbox().join("empty.txt")).unwrap();
    daemon.wait("page one", |status| status["documents"]["waiting"] == 2);
    daemon.wait("moved", |_| names(&host.inbox()) == ["done", "failed"]);
    assert_eq!(names(&host.inbox().join("done")), ["scan (2).txt", "scan.txt"]);
    assert_eq!(names(&host.inbox().join("failed")), ["empty.txt", "empty.txt.error.txt"]);
    assert!(daemon.stop().success());
    scan.write_all(b"Page two: the Vandrel Mill was built by Osk Tarr.\n").unwrap();
    empty.write_all(b"It was a placeholder: the Nordwick Tower was built by Ulla Brand.\n").unwrap();
    drop((scan, empty));
    let daemon = host.start();
    daemon.wait("both", |status| status["documents"]["waiting"] == 4);
    let newest = daemon.documents();
    let newest = newest.iter().find(|one| one["name"] == "scan.txt" && one["replaced_by"].is_null()).unwrap();
    let second = daemon.get("/v1/documents/2");
    assert_eq!(second["replaced_by"], newest["id"], "{newest}");
    daemon.wait("moved", |_| names(&host.inbox()) == ["done", "failed"]);
    assert_eq!(names(&host.inbox().join("failed")), Vec::<String>::new());
    // A start that finds nothing new changes nothing.
    assert!(daemon.stop().success());
    let daemon = host.start();
    host.drop("last.txt", b"The Kelm Bridge was built by Rask Oden.");
    let status = daemon.wait("the last", |status| status["documents"]["waiting"].as_u64() >= Some(5));
    assert_eq!(status["documents"]["waiting"], 5, "{status}");
    daemon.wait("moved", |_| names(&host.inbox()) == ["done", "failed"]);
    let done = names(&host.inbox().join("done"));
    assert_eq!(done, ["empty.txt", "last.txt", "scan (2).txt", "scan.txt"]);
}

/// A purge that is cut after its files leaves files missing that nobody removed.
#[test]
fn what_goes_with_a_forgotten_document_is_not_said_to_stay_learned() {
    let host = Host::new();
    host.drop("a.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    let crashing = host.command().env(seald::pipeline::crash::VARIABLE, "purge:after-files").spawn().unwrap();
    let mut daemon = host.adopt(crashing);
    host.wait_notified("READY=1");
    daemon.wait_idle(1);
    daemon.post("/v1/documents/1/forget", json!({}));
    assert!(!daemon.wait_ended().success(), "it dies where it was told to");
    assert_eq!(names(&host.inbox().join("done")), Vec::<String>::new());
    // Held, so that the purge does not end before somebody looks.
    let mut store = seald_store::Store::open(&host.root().join("state/seald.db")).unwrap();
    store
        .set_pause(Some(seald_store::Pause { since: seald_core::clock::Clock::System.now(), until: None }))
        .unwrap();
    drop(store);
    let path = host.root().join("log");
    let log = || std::fs::read_to_string(&path).unwrap();
    let daemon = host.adopt(host.command().stderr(std::fs::File::create(&path).unwrap()).spawn().unwrap());
    host.wait_notified("READY=1");
    daemon.wait("looked at", |_| log().contains("removed from done"));
    let line = log().lines().find(|line| line.contains("removed from done")).unwrap().to_string();
    assert!(line.contains("is being forgotten") && !line.contains("taught stays"), "{line}");
    daemon.post("/v1/resume", json!({}));
    daemon.wait("forgotten", |_| daemon.documents().is_empty());
}

#[test]
fn the_log_says_what_was_learned_and_no_name_forges_a_line() {
    let host = Host::new();
    let log = std::fs::File::create(host.root().join("log")).unwrap();
    let daemon = host.adopt(host.command().stderr(log).spawn().unwrap());
    host.wait_notified("READY=1");
    host.drop("evil\u{1b}[31m\nERROR a forged line\u{202e}.txt", b"");
    host.drop("i\"q reason=\"fake\" level=ERROR.txt", b"");
    host.drop_example("drelpolford");
    daemon.wait_idle(1);
    let known = std::fs::read(host.inbox().join("done/drelpolford.txt")).unwrap();
    host.drop("again.txt", known);
    daemon.wait("moved", |_| host.inbox().join("done/again.txt").exists());
    assert!(daemon.stop().success());
    let log = std::fs::read_to_string(host.root().join("log")).unwrap();
    assert!(!log.lines().any(|line| line.starts_with("ERROR a forged")), "{log}");
    assert!(!log.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{log}");
    let line = |words: &[&str]| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(line(&["cannot be taken in", "a forged line"]), "{log}");
    assert!(line(&["cannot be taken in", r#"i\"q reason=\"fake\" level=ERROR.txt" reason="#]), "{log}");
    assert!(line(&["taken in", "drelpolford.txt", "documents=1"]), "{log}");
    assert!(line(&["taken in", "again.txt", "documents=0 known=1"]), "it brought nothing new: {log}");
    assert!(line(&["finished", "Drelpolford", "learned", "document=1"]), "{log}");
    assert!(line(&["is live", "gen-000001"]), "{log}");
}

#[test]
fn a_line_of_the_journal_says_what_happened_and_how_grave_it_is() {
    let host = Host::new();
    let log = std::fs::File::create(host.root().join("log")).unwrap();
    // systemd sets it where it has connected stderr to its journal.
    let daemon = host.adopt(host.command().env("JOURNAL_STREAM", "8:1").stderr(log).spawn().unwrap());
    host.wait_notified("READY=1");
    host.drop("evil\n<3>a forged line.txt", b"");
    daemon.wait("refused", |_| {
        host.inbox().join("failed").read_dir().is_ok_and(|mut dir| dir.next().is_some())
    });
    assert!(daemon.stop().success());
    let log = std::fs::read_to_string(host.root().join("log")).unwrap();
    assert!(log.lines().all(|line| line.starts_with("<4>") || line.starts_with("<6>")), "{log}");
    let told = log.lines().find(|line| line.starts_with("<4>cannot be taken in file=")).unwrap();
    assert!(told.contains("a forged line.txt") && told.contains("reason="), "{told}");
}
