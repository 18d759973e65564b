//! `backup`, `restore` and `logs` as processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use seald_core::protocol::{BackupView, BackupsView, EventView};

use crate::binary::{run, told};
use crate::made_up;
use crate::server::{Reply, Server};

fn backup(name: &str, error: Option<&str>) -> BackupView {
    let some = error.is_none();
    BackupView {
        path: format!("/var/lib/seald/state/backups/{name}"),
        at: made_up::NOW,
        bytes: 1_572_864,
        documents: some.then_some(12),
        generations: some.then_some(1),
        events: some.then_some(431),
        error: error.map(Into::into),
    }
}

#[test]
fn a_backup_says_where_it_lies_how_large_it_is_and_what_it_holds() {
    let server = Server::start();
    let made = backup("seald-20261122T174000Z.db", None);
    let all = BackupsView {
        folder: "/var/lib/seald/state/backups".into(),
        backups: vec![made.clone(), backup("seald-20261121T030000Z.db", Some("it is\u{1b}[2J damaged"))],
    };
    let none = BackupsView { folder: "/x".into(), backups: vec![] };
    server.on("POST /v1/backups", Reply::json(&made));
    for view in [&all, &all, &none] {
        server.on("GET /v1/backups", Reply::json(view));
    }
    let (code, out, err) = run(&server, &["backup"]);
    let expected =
        "/var/lib/seald/state/backups/seald-20261122T174000Z.db\n1.5 MiB: 12 documents, 1 generation\n";
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), expected, ""));
    let (_, out, _) = run(&server, &["backup", "--list", "--json"]);
    assert_eq!(out, serde_json::to_string(&all).unwrap() + "\n");
    // A list of answers is taken in order, the last again and again.
    let (_, out, _) = run(&server, &["backup", "--list"]);
    let parts = ["1.5 MiB: 12 documents, 1 generation\n", "cannot be used: it is [2J"];
    assert!(parts.iter().all(|part| out.contains(part)) && !out.contains('\u{1b}'), "{out}");
    let (_, out, _) = run(&server, &["backup", "--list"]);
    assert!(out.contains("`sealctl backup` makes one"), "{out}");
    assert_eq!(server.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

/// `seald` beside `sealctl` is started with what was said, whatever the current folder; no daemon is asked.
#[test]
fn restore_is_seald_s_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let copy = |to: &std::path::Path| assert!(fs::copy(env!("CARGO_BIN_EXE_sealctl"), to).unwrap() > 0);
    for folder in ["bin", "alone", "here/state", "here/adapters", "data/seald/state", "empty"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    copy(&at("bin/sealctl"));
    copy(&at("alone/sealctl"));
    fs::write(at("bin/seald"), "#!/bin/sh\nprintf '[%s]' \"$@\"; exit 7\n").unwrap();
    fs::set_permissions(at("bin/seald"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |program: &str, here: &str, args: &[&str]| {
        let mut command = Command::new(at(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("XDG_DATA_HOME", at("data"));
        told(command.current_dir(at(here)).args(args).output().unwrap())
    };
    let (code, out, err) = run("bin/sealctl", "here", &["restore"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(7), "[restore][--root][.]", ""));
    let data = at("data/seald").display().to_string();
    let (_, out, _) = run("bin/sealctl", "empty", &["restore", "--relearn", "--json", "--", "-x.db"]);
    assert_eq!(out, format!("[restore][--root][{data}][--relearn][--json][--][-x.db]"));
    let (_, out, _) = run("bin/sealctl", "here", &["restore", "--config", "/etc/seald/seald.toml"]);
    assert_eq!(out, "[restore][--config][/etc/seald/seald.toml]");
    fs::remove_dir_all(at("data")).unwrap();
    assert_eq!(run("bin/sealctl", "empty", &["restore"]).1, "[restore]", "seald finds the system's itself");
    let (code, _, err) = run("alone/sealctl", "here", &["restore", "a.db"]);
    assert!(code == Some(3) && err.contains("seald restore --root . -- a.db"), "{err}");
    let (code, _, err) = run("bin/sealctl", "here", &["--socket", "/x", "restore"]);
    assert!(code == Some(2) && err.contains("--root"), "{err}");
}

#[test]
fn logs_are_the_kept_events_where_no_journal_has_them() {
    let server = Server::start();
    let event = |id: Option<i64>, kind: &str, body: serde_json::Value| {
        made_up::sse(&EventView { id, at: made_up::NOW, job: None, document: None, kind: kind.into(), body })
    };
    let text = [
        event(Some(1), "refused", serde_json::json!({ "path": "/in/a.pdf", "reason": "it is damaged" })),
        event(None, "progress", serde_json::json!({})),
        event(Some(2), "paused", serde_json::json!({})),
    ]
    .concat();
    // The process of this number is of no service.
    let status = seald_core::protocol::StatusView { pid: std::process::id(), ..made_up::idle() };
    server.on("GET /v1/status", Reply::json(&status));
    server.on("GET /v1/events?last=2&follow=false", Reply::pieces([text.as_bytes()]));
    server.on("GET /v1/events?last=50&follow=false", Reply::pieces([text.as_bytes()]));
    let (code, out, err) = run(&server, &["logs", "-n", "2"]);
    assert_eq!(code, Some(0), "{err}");
    let expected = "2026-11-22 17:40:00  refused: it is damaged; /in/a.pdf\n2026-11-22 17:40:00  paused\n";
    assert_eq!(out, expected);
    assert!(err.contains("the events that") && err.contains("keeps"), "{err}");
    let (_, out, _) = run(&server, &["logs", "--json"]);
    let kinds: Vec<String> =
        out.lines().map(|line| serde_json::from_str::<EventView>(line).unwrap().kind).collect();
    assert_eq!(kinds, ["refused", "paused"]);
}
