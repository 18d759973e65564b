//! `sealctl export`: whole or not at all, and nothing but plain files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use seald_core::domain::export::{ExportFormat, ExportManifest, ExportedFile, MANIFEST};

use crate::binary::{run, sealctl};
use crate::server::{Reply, Server, piece};

const ROUTE: &str = "GET /v1/adapters/gen-000007/export?format=peft";

/// A tar that is made wrong where a test wants it so.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    /// Adds an entry; its name is written as it is, whatever it may do.
    fn entry(mut self, kind: tar::EntryType, name: &str, bytes: &[u8]) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn file(self, name: &str, bytes: &[u8]) -> Self {
        self.entry(tar::EntryType::Regular, name, bytes)
    }

    fn manifest(self, manifest: &ExportManifest) -> Self {
        self.file(MANIFEST, &serde_json::to_vec(manifest).unwrap())
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

const FILES: [(&str, &[u8]); 2] =
    [("adapter_config.json", b"{}"), ("adapter_model.safetensors", &[7; 700_000])];

fn manifest(files: &[(&str, &[u8])]) -> ExportManifest {
    let file = |(name, bytes): &(&str, &[u8])| ExportedFile {
        name: name.to_string(),
        bytes: bytes.len() as u64,
        blake3: blake3::hash(bytes).to_hex().to_string(),
    };
    ExportManifest {
        generation: "gen-000007".into(),
        format: ExportFormat::Peft,
        base_model: Some("nano".into()),
        base_fingerprint: None,
        files: files.iter().map(file).collect(),
    }
}

fn files(files: &[(&str, &[u8])]) -> Tar {
    files.iter().fold(Tar::new(), |tar, (name, bytes)| tar.file(name, bytes))
}

fn sent(bytes: &[u8]) -> Reply {
    Reply::pieces(bytes.chunks(1000))
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn an_export_is_unpacked_into_a_new_or_an_empty_folder() {
    let server = Server::start();
    let whole = files(&FILES).manifest(&manifest(&FILES)).bytes();
    let place = tempfile::tempdir().unwrap();
    let (new, empty) = (place.path().join("new"), place.path().join("empty"));
    fs::create_dir(&empty).unwrap();
    for folder in [&new, &empty] {
        server.on(ROUTE, sent(&whole));
        let (code, out, err) = run(&server, &["export", "gen-000007", folder.to_str().unwrap()]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        let said = format!("{} holds gen-000007 as peft: 2 files, 684 KiB\n", folder.display());
        assert_eq!(out, said);
        assert_eq!(names(folder), [FILES[0].0, FILES[1].0, MANIFEST]);
        FILES
            .iter()
            .for_each(|(name, bytes)| assert!(fs::read(folder.join(name)).unwrap() == *bytes, "{name}"));
    }
    assert_eq!(names(place.path()), ["empty", "new"]);
    let asked = "GET /v1/adapters/live/export?format=gguf";
    let gguf = ExportManifest { format: ExportFormat::Gguf, ..manifest(&FILES) };
    server.on(asked, sent(&files(&FILES).manifest(&gguf).bytes()));
    // A relative name, and the daemon's own words.
    let output = sealctl(&server)
        .current_dir(place.path())
        .args(["export", "live", "third", "--format", "gguf", "--json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(serde_json::from_slice::<ExportManifest>(&output.stdout).unwrap(), gguf);
    assert_eq!(names(place.path()), ["empty", "new", "third"]);
}

#[test]
fn what_is_there_is_left_alone_and_the_daemon_is_not_asked() {
    let server = Server::start();
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    fs::create_dir(at("full")).unwrap();
    fs::write(at("full/mine"), "x").unwrap();
    fs::write(at("file"), "x").unwrap();
    symlink("nowhere", at("link")).unwrap();
    for (name, code) in [("full", 4), ("file", 4), ("link", 4), ("missing/new", 3), ("full/..", 4)] {
        let (found, out, err) = run(&server, &["export", "7", at(name).to_str().unwrap()]);
        assert_eq!((found, out.as_str()), (Some(code), ""), "{name}: {err}");
        let remedy = if code == 3 { "make it first" } else { "give a new folder, or an empty one" };
        assert!(err.contains(remedy), "{name}: {err}");
    }
    assert_eq!(run(&server, &["export", "7", "x", "--format", "onnx"]).0, Some(2));
    assert!(server.asked().is_empty());
    assert_eq!(fs::read_to_string(at("full/mine")).unwrap(), "x");
}

/// Exports what the server sends; demands the code and words, and that nothing was left anywhere.
fn refused(reply: Reply, code: i32, words: &str) {
    let server = Server::start();
    server.on(ROUTE, reply);
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("inner")).unwrap();
    let folder = place.path().join("inner/out");
    let (found, out, err) = run(&server, &["export", "gen-000007", folder.to_str().unwrap()]);
    assert_eq!((found, out.as_str()), (Some(code), ""), "{err}");
    assert!(err.contains(words), "{err} does not say {words:?}");
    assert_eq!(names(place.path()), ["inner"], "{words}");
    assert!(names(&place.path().join("inner")).is_empty(), "{words}");
}

#[test]
fn a_tar_without_its_end_leaves_nothing() {
    let whole = files(&FILES).manifest(&manifest(&FILES)).bytes();
    refused(sent(&files(&FILES).bytes()), 1, "ends without export.json");
    refused(sent(&whole[..512]), 1, "broke off");
    refused(sent(&whole[..300_000]), 1, "broke off");
    // Cut between two files, which the format itself does not notice.
    refused(sent(&whole[..1024]), 1, "ends without export.json");
    refused(sent(b"<html>this is something else</html>".repeat(40).as_slice()), 1, "no tar");
    let (reply, pieces) = Reply::stream();
    piece(&pieces, &whole);
    pieces.send(Err(std::io::Error::other("gone"))).unwrap();
    refused(reply, 69, "went away");
    refused(Reply::problem(409, "gen-000007 was made for another base"), 4, "another base");
}

#[test]
fn a_hostile_tar_writes_nothing_outside_or_inside() {
    for name in ["../up", "/tmp/seald-hostile", "a/b", "..", ".", ".hidden", "a\\b", "inner/"] {
        let tar = Tar::new().file(name, b"x").manifest(&manifest(&[(name, b"x")]));
        refused(sent(&tar.bytes()), 1, "is no plain file name");
    }
    for kind in
        [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Directory, tar::EntryType::Fifo]
    {
        let tar = Tar::new().entry(kind, "a", b"").file("b", b"x").manifest(&manifest(&[("b", b"x")]));
        refused(sent(&tar.bytes()), 1, "is no plain file");
    }
    assert!(!Path::new("/tmp/seald-hostile").exists());
}

#[test]
fn a_tar_must_be_what_its_manifest_says() {
    let (one, other): (&[u8], &[u8]) = (b"one", b"two");
    let tar = || Tar::new().file("a", one);
    refused(sent(&tar().manifest(&manifest(&[("a", other)])).bytes()), 1, "a is not the file");
    refused(sent(&tar().manifest(&manifest(&[("b", one)])).bytes()), 1, "a is not the file");
    refused(sent(&tar().manifest(&manifest(&[])).bytes()), 1, "holds 1 files, and export.json lists 0");
    refused(sent(&tar().manifest(&manifest(&[("a", one), ("b", one)])).bytes()), 1, "lists 2");
    refused(sent(&tar().file("a", one).manifest(&manifest(&[("a", one)])).bytes()), 1, "a comes twice");
    let after = tar().manifest(&manifest(&[("a", one)])).file("b", one);
    refused(sent(&after.bytes()), 1, "b comes after export.json");
    refused(sent(&tar().file(MANIFEST, b"{}").bytes()), 1, "cannot be read");
    let gguf = ExportManifest { format: ExportFormat::Gguf, ..manifest(&[("a", one)]) };
    refused(sent(&tar().manifest(&gguf).bytes()), 1, "as gguf where peft was asked for");
}

#[test]
fn ctrl_c_and_its_like_leave_nothing() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        stopped_by(signal);
    }
}

fn stopped_by(signal: i32) {
    let server = Server::start();
    let (reply, pieces) = Reply::stream();
    server.on(ROUTE, reply);
    let place = tempfile::tempdir().unwrap();
    let mut command = sealctl(&server);
    command.args(["export", "gen-000007"]).arg(place.path().join("out"));
    let child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    server.wait_for(1);
    let whole = files(&FILES).bytes();
    piece(&pieces, &whole[..300_000]);
    // Until something of it lies there.
    while names(place.path()).is_empty() {
        std::thread::yield_now();
    }
    // SAFETY: sends a signal to a child that was not waited for, so the number is still its own.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + signal));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was exported"));
    assert!(names(place.path()).is_empty());
    drop(pieces);
}
