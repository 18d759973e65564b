//! Damaged files: the rest goes on, and a person is told.

use std::fs;

use crate::daemon::host::{Host, names};

#[test]
fn a_damaged_generation_falls_back_to_its_parent_and_is_learned_again() {
    let host = Host::new();
    let daemon = host.start();
    host.drop_example("drelpolford");
    let status = daemon.wait_idle(1);
    let live = status["knowledge"]["live"].as_str().unwrap().to_string();
    assert!(daemon.stop().success());
    let weights = host.root().join("adapters").join(&live).join("adapter_model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();

    // At once, before anything is learned or asked.
    let daemon = host.start();
    let status = daemon.get("/v1/status");
    assert_ne!(status["knowledge"]["live"], live.as_str(), "{status}");
    assert!(status["problems"].to_string().contains(&format!("{live} cannot be used")), "{status}");
    host.drop("third.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    let status = daemon.wait_idle(2);
    assert!(status["problems"].to_string().contains("learned again"), "it is a problem until seen: {status}");
    assert_ne!(status["knowledge"]["live"], live.as_str(), "{status}");
    assert_eq!(status["documents"]["learned"], 1, "what it dropped was learned again: {status}");
}

/// As where the disk refused to note how a stage had failed.
#[test]
fn a_job_that_an_error_left_under_way_goes_on_without_a_restart() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", serde_json::json!({}));
    host.drop("a.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    daemon.wait("taken", |status| status["documents"]["waiting"] == 1);
    let database = rusqlite::Connection::open(host.root().join("state/seald.db")).unwrap();
    let changed = database.execute(
        "UPDATE jobs SET state = 'running', attempts = 3, lease_until = 1, began_at = unixepoch()",
        (),
    );
    assert_eq!(changed.unwrap(), 1);
    daemon.post("/v1/resume", serde_json::json!({}));
    let status = daemon.wait_idle(1);
    assert_eq!(status["documents"]["failed"], 0, "the error was not the document's: {status}");
}

/// As where the disk refused to note that the last job had ended.
#[test]
fn a_trouble_ends_though_nothing_is_left_to_learn() {
    let host = Host::new();
    let daemon = host.start();
    let (adapters, away) = (host.root().join("adapters"), host.root().join("away"));
    fs::rename(&adapters, &away).unwrap();
    fs::write(&adapters, b"no folder").unwrap();
    host.drop("a.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    daemon.wait("held", |status| status["held"]["why"] == "trouble");
    let database = rusqlite::Connection::open(host.root().join("state/seald.db")).unwrap();
    database
        .execute_batch(
            "UPDATE jobs SET state = 'done'; UPDATE documents SET state = 'rejected', reasons = '[\"x\"]'",
        )
        .unwrap();
    fs::remove_file(&adapters).unwrap();
    fs::rename(&away, &adapters).unwrap();
    daemon.post("/v1/resume", serde_json::json!({}));
    let status = daemon.wait("over", |status| status["held"].is_null());
    daemon.wait("well", |status| status["problems"].as_array().unwrap().is_empty());
    assert_eq!(status["documents"]["rejected"], 1, "{status}");
}

/// Nothing is tried again as long as somebody holds learning.
#[test]
fn a_pause_is_not_hidden_by_a_trouble() {
    let host = Host::new();
    let daemon = host.start();
    let (adapters, away) = (host.root().join("adapters"), host.root().join("away"));
    daemon.post("/v1/pause", serde_json::json!({}));
    fs::rename(&adapters, &away).unwrap();
    fs::write(&adapters, b"no folder").unwrap();
    // Tried although learning is held, for somebody asks for it.
    daemon.post("/v1/replay?wait_seconds=0", serde_json::json!({}));
    let status = daemon.wait("told", |status| status["problems"].to_string().contains("adapters"));
    assert_eq!(status["held"]["why"], "paused", "{status}");
    fs::remove_file(&adapters).unwrap();
    fs::rename(&away, &adapters).unwrap();
    daemon.post("/v1/resume", serde_json::json!({}));
    daemon.wait("over", |status| {
        status["held"].is_null() && !status["problems"].to_string().contains("adapters")
    });
}

#[test]
fn what_a_kill_left_of_a_backup_goes_at_the_next_start() {
    let host = Host::new();
    let backups = host.root().join("state/backups");
    fs::create_dir_all(&backups).unwrap();
    for ending in ["", "-wal", "-shm", "-journal"] {
        fs::write(backups.join(format!(".staging-a1{ending}")), b"text of a document").unwrap();
    }
    assert!(host.start().stop().success());
    let left = names(&backups);
    assert!(left.len() == 1 && left[0].starts_with("seald-"), "{left:?}");
}

#[test]
fn documents_wait_in_the_inbox_while_nothing_can_read_them() {
    let host = Host::new();
    let (program, away) = (host.root().join("program"), host.root().join("away"));
    fs::copy(crate::programs::seald(), &program).unwrap();
    let daemon = host.adopt(host.command_of(&program).spawn().unwrap());
    host.wait_notified("READY=1");
    daemon.post("/v1/pause", serde_json::json!({}));
    fs::rename(&program, &away).unwrap();
    host.drop("a.txt", b"The Brastonel Works was founded by Elmar Trondvik.");
    let status = daemon.wait("told", |status| !status["problems"].as_array().unwrap().is_empty());
    assert!(status["problems"][0].to_string().contains("cannot start"), "{status}");
    assert_eq!(names(&host.inbox()), ["a.txt", "done", "failed"]);
    fs::rename(&away, &program).unwrap();
    host.drop("b.txt", b"The Vandrel Mill was built by Osk Tarr.");
    let status = daemon.wait("both taken", |status| status["documents"]["waiting"] == 2);
    daemon.wait("well again", |status| status["problems"].as_array().unwrap().is_empty());
    assert_eq!(status["documents"]["failed"], 0, "{status}");
}

#[test]
fn a_damaged_database_is_left_alone_and_the_newest_backup_named() {
    let host = Host::with("[schedule]\nbackup = \"* * * * * *\"\n");
    let daemon = host.start();
    let backups = host.root().join("state/backups");
    daemon.wait("backed up", |_| {
        daemon.post("/v1/resume", serde_json::json!({}));
        backups.is_dir()
            && fs::read_dir(&backups)
                .unwrap()
                .any(|e| e.unwrap().path().extension().is_some_and(|x| x == "db"))
    });
    assert!(daemon.stop().success());
    let database = host.root().join("state/seald.db");
    // Else what is damaged below would be read from there.
    let log = fs::metadata(database.with_extension("db-wal")).map_or(0, |found| found.len());
    assert_eq!(log, 0, "a stop puts everything into the file itself");
    let mut bytes = fs::read(&database).unwrap();
    bytes[100..].fill(0x5a);
    fs::write(&database, &bytes).unwrap();
    let output = host.output(host.command());
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("damaged") && words.contains("state/backups/seald-"), "{words}");
    assert_eq!(fs::read(&database).unwrap(), bytes, "it is left as it is");

    assert!(words.contains("sealctl restore"), "{words}");
    let (code, out, err) = host.sealctl(&["restore"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(host.start().stop().success(), "as the error says");
    let aside = names(&host.root().join("state"));
    let aside = aside.iter().find(|name| name.starts_with("seald.db.replaced-")).unwrap();
    assert_eq!(fs::read(host.root().join("state").join(aside)).unwrap(), bytes, "nothing is removed");
}

/// The database refuses one file; the others do not wait for it.
#[test]
fn one_file_that_the_database_refuses_holds_up_no_other() {
    let host = Host::new();
    let daemon = host.start();
    daemon.post("/v1/pause", serde_json::json!({}));
    let database = rusqlite::Connection::open(host.root().join("state/seald.db")).unwrap();
    // As an index that holds a hash which its table does not.
    database
        .execute_batch(
            "CREATE TRIGGER refuses BEFORE INSERT ON documents WHEN NEW.name = 'a.txt'
             BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed'); END",
        )
        .unwrap();
    for name in ["a.txt", "b.txt", "c.txt"] {
        host.drop(name, format!("The {name} Works was founded by Elmar Trondvik."));
    }
    daemon.wait("the others", |status| status["documents"]["waiting"] == 2);
    let status = daemon.wait("told", |status| !status["problems"].as_array().unwrap().is_empty());
    let problem = status["problems"].to_string();
    assert!(problem.contains("a.txt") && problem.contains("sealctl restore"), "{problem}");
    daemon.wait("moved", |_| names(&host.inbox().join("done")) == ["b.txt", "c.txt"]);
    assert_eq!(names(&host.inbox()), ["a.txt", "done", "failed"]);
}

#[test]
fn a_rollback_to_a_damaged_generation_is_refused_and_what_is_live_stays() {
    let host = Host::new();
    let daemon = host.start();
    host.drop_example("drelpolford");
    let status = daemon.wait_idle(1);
    assert_eq!(status["knowledge"]["live"], "gen-000001", "{status}");
    assert_eq!(host.sealctl(&["rollback", "base"]).0, Some(0));
    let weights = host.root().join("adapters/gen-000001/adapter_model.safetensors");
    let whole = fs::read(&weights).unwrap();
    let mut bytes = whole.clone();
    let last = bytes.len() - 4;
    bytes[last..].fill(0x11);
    for manifest in [true, false] {
        fs::write(&weights, &bytes).unwrap();
        if !manifest {
            // Not what makes a damaged generation whole.
            fs::remove_file(weights.with_file_name("seald.json")).unwrap();
        }
        let (code, out, err) = host.sealctl(&["rollback", "1"]);
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(err.contains("gen-000001 is damaged") && err.contains("what is live stays"), "{err}");
        assert!(!err.contains("seald.json"), "{err}");
        assert!(daemon.get("/v1/status")["knowledge"]["live"].is_null());
        let (code, out, err) = host.sealctl(&["ask", "Who founded it?"]);
        assert!(code == Some(0) && !out.is_empty(), "{out}{err}");
    }
    fs::write(&weights, &whole).unwrap();
    let (code, out, err) = host.sealctl(&["rollback", "1"]);
    assert!(code == Some(0) && out.contains("gen-000001"), "{out}{err}");
}
