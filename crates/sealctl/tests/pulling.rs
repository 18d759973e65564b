//! `sealctl models pull`: a real server that breaks off, lies and refuses; the program killed in the middle.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use sealctl::hub::{Card, Event, Hub as Puller, Target};
use seald_core::Kind;
use seald_core::clock::Clock;
use seald_core::protocol::StatusView;
use serde_json::{Value, json};

use crate::binary::{sealctl, told};
use crate::hub::{Fault, Hub, REPO, TOKEN, WEIGHTS, repo};
use crate::made_up;
use crate::server::{Reply, Server};

const FILES: [&str; 8] = [
    "LICENSE",
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    WEIGHTS,
];

/// `sealctl models pull REPO` with more words, and no daemon.
fn pull(hub: &Hub, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealctl"));
    command.env_clear().env("HF_ENDPOINT", &hub.address).env("HF_TOKEN", TOKEN);
    command.args(["--socket", "/nonexistent/seald.sock", "models", "pull", REPO]).args(args);
    command
}

fn run(hub: &Hub, args: &[&str]) -> (Option<i32>, String, String) {
    told(pull(hub, args).output().unwrap())
}

/// Demands that the folder holds the model and nothing else, and that nothing lies beside it.
fn is_whole(hub: &Hub, folder: &Path) {
    let files = hub.change(|state| state.files.clone());
    for name in FILES {
        assert!(fs::read(folder.join(name)).unwrap() == files[name], "{name}");
    }
    assert_eq!(names(folder).len(), FILES.len() + 1, "{:?}", names(folder));
    assert_eq!(names(folder.parent().unwrap()), [folder.file_name().unwrap().to_str().unwrap()]);
    let card: Card = serde_json::from_slice(&fs::read(folder.join("pulled.json")).unwrap()).unwrap();
    assert!(card.pulled_at.is_some() && card.files.len() == FILES.len(), "{card:?}");
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_model_comes_whole_and_once() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    let to = ["--to", folder.to_str().unwrap()];
    let (code, out, err) = run(&hub, &to);
    assert_eq!(code, Some(0), "{err}");
    is_whole(&hub, &folder);
    assert!(
        out.contains("8 files, 5.5 MiB\nNext: `sealctl --socket /nonexistent/seald.sock models use "),
        "{out}"
    );
    for part in [
        "made-up/nano at main, commit 0123456789ab\n",
        "licence       apache-2.0",
        "files         8, 5.5 MiB",
        "(8 of 8 files)",
    ] {
        assert!(err.contains(part), "{err}");
    }
    assert!(!err.contains("terms") && !err.contains(TOKEN), "{err}");
    let asked = hub.change(|state| state.asked.clone());
    let bearer = Some(format!("Bearer {TOKEN}"));
    assert!(
        asked.iter().filter(|asked| asked.hub).all(|asked| asked.token == bearer),
        "also after a redirect within it"
    );
    assert!(asked.iter().filter(|asked| !asked.hub).all(|asked| asked.token.is_none()) && hub.parts() == [0]);

    // Once more: nothing but the listing and what the model is comes again.
    let (code, out, err) = run(&hub, &[&to[..], &["--json", "--verify"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&object["already_here"], &object["repo"]), (&json!(true), &json!(REPO)));
    assert_eq!(object["files"][7]["name"], WEIGHTS);
    assert_eq!((hub.sent(WEIGHTS), hub.parts().len()), (5_665_888, 1));

    // A bit that fell over is found by --verify, a byte that is missing without it.
    let mut bytes = fs::read(folder.join(WEIGHTS)).unwrap();
    bytes[1_000_000] ^= 4;
    fs::write(folder.join(WEIGHTS), &bytes).unwrap();
    assert_eq!(run(&hub, &to).0, Some(0));
    let (code, _, err) = run(&hub, &[&to[..], &["--verify"]].concat());
    assert!(code == Some(1) && err.contains("model.safetensors is damaged"), "{err}");
    fs::write(folder.join(WEIGHTS), &bytes[1..]).unwrap();
    let (code, _, err) = run(&hub, &to);
    assert!(code == Some(1) && err.contains("5665887 bytes instead of 5665888"), "{err}");

    // What belongs to another commit is left alone.
    hub.change(|state| state.commit = "fedcba9876543210fedcba9876543210fedcba98".into());
    let (code, _, err) = run(&hub, &to);
    assert!(code == Some(4) && err.contains("name another folder with --to"), "{err}");
}

#[test]
fn without_to_it_goes_beneath_the_daemons_folder() {
    let hub = Hub::start();
    let root = tempfile::tempdir().unwrap();
    let server = Server::start();
    let view = StatusView { root: root.path().display().to_string(), ..made_up::idle() };
    server.on("GET /v1/status", Reply::json(&view));
    let mut command = sealctl(&server);
    let (code, out, err) =
        told(command.env("HF_ENDPOINT", &hub.address).args(["models", "pull", REPO]).output().unwrap());
    let folder = root.path().join("models/made-up--nano");
    assert!(code == Some(0) && out.starts_with(folder.to_str().unwrap()), "{out} {err}");
    is_whole(&hub, &folder);
    assert!(hub.change(|state| state.asked.iter().all(|asked| asked.token.is_none())), "nobody gave a token");

    // Where none answers, the folder that was named; where nothing tells, a question.
    let other = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealctl"));
    command
        .env_clear()
        .env("HF_ENDPOINT", &hub.address)
        .args(["models", "pull", REPO, "--root"])
        .arg(other.path());
    assert_eq!(told(command.output().unwrap()).0, Some(0));
    is_whole(&hub, &other.path().join("models/made-up--nano"));
    let (code, _, err) = run(&hub, &[]);
    assert!(code == Some(69) && err.contains("--to"), "{err}");
}

#[test]
fn a_connection_that_breaks_costs_no_byte_twice() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    hub.fail([Fault::Cut(1_000_000), Fault::Cut(2_500_000)]);
    let (code, _, err) = run(&hub, &["--to", folder.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(err.matches("tried again in 0.5 s").count(), 2, "{err}");
    is_whole(&hub, &folder);
    assert_eq!((hub.parts(), hub.sent(WEIGHTS)), (vec![0, 1_000_000, 3_500_000], 5_665_888));
}

#[test]
fn a_pull_that_is_stopped_or_killed_goes_on_where_it_was() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    let to = ["--to", folder.to_str().unwrap()];
    let part = place.path().join("nano.part/model.safetensors.part");
    let mut there = 0;
    for (signal, bytes) in [(libc::SIGINT, 1_000_000), (libc::SIGKILL, 2_000_000)] {
        hub.fail([Fault::Stall(bytes)]);
        let child = pull(&hub, &to).stderr(Stdio::piped()).spawn().unwrap();
        there += bytes;
        hub.wait_for(there);
        // The last of it is still on its way through the socket.
        while fs::metadata(&part).map_or(0, |found| found.len()) < there as u64 {
            std::thread::yield_now();
        }
        if signal == libc::SIGKILL {
            let (code, _, err) = run(&hub, &to);
            assert!(code == Some(4) && err.contains("another process fetches"), "{err}");
        }
        // SAFETY: sends a signal to a child that was not waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
        let output = child.wait_with_output().unwrap();
        if signal == libc::SIGINT {
            assert_eq!(output.status.code(), Some(130));
            assert!(String::from_utf8_lossy(&output.stderr).contains("Stopped. What came is kept"));
        }
        assert!(!folder.exists());
    }
    let (code, _, err) = run(&hub, &to);
    assert_eq!(code, Some(0), "{err}");
    is_whole(&hub, &folder);
    assert_eq!((hub.parts(), hub.sent(WEIGHTS)), (vec![0, 1_000_000, 3_000_000], 5_665_888));
    let sizes = hub.change(|state| state.files.clone());
    for name in FILES.into_iter().filter(|name| *name != "config.json") {
        assert_eq!(hub.sent(name), sizes[name].len(), "{name}");
    }
}

#[test]
fn wrong_bytes_are_fetched_again_once() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    let to = ["--to", folder.to_str().unwrap()];
    hub.fail([Fault::Wrong, Fault::Wrong]);
    let (code, out, err) = run(&hub, &to);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.contains("model.safetensors came damaged") && err.contains("came twice with other bytes"),
        "{err}"
    );
    assert!(!folder.exists() && !place.path().join("nano.part/model.safetensors.part").exists());
    hub.fail([Fault::Wrong]);
    assert_eq!(run(&hub, &to).0, Some(0));
    is_whole(&hub, &folder);
}

/// Fetches within this process, without a second attempt.
fn try_once(hub: &Hub, folder: &Path) -> seald_core::Result<Card> {
    let puller = Puller::open(hub.site(), 0)?;
    let mut quiet = |_: Event<'_>| {};
    let model = puller.look(&repo(), "main", &mut quiet)?;
    puller.pull(&model, &Target::new(folder)?, &Clock::System, &mut quiet)
}

#[test]
fn what_changed_at_the_hub_begins_again_and_the_rest_is_kept() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    hub.fail([Fault::Cut(3_000_000)]);
    let error = try_once(&hub, &folder).unwrap_err();
    assert!(error.kind() == Kind::Io && error.to_string().contains("the same command goes on"), "{error}");
    hub.change(|state| {
        state.commit = "fedcba9876543210fedcba9876543210fedcba98".into();
        state.files.get_mut(WEIGHTS).unwrap()[0] ^= 1;
        state.files.remove("LICENSE");
    });
    let card = try_once(&hub, &folder).unwrap();
    assert_eq!((hub.parts(), card.files.len()), (vec![0, 0], FILES.len() - 1));
    let files = hub.change(|state| state.files.clone());
    assert!(fs::read(folder.join(WEIGHTS)).unwrap() == files[WEIGHTS] && !folder.join("LICENSE").exists());
    assert_eq!(hub.sent("tokenizer.json"), files["tokenizer.json"].len());
}

#[test]
fn a_server_that_gives_no_parts_sends_all_again() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    hub.fail([Fault::Cut(3_000_000)]);
    assert!(try_once(&hub, &folder).is_err());
    hub.fail([Fault::NoParts]);
    try_once(&hub, &folder).unwrap();
    assert_eq!(hub.parts(), [0, 3_000_000], "and not a third time, for a wrong checksum");
    is_whole(&hub, &folder);
}

#[test]
fn a_server_that_is_not_there_is_asked_a_few_times() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = sealctl::hub::Site::new(&format!("http://{gone}"), None).unwrap();
    let mut told = 0;
    let looked = Puller::open(site, 1).unwrap().look(&repo(), "main", &mut |event| {
        told += usize::from(matches!(event, Event::Again { .. }));
    });
    let error = looked.unwrap_err();
    assert!(error.kind() == Kind::Io && error.to_string().contains("given up after 2 attempts"), "{error}");
    assert_eq!(told, 1);
}

#[test]
fn refusals_say_what_to_do() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    let to = ["--to", folder.to_str().unwrap()];
    let page = format!("{}/{REPO}", hub.address);
    let refusals = [
        ((401, "RepoNotFound", "/api/models/"), 3, ["there is no ", "check the name"]),
        ((404, "RepoNotFound", "/api/models/"), 3, ["there is no ", "check the name"]),
        ((404, "RevisionNotFound", "/api/models/"), 3, ["no such revision", &page]),
        ((401, "", "/api/models/"), 4, ["refuses the token", "check HF_TOKEN"]),
        ((403, "GatedRepo", "/resolve/"), 4, ["is gated: accept its terms at ", &page]),
        ((403, "", "/resolve/"), 4, ["is not for you", &page]),
        ((404, "EntryNotFound", "/resolve/"), 3, ["has no ", "config.json"]),
    ];
    for (refusal, code, parts) in refusals {
        hub.change(|state| state.refusal = Some(refusal));
        let (found, out, err) = run(&hub, &to);
        assert!(found == Some(code) && out.is_empty(), "{refusal:?}: {found:?} {err}");
        assert!(parts.iter().all(|part| err.contains(part)) && !err.contains(TOKEN), "{refusal:?}: {err}");
    }
    hub.change(|state| state.refusal = Some((401, "GatedRepo", "/resolve/")));
    let (_, _, err) = told(pull(&hub, &to).env_remove("HF_TOKEN").output().unwrap());
    assert!(err.contains("then set HF_TOKEN") && err.contains("/settings/tokens"), "{err}");
    hub.change(|state| state.refusal = None);
    assert_eq!(told(pull(&hub, &["x"]).output().unwrap()).0, Some(2));
    assert!(names(place.path()).is_empty(), "nothing was begun");

    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine"), "x").unwrap();
    let (code, _, err) = run(&hub, &to);
    assert!(code == Some(4) && err.contains("holds something else"), "{err}");
    fs::rename(&folder, place.path().join("free.part")).unwrap();
    let (code, _, err) = run(&hub, &["--to", place.path().join("free").to_str().unwrap()]);
    assert!(code == Some(4) && err.contains("is no pull under way"), "{err}");
    assert!(place.path().join("free.part/mine").exists());
}

#[test]
fn what_cannot_work_is_refused_before_it_is_fetched() {
    let hub = Hub::start();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("nano");
    let to = ["--to", folder.to_str().unwrap()];
    let refused = |code: i32, part: &str| {
        let (found, _, err) = run(&hub, &to);
        assert!(found == Some(code) && err.contains(part), "{found:?} {err}");
        assert_eq!(hub.sent(WEIGHTS), 0);
        err
    };
    // More than any disk: what the listing says of it is enough.
    let sibling =
        |name: &str, bytes: u64| json!({"rfilename": name, "size": bytes, "blobId": "0".repeat(40)});
    let with = |weights: Value| json!({"siblings": [sibling("config.json", 6), sibling("tokenizer.json", 6), weights], "gated": "auto"});
    hub.change(|state| state.more = with(sibling(WEIGHTS, 1 << 60)));
    let err = refused(1, "needs 1073741824.0 GiB more");
    assert!(err.contains("Gated: you must accept") && err.contains("licence       not named"), "{err}");
    hub.change(|state| state.more = with(sibling("../../up", 6)));
    refused(1, "outside of the repository");
    hub.change(|state| state.more = with(sibling("pytorch_model.bin", 6)));
    refused(1, "no weights as safetensors");
    hub.change(|state| state.more = json!({"sha": "main"}));
    refused(1, "names no commit");
}
