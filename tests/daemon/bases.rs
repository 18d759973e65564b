//! The base model changes while the daemon runs: what was learned is learned again, and is there at once on the way back.

use std::path::Path;
use std::time::{Duration, Instant};

use seald_engine::embedded::NANO;
use serde_json::{Value, json};

use crate::daemon::host::{Daemon, Host};

/// nano with another number in its last matrix: another model to whoever looks, and as good.
fn twin(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, bytes) in NANO.files() {
        let mut bytes = bytes.to_vec();
        if name == "model.safetensors" {
            // The lowest bits of one weight in bf16.
            let at = bytes.len() - 2;
            bytes[at] ^= 1;
        }
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    std::fs::write(folder.join("README.md"), "---\nlicense: apache-2.0\n---\n").unwrap();
}

/// Waits until the daemon uses that model: for a moment it does not listen.
fn wait_base(daemon: &Daemon<'_>, model: &str) {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(120) {
        if daemon.try_get("/v1/models/local").is_ok_and(|models| models["base"] == model) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{model} is not used");
}

fn document(daemon: &Daemon<'_>) -> (Value, Value) {
    let view = daemon.get("/v1/documents/1");
    (view["state"].clone(), view["contained_in"].clone())
}

#[test]
fn what_was_learned_is_learned_again_on_another_base_and_kept_for_the_way_back() {
    let host = Host::new();
    let twin_at = host.root().join("models/twin");
    twin(&twin_at);
    let twin_at = twin_at.display().to_string();
    let daemon = host.start();
    host.drop_example("drelpolford");
    daemon.wait_idle(1);
    assert_eq!(document(&daemon), (json!("learned"), json!(["gen-000001"])));

    let change =
        |model: &str, preview| daemon.post("/v1/models/local", json!({"model": model, "preview": preview}));
    assert_eq!(change("../twin", true).0, 404);
    assert_eq!(change("nano", false).0, 409);
    let (code, seen) = change("twin", true);
    assert_eq!((code, &seen["learned_again"], &seen["live"]), (200, &json!(1), &Value::Null), "{seen}");
    assert_eq!((&seen["model"]["licence"], &seen["same"]), (&json!("apache-2.0"), &json!(false)));
    assert_eq!(daemon.get("/v1/models/local")["base"], "nano");

    assert_eq!(change("twin", false).0, 202);
    wait_base(&daemon, &twin_at);
    let models = daemon.get("/v1/models/local");
    assert_eq!(models["lineages"].as_array().unwrap().len(), 2, "{models}");
    assert_eq!(models["fetched"], json!(["twin"]));
    assert!(!models["names"].as_array().unwrap().contains(&json!("gen-000001")), "{models}");
    daemon.wait_idle(1);
    assert_eq!(document(&daemon), (json!("learned"), json!(["gen-000001", "gen-000002"])));
    let (code, refused) = daemon.post("/v1/rollback", json!({"to": "gen-000001"}));
    assert!(code == 409 && refused["detail"].as_str().unwrap().contains("nano"), "{refused}");

    // Learned twice: the answer stands on the second.
    let question = json!({"question": "Of which stone is Drelpolford built?"});
    let (code, why) = daemon.post("/v1/why", question);
    let first = &why["documents"][0];
    assert_eq!((code, &first["learned_in"]), (200, &json!("gen-000002")), "{why}");
    assert_eq!(first["share"]["before"]["model"], "base", "{why}");

    // The configuration says nano still: what was learned last decides, also over a restart.
    daemon.stop();
    let daemon = host.start();
    wait_base(&daemon, &twin_at);
    let problems = daemon.get("/v1/status")["problems"].to_string();
    assert!(problems.contains("sealctl models use nano"), "{problems}");

    let (code, seen) = daemon.post("/v1/models/local", json!({"model": "nano"}));
    assert_eq!(
        (code, &seen["live"], &seen["learned_again"]),
        (202, &json!("gen-000001"), &json!(0)),
        "{seen}"
    );
    wait_base(&daemon, "nano");
    let status = daemon.get("/v1/status");
    assert_eq!(
        (&status["knowledge"]["live"], &status["problems"]),
        (&json!("gen-000001"), &json!([])),
        "{status}"
    );
    assert_eq!(document(&daemon).0, "learned");
    // A model that is gone when its turn comes: the daemon says so and goes on.
    let broken = host.root().join("models/broken");
    twin(&broken);
    std::fs::write(broken.join("model.safetensors"), b"no").unwrap();
    let (code, why) = daemon.post("/v1/models/local", json!({"model": "broken"}));
    assert!(code >= 400 && why["detail"].as_str().unwrap().contains("model.safetensors"), "{code} {why}");
    assert!(daemon.stop().success());
}
