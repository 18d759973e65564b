//! Exports over the socket: which generation, what goes wrong before and midway, and clients that leave.

use std::io::Write;

use http_body_util::BodyExt;
use seald::api::Export;
use seald_core::domain::export::ExportFormat;
use seald_core::domain::ids::GenerationId;
use seald_core::{Error, Kind};
use tokio::sync::mpsc::unbounded_channel;

use crate::api::daemon::{Daemon, patiently, request};
use crate::api::reading::five;

/// Generations 1 and 2 exist, the second is live; what is exported are their names.
async fn daemon() -> Daemon {
    let export: Export = Box::new(|id, format| {
        let text = format!("{} as {format}", id.folder());
        Ok(Box::new(move |out| {
            out.write_all(text.as_bytes()).map_err(|e| Error::new(Kind::Io, "no").with_source(e))
        }))
    });
    Daemon::exporting(five, export).await
}

#[tokio::test]
async fn a_generation_leaves_by_each_of_its_names() {
    let daemon = daemon().await;
    for (path, said) in [
        ("gen-000001/export", "gen-000001 as peft"),
        ("1/export?format=peft", "gen-000001 as peft"),
        ("2/export?format=merged", "gen-000002 as merged"),
        ("live/export?format=gguf", "gen-000002 as gguf"),
        ("live/export?format=ollama", "gen-000002 as ollama"),
    ] {
        let answer = daemon.get(&format!("/v1/adapters/{path}")).await;
        assert_eq!((answer.status, answer.text()), (200, said), "{path}");
        assert_eq!(answer.headers["content-type"], "application/x-tar");
        let name = format!("attachment; filename=\"{}.tar\"", said.replace(" as ", "-"));
        assert_eq!(answer.headers["content-disposition"], name.as_str());
    }
}

#[tokio::test]
async fn what_cannot_leave_is_said() {
    let daemon = daemon().await;
    let problem = async |path: &str, status, kind: &str, words: &str| {
        daemon.get(&format!("/v1/adapters/{path}")).await.is_problem(status, kind, words);
    };
    problem("base/export", 409, "conflict", "nothing to export").await;
    problem("gen-000009/export", 404, "not-found", "9").await;
    problem("newest/export", 400, "invalid", "is no generation").await;
    problem("1/export?format=onnx", 400, "invalid", "unknown variant `onnx`").await;
    problem("1/export?form=gguf", 400, "invalid", "takes format").await;
    let fresh = Daemon::start(|_| {}).await;
    fresh.get("/v1/adapters/live/export").await.is_problem(409, "conflict", "the base model is live");
    let damaged: Export = Box::new(|_, _| Err(Error::new(Kind::Conflict, "made for another base model")));
    let damaged = Daemon::exporting(five, damaged).await;
    damaged.get("/v1/adapters/1/export").await.is_problem(409, "conflict", "another base model");
}

#[tokio::test]
async fn an_export_that_fails_midway_has_no_end() {
    let broken: Export = Box::new(|_, _| {
        Ok(Box::new(|out| {
            out.write_all(&vec![7; 3 << 20]).unwrap();
            Err(Error::new(Kind::Io, "the disk is gone"))
        }))
    });
    let daemon = Daemon::exporting(five, broken).await;
    let mut client = daemon.unix().await;
    let response = client.sender.send_request(request("GET", "/v1/adapters/1/export", b"")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(patiently(response.into_body().collect()).await.is_err(), "a part is not taken for the whole");
}

#[tokio::test]
async fn a_client_that_leaves_stops_it_and_two_are_the_most() {
    let (tell, mut ended) = unbounded_channel();
    let endless: Export = Box::new(move |_: GenerationId, _: ExportFormat| {
        let tell = tell.clone();
        Ok(Box::new(move |out: &mut dyn Write| {
            let mut written: u64 = 0;
            let error = loop {
                match out.write_all(&[7; 4096]) {
                    Ok(()) => written += 4096,
                    Err(e) => break e,
                }
            };
            tell.send(written).unwrap();
            Err(Error::new(Kind::Io, "nobody reads").with_source(error))
        }))
    });
    let daemon = Daemon::exporting(five, endless).await;
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut client = daemon.unix().await;
        let response =
            client.sender.send_request(request("GET", "/v1/adapters/1/export", b"")).await.unwrap();
        readers.push((client, response));
    }
    daemon.get("/v1/adapters/1/export").await.is_problem(503, "busy", "two exports");
    drop(readers);
    for _ in 0..2 {
        let written = patiently(ended.recv()).await.unwrap();
        assert!(written < 64 << 20, "nobody read, and {written} bytes were made");
    }
}
