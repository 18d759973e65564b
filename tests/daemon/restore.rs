//! Backups by command, and the way back to one: the programs as people use them.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;

use crate::daemon::host::{Host, names};

/// A document that nobody has to learn for this.
fn note(n: usize) -> String {
    format!(
        "The Brastonel Works {n} was founded by Elmar Trondvik {n}. It has its head office in Quellmarn {n}."
    )
}

#[test]
fn what_was_backed_up_comes_back_and_what_came_later_is_told_and_read_again() {
    let host = Host::with("[schedule]\nbackup = \"\"\n");
    let daemon = host.start();
    daemon.post("/v1/pause", serde_json::json!({}));
    host.drop("a.txt", note(1));
    daemon.wait("one stored", |status| status["documents"]["waiting"] == 1);
    let (code, out, err) = host.sealctl(&["backup"]);
    assert_eq!(code, Some(0), "{err}");
    let (path, holds) = out.split_once('\n').unwrap();
    assert!(fs::metadata(path).unwrap().len() > 0 && holds.contains("1 document, 0 generations"), "{out}");
    host.drop("plans/b.txt", note(2));
    daemon.wait("two stored", |status| status["documents"]["waiting"] == 2);
    daemon.wait("moved", |_| host.inbox().join("done/plans/b.txt").exists());
    fs::create_dir(host.root().join("adapters/gen-000009")).unwrap();

    let (code, _, err) = host.sealctl(&["restore"]);
    let pid = daemon.child.id();
    assert!(code == Some(4) && err.contains(&format!("process {pid}")) && err.contains("kill"), "{err}");
    assert_eq!(daemon.get("/v1/status")["documents"]["waiting"], 2, "nothing happened");
    assert!(daemon.stop().success());

    let (code, out, err) = host.sealctl(&["restore", "--relearn"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let name = path.rsplit('/').next().unwrap();
    for part in [
        name,
        "1 document, 0 generations",
        "replaced-",
        "  plans/b.txt",
        "1 lies in the inbox again",
        "  gen-000009",
        "sealctl doctor",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    assert_eq!(names(&host.inbox().join("plans")), ["b.txt"]);
    let daemon = host.start();
    daemon.wait("two again", |status| status["documents"]["waiting"] == 2);
    let (code, docs, _) = host.sealctl(&["docs"]);
    assert!(code == Some(0) && docs.matches("waiting").count() == 2, "{docs}");
    let listed = daemon.documents();
    let found: Vec<_> =
        listed.iter().map(|one| (one["name"].as_str().unwrap(), one["tag"].as_str())).collect();
    assert_eq!(found, [("b.txt", Some("plans")), ("a.txt", None)]);
    let (code, doctor, _) = host.sealctl(&["doctor"]);
    assert!(code == Some(0) && !doctor.contains("fail"), "{doctor}");
    let (code, listed, _) = host.sealctl(&["backup", "--list"]);
    assert!(code == Some(0) && listed.contains(name), "{listed}");
    assert!(daemon.stop().success());
}

/// As a person does it who never heard of any of this: what was learned after the backup is learned again.
#[test]
fn after_a_restore_what_came_later_is_learned_again() {
    let host = Host::new();
    let daemon = host.start();
    host.drop_example("drelpolford");
    daemon.wait_idle(1);
    assert_eq!(host.sealctl(&["backup"]).0, Some(0));
    host.drop_example("the-storbranck-wind");
    let status = daemon.wait_idle(2);
    assert_eq!(status["knowledge"]["live"], "gen-000002", "{status}");
    assert!(daemon.stop().success());

    let (code, out, err) = host.sealctl(&["--json", "restore", "--relearn"]);
    assert_eq!(code, Some(0), "{err}");
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["unknown_files"], serde_json::json!(["the-storbranck-wind.txt"]), "{report}");
    assert_eq!(report["unknown_adapters"], serde_json::json!(["gen-000002"]), "{report}");
    assert!(report["documents"] == 1 && report["behind"].as_i64().unwrap() > 0, "{report}");
    let daemon = host.start();
    let status = daemon.wait_idle(2);
    assert_eq!(status["knowledge"]["live"], "gen-000002", "learned anew: {status}");
    assert!(host.root().join("adapters/unknown-gen-000002").is_dir());
    assert!(status["problems"].to_string().contains("unknown-gen-000002"), "{status}");
}

#[test]
fn a_restore_that_was_cut_short_is_finished_by_the_daemon() {
    let host = Host::with("[schedule]\nbackup = \"\"\n");
    let daemon = host.start();
    daemon.post("/v1/pause", serde_json::json!({}));
    assert_eq!(host.sealctl(&["backup"]).0, Some(0));
    host.drop("a.txt", note(1));
    daemon.wait("stored", |status| status["documents"]["waiting"] == 1);
    assert!(daemon.stop().success());
    let state = host.root().join("state");
    let backup = fs::read_dir(state.join("backups")).unwrap().next().unwrap().unwrap().path();
    // As a kill leaves it once the old database has gone.
    fs::rename(state.join("seald.db"), state.join("seald.db.replaced-20260101T000000Z")).unwrap();
    fs::copy(backup, state.join("seald.db.restored-20260101T000000Z")).unwrap();
    let doctor =
        Command::new(crate::programs::seald()).args(["doctor", "--root"]).arg(host.root()).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("was cut short"), "{said}");
    let daemon = host.start();
    assert_eq!(daemon.get("/v1/status")["documents"]["waiting"], 0);
    assert!(daemon.stop().success());
    assert!(!names(&state).iter().any(|name| name.contains("restored")), "{:?}", names(&state));
}

/// Root, as with `sudo`, leaves nothing that the service cannot use.
#[test]
fn root_works_as_the_owner_of_the_database() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let host = Host::with("[schedule]\nbackup = \"\"\n");
    let daemon = host.start();
    assert_eq!(host.sealctl(&["backup"]).0, Some(0));
    assert!(daemon.stop().success());
    let (root, service) = (host.root(), 4242);
    // The folder of the test is root's alone.
    fs::set_permissions(root.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut left = vec![root.clone()];
    while let Some(path) = left.pop() {
        chown(&path, Some(service), Some(service)).unwrap();
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    let database = root.join("state/seald.db");
    fs::set_permissions(&database, fs::Permissions::from_mode(0o640)).unwrap();
    fs::remove_file(root.join("state/seald.lock")).unwrap();
    let (code, out, err) = host.sealctl(&["restore"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let found = fs::metadata(&database).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (service, service, 0o640));
    for entry in fs::read_dir(root.join("state")).unwrap().map(|entry| entry.unwrap()) {
        assert_eq!(entry.metadata().unwrap().uid(), service, "{}", entry.path().display());
    }
}
