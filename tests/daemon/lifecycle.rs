//! Starting, stopping, reloading, and being the only one.

use std::process::Stdio;

use crate::daemon::host::Host;

#[test]
fn it_says_when_it_serves_and_ends_cleanly() {
    let host = Host::new();
    let daemon = host.start();
    assert_eq!(daemon.get("/healthz"), "ok");
    let status = daemon.get("/v1/status");
    assert_eq!(status["pid"], daemon.child.id());
    assert_eq!((&status["activity"]["state"], &status["model"]["loaded"]), (&"idle".into(), &false.into()));
    daemon.wait("scheduled", |status| status["next"].as_array().unwrap().len() == 5);
    assert!(status["problems"].as_array().unwrap().is_empty(), "{status}");
    assert!(daemon.stop().success());
    host.wait_notified("STOPPING=1");
    assert!(host.start().stop().success(), "and again, over what the first left");
}

#[test]
fn a_model_that_is_calibrated_first_says_so() {
    let host = Host::new();
    let model = host.root().join("stranger");
    crate::small::stranger(&model);
    host.configure(&format!("model = {model:?}"));
    // What is left open is what a calibration finds.
    let path = host.root().join("seald.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("learning_rates = [3e-3]", "learning_rates = []")).unwrap();
    let daemon = host.start();
    host.drop_example("drelpolford");
    let status = daemon.wait("calibrating", |status| status["activity"]["seconds"].is_number());
    assert_eq!(status["activity"]["state"], "calibrating", "{status}");
    host.wait_notified("STATUS=calibrating the base model");
    assert_eq!(status["documents"]["waiting"], 1, "the document waits for it: {status}");
    assert!(daemon.stop().success());
}

#[test]
fn a_service_manager_that_does_not_read_stops_nothing() {
    let host = Host::new();
    let deaf = host.deaf_manager();
    let mut command = host.command();
    command.env("NOTIFY_SOCKET", deaf.local_addr().unwrap().as_pathname().unwrap());
    let daemon = host.adopt(command.stderr(Stdio::inherit()).spawn().unwrap());
    daemon.wait_listening();
    daemon.wait("serving", |status| status["next"].as_array().unwrap().len() == 5);
    assert!(daemon.stop().success());
}

#[test]
fn a_second_one_on_the_same_root_is_refused_with_the_first_ones_number() {
    let host = Host::new();
    let first = host.start();
    let second = host.output(host.command());
    assert_eq!(second.status.code(), Some(4));
    let words = String::from_utf8_lossy(&second.stderr);
    assert!(words.contains(&format!("process {}", first.child.id())), "{words}");
    assert_eq!(first.get("/healthz"), "ok", "the first one is unharmed");
}

#[test]
fn a_hangup_reads_the_configuration_again() {
    let host = Host::new();
    let daemon = host.start();
    host.configure("[schedule]\nconsolidate = \"\"\nwriter_round = \"\"\nprune = \"\"\nbackup = \"\"\n");
    daemon.signal(libc::SIGHUP);
    host.wait_notified("RELOADING=1");
    host.wait_notified("READY=1");
    // Anything that is asked of the daemon makes it look at its rules.
    daemon.post("/v1/resume", serde_json::json!({}));
    daemon.wait("rescheduled", |status| status["next"].as_array().unwrap().len() == 1);
    host.configure("[schedule]\nreplay = \"nonsense\"\n");
    daemon.signal(libc::SIGHUP);
    host.wait_notified("RELOADING=1");
    host.wait_notified("READY=1");
    let status = daemon.get("/v1/status");
    assert_eq!(status["next"][0]["what"], "replay", "a broken file changes nothing");
}

#[test]
fn a_broken_configuration_is_named() {
    let host = Host::with("[schedule]\nreply = \"0 0 4 * * *\"\n");
    let output = host.output(host.command());
    assert_eq!(output.status.code(), Some(2));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("seald.toml") && words.contains("replay"), "{words}");
}
