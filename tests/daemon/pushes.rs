//! Generations given to vLLM's server, or to what answers as it was recorded to: each that goes live, and the newest alone.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use seald::pipeline::{self, Root};
use serde_json::{Value, json};

use crate::daemon::host::Host;
use crate::vllm::{Version, Vllm};

const UNLOAD: &str = "POST /v1/unload_lora_adapter {\"lora_name\":\"seald\"}";

fn load(path: &Path) -> String {
    format!("POST /v1/load_lora_adapter {{\"lora_name\":\"seald\",\"lora_path\":\"{}\"}}", path.display())
}

/// The events about servers that were kept: kind and generation.
fn events(root: &Path, url: &str) -> Vec<(String, Value)> {
    let store = pipeline::open_database(&Root::open(root).unwrap()).unwrap();
    let events = store.events_after(0, 1_000).unwrap().into_iter().map(|row| row.event);
    events.filter(|e| e.body["url"] == url).map(|e| (e.kind, e.body["generation"].clone())).collect()
}

#[test]
fn servers_are_told_what_is_live_and_hold_up_nothing() {
    let well = Vllm::start(Version::New);
    // One that listens and never answers, and one that is down.
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let servers = [well.url(), format!("http://{}", hangs.local_addr().unwrap()), format!("http://{down}")];
    let tables: String =
        servers.iter().map(|url| format!("[[serve_to]]\nurl = \"{url}\"\ntimeout_seconds = 600\n")).collect();
    let host = Host::with(&tables);
    let daemon = host.start();
    well.wait_for(UNLOAD);
    let status = daemon.wait("told and refused", |status| {
        status["serve_to"][0]["at"].is_number() && status["serve_to"][2]["error"].is_string()
    });
    let shown = &status["serve_to"];
    assert_eq!((&shown[0]["url"], &shown[0]["name"]), (&json!(servers[0]), &json!("seald")), "{shown}");
    assert_eq!((&shown[0]["generation"], &shown[0]["error"]), (&Value::Null, &Value::Null), "{shown}");
    assert_eq!(
        (&shown[1]["at"], &shown[1]["error"]),
        (&Value::Null, &Value::Null),
        "it is waited for: {shown}"
    );
    assert!(shown[2]["error"].as_str().unwrap().contains("refuses the connection"), "{shown}");
    assert!(shown[2]["again_at"].is_number() && shown[2]["failures"].as_u64() >= Some(1), "{shown}");

    host.drop_example("drelpolford");
    daemon.wait_idle(1);
    well.wait_for(&load(&host.root().join("adapters/gen-000001")));
    let status = daemon.wait("served", |status| status["serve_to"][0]["generation"] == "gen-000001");
    assert!(well.adapters()["seald"].ends_with("/adapters/gen-000001"), "{status}");

    // Another generation goes out at once, also to one whose next attempt is a pause away.
    let up = Vllm::on(TcpListener::bind(down).unwrap(), Version::Old);
    assert_eq!(daemon.post("/v1/rollback", json!({"to": "base"})).0, 200);
    up.wait_for(UNLOAD);
    daemon.wait("well", |status| {
        let told = |at: usize| &status["serve_to"][at];
        told(0)["generation"].is_null() && told(2)["at"].is_number() && told(2)["error"].is_null()
    });
    assert!(well.adapters().is_empty() && up.adapters().is_empty());

    let metrics = daemon.get("/metrics");
    let line = format!("seald_serve_to_generation{{url=\"{}\",name=\"seald\"}} 0", servers[0]);
    assert!(metrics.as_str().unwrap().contains(&line), "{metrics}");
    assert!(metrics.as_str().unwrap().contains("seald_serve_to_failures_total"), "{metrics}");
    let started = Instant::now();
    assert!(daemon.stop().success());
    assert!(started.elapsed() < Duration::from_secs(10), "a server that hangs is not waited for");
    drop(hangs);
    let event = |kind: &str, generation: Value| (kind.to_string(), generation);
    let (base, one) = (|| event("served", Value::Null), || event("served", json!("gen-000001")));
    assert_eq!(events(&host.root(), &servers[0]), [base(), one(), base()]);
    assert_eq!(events(&host.root(), &servers[2]), [event("serving_failed", json!("the base")), base()]);
}
