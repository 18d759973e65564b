//! What a person asks of it while it works: pause, resume, rollback, retry.

use serde_json::json;

use crate::daemon::host::Host;

#[test]
fn a_pause_holds_over_a_restart_and_resume_goes_on() {
    let host = Host::new();
    let daemon = host.start();
    let (code, paused) = daemon.post("/v1/pause", json!({}));
    assert_eq!((code / 100, &paused["held"]["why"]), (2, &json!("paused")), "at once: {paused}");
    host.drop_example("drelpolford");
    let status = daemon.wait("held", |status| status["documents"]["waiting"] == 1);
    assert_eq!(status["held"]["why"], "paused");
    assert!(daemon.stop().success());
    let daemon = host.start();
    let status = daemon.wait("held again", |status| status["held"]["why"] == "paused");
    assert_eq!(status["model"]["loaded"], false, "nothing to learn, nothing to load");
    daemon.post("/v1/resume", json!({}));
    let status = daemon.wait_idle(1);
    assert_eq!((&status["held"], &status["documents"]["learned"]), (&json!(null), &json!(1)));
}

#[test]
fn a_rollback_drops_what_came_since_and_a_retry_learns_it_again() {
    let host = Host::new();
    let daemon = host.start();
    host.drop_example("drelpolford");
    daemon.wait_idle(1);
    let live = daemon.get("/v1/status")["knowledge"]["live"].clone();
    let (code, done) = daemon.post("/v1/rollback", json!({"to": "base"}));
    assert_eq!((code, &done["from"], &done["to"]), (200, &live, &json!(null)), "{done}");
    assert_eq!(done["dropped"], json!(["Drelpolford"]));
    let document = &daemon.documents()[0];
    assert_eq!(document["state"], "rejected");
    assert!(document["reasons"][0].as_str().unwrap().contains("rolled back"), "{document}");
    assert!(!host.root().join("adapters/live").exists());
    assert_eq!(daemon.post("/v1/rollback", json!({"to": "base"})).0, 409);
    assert_eq!(daemon.post("/v1/rollback", json!({"to": "gen-000099"})).0, 404);
    assert_eq!(daemon.post("/v1/documents/1/retry", json!({})).0 / 100, 2);
    let status = daemon.wait_idle(1);
    assert_eq!(status["knowledge"]["live"], "gen-000002", "{status}");
    assert_eq!(daemon.post("/v1/documents/1/retry", json!({})).0, 409, "the live model knows it");
}

#[test]
fn an_idle_daemon_lets_the_model_go_and_takes_it_up_for_a_question() {
    let host = Host::with("[resources]\nunload_after_seconds = 1\n");
    let daemon = host.start();
    // Huge pages are for a model: whatever else is held takes four times as much in them. Not every system knows of them.
    let huge = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
        status.lines().find_map(|line| line.strip_prefix("THP_enabled:")).map(|value| value.trim() == "1")
    };
    assert_ne!(huge(), Some(true), "before a model is used");
    let (code, answer) = daemon.post("/v1/ask", json!({"question": "What are you?"}));
    assert!(code == 200 && answer["model"] == "base", "{answer}");
    assert_eq!(daemon.get("/v1/status")["model"]["loaded"], true);
    assert_ne!(huge(), Some(false), "while it is in memory");
    daemon.post("/v1/resume", json!({}));
    daemon.wait("unloaded", |status| status["model"]["loaded"] == false);
    daemon.wait("without huge pages once the model is gone", |_| huge() != Some(true));
    assert_eq!(daemon.post("/v1/ask", json!({"question": "What are you?"})).1["answer"], answer["answer"]);
}
