//! Each refusal with a real file: its kind, and that it names the file and the reason.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use seald_core::error::{Error, Kind};
use seald_ingest::{Limits, extract_in_child};
use tempfile::TempDir;

use crate::ingest::made;
use crate::programs;

fn refusal_within(path: &Path, limits: &Limits) -> Error {
    let error = extract_in_child(programs::seald(), path, limits).unwrap_err();
    let name = path.file_name().unwrap().to_string_lossy();
    assert!(error.to_string().contains(&*name), "does not name the file: {error}");
    assert_eq!(error.to_string().matches(&*name).count(), 1, "names the file twice: {error}");
    error
}

/// That `bytes` in a file of this name are refused so, with these words.
fn refused(name: &str, bytes: &[u8], kind: Kind, words: &[&str]) {
    refused_within(name, bytes, &Limits::default(), kind, words);
}

fn refused_within(name: &str, bytes: &[u8], limits: &Limits, kind: Kind, words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    expect(&refusal_within(&path, limits), kind, words);
}

fn expect(error: &Error, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "no `{word}` in: {error}");
    }
}

#[test]
fn files_that_hold_nothing() {
    refused("a.txt", b"", Kind::Unsupported, &["is empty"]);
    refused("a.md", b" \n\t\n", Kind::Unsupported, &["nothing to learn"]);
    refused("a.md", b"# Only a title\n", Kind::Unsupported, &["nothing to learn"]);
    refused("a.html", b"<html><script>x()</script></html>", Kind::Unsupported, &["nothing to learn"]);
    refused("a.jsonl", b"\n \n", Kind::Unsupported, &["no rows"]);
    refused("a.docx", &made::docx(""), Kind::Unsupported, &["nothing to learn"]);
}

#[test]
fn binary_data_whatever_its_name() {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0; 64]);
    refused("a.txt", &png, Kind::Unsupported, &["image/png"]);
    refused(
        "a.md",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0and more",
        Kind::Unsupported,
        &["binary"],
    );
    let noise: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    refused("a.html", &noise, Kind::Unsupported, &["binary"]);
    refused("a.txt", &made::zip(&[("x", b"y")]), Kind::Unsupported, &["ZIP archive"]);
}

#[test]
fn texts_in_a_wrong_encoding() {
    let broken = b"Gr\xc3\xb6\xc3\x9fe und St\xc3\xa4rke\nein Byte \xff zu viel";
    refused("a.txt", broken, Kind::Corrupt, &["line 2", "UTF-8"]);
    refused("a.html", &[b"\xff\xfe".as_slice(), b"a\0\x00\xd8b\0"].concat(), Kind::Corrupt, &["UTF-16LE"]);
    refused("a.jsonl", b"{\"text\":\"caf\xe9\"}", Kind::Invalid, &["line 1", "UTF-8"]);
}

#[test]
fn types_that_are_not_known() {
    refused("a.xyz", b"some text", Kind::Unsupported, &[".xyz", ".txt"]);
    refused("a.pdf", b"some text", Kind::Corrupt, &["pdf", "none inside"]);
    refused("a.docx", b"some text", Kind::Corrupt, &["docx"]);
    let mut old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    old.extend([0; 600]);
    refused("a.doc", &old, Kind::Unsupported, &["save it as DOCX"]);
    old.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    refused("a.docx", &old, Kind::Unsupported, &["encrypted"]);
}

#[test]
fn pdfs_that_show_no_text() {
    refused("a.pdf", &made::encrypted_pdf(), Kind::Unsupported, &["encrypted", "without"]);
    let scanned = made::pdf_of(&["0 0 100 100 re f".to_string()], "", "");
    refused("a.pdf", &scanned, Kind::Unsupported, &["no text layer", "OCR"]);
    refused("a.pdf", b"%PDF-1.7\nand no more", Kind::Corrupt, &["no whole PDF"]);
    let limits = Limits { pages: 2, ..Limits::default() };
    let three = made::pdf(&vec![vec![(12, "A page of text.")]; 3]);
    refused_within("a.pdf", &three, &limits, Kind::Unsupported, &["3 pages", "at most 2"]);
}

#[test]
fn archives_that_are_bombs_or_broken() {
    let zeros = vec![b' '; 64 << 20];
    let bomb = made::zip(&[("word/document.xml", &zeros)]);
    assert!(bomb.len() < 100_000);
    refused("a.docx", &bomb, Kind::Unsupported, &["ZIP archive unpacks to", "save it again"]);
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    refused_within("a.docx", &bomb, &limits, Kind::Unsupported, &["unpacks to 64 MiB"]);
    // The same with a lie about its size, in both places where an archive tells it.
    let mut liar = bomb;
    let size = (64_u32 << 20).to_le_bytes();
    for at in 0..liar.len() - 4 {
        if liar[at..at + 4] == size {
            liar[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
        }
    }
    let error = {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("liar.docx");
        fs::write(&path, &liar).unwrap();
        refusal_within(&path, &Limits::default())
    };
    assert!([Kind::Unsupported, Kind::Corrupt].contains(&error.kind()), "{error}");
    let whole = made::docx("<w:p/>");
    refused("a.docx", &whole[..whole.len() - 30], Kind::Unsupported, &["ZIP archive", "damaged"]);
    refused("a.docx", &made::docx("<w:p></w:r>"), Kind::Corrupt, &["XML is damaged"]);
}

#[test]
fn deep_nesting() {
    refused("a.html", "<div>".repeat(1 << 20).as_bytes(), Kind::Unsupported, &["nested"]);
    refused("a.docx", &made::docx(&"<w:p>".repeat(100_000)), Kind::Unsupported, &["nested"]);
    let row = format!("{{\"text\":{}", "[".repeat(100_000));
    refused("a.jsonl", row.as_bytes(), Kind::Invalid, &["line 1"]);
    let inside = format!("{{\"text\":\"a\",\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    // Keys that are not ours are skipped, and Markdown stays as it is: both may nest as they like.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    fs::write(&path, inside).unwrap();
    assert_eq!(crate::ingest::read(&path).text, "a");
    let path = dir.path().join("a.md");
    fs::write(&path, format!("{} deep", ">".repeat(10_000))).unwrap();
    assert_eq!(crate::ingest::read(&path).title, "a");
}

#[test]
fn broken_rows_name_their_line() {
    let rows = b"{\"text\":\"Good.\"}\n\n{\"text\":\"Cut off";
    refused("a.jsonl", rows, Kind::Invalid, &["line 3"]);
    refused("a.jsonl", b"{\"title\":\"no text\"}", Kind::Invalid, &["line 1", "text"]);
    refused(
        "a.jsonl",
        b"{\"text\":\"a\"}\n{\"text\":\" \"}",
        Kind::Unsupported,
        &["line 2", "nothing to learn"],
    );
    let limits = Limits { rows: 1, ..Limits::default() };
    let two = b"{\"text\":\"a\"}\n{\"text\":\"b\"}";
    refused_within("a.jsonl", two, &limits, Kind::Unsupported, &["more than 1 rows"]);
}

#[test]
fn files_and_texts_that_are_too_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.txt");
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let error = refusal_within(&path, &Limits::default());
    expect(&error, Kind::Unsupported, &["1.0 GiB", "32 MiB", "split"]);
    let limits = Limits { text_chars: 100, ..Limits::default() };
    let text = "word ".repeat(21);
    refused_within("a.txt", text.as_bytes(), &limits, Kind::Unsupported, &["at most 100"]);
}

#[test]
fn what_is_no_regular_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let refuse =
        |path: PathBuf, kind, words: &[&str]| expect(&refusal_within(&path, &Limits::default()), kind, words);
    fs::write(at("real.txt"), "some text").unwrap();
    symlink(at("real.txt"), at("link.txt")).unwrap();
    refuse(at("link.txt"), Kind::Unsupported, &["symbolic link"]);
    fs::create_dir(at("folder.txt")).unwrap();
    refuse(at("folder.txt"), Kind::Unsupported, &["folder"]);
    let made = std::process::Command::new("mkfifo").arg(at("pipe.txt")).status().unwrap();
    assert!(made.success());
    refuse(at("pipe.txt"), Kind::Unsupported, &["named pipe"]);
    refuse(PathBuf::from("/dev/zero"), Kind::Unsupported, &["device"]);
    refuse(at("missing.txt"), Kind::NotFound, &["cannot read"]);
    fs::set_permissions(at("real.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same.
    if File::open(at("real.txt")).is_err() {
        refuse(at("real.txt"), Kind::Io, &["cannot read"]);
    }
}

/// A program that stands for a child in trouble.
fn child_that(does: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("child.sh");
    fs::write(&path, format!("#!/bin/sh\n{does}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (dir, path)
}

/// What becomes of a document whose child does that once it is to read it.
fn of_child(does: &str, limits: &Limits) -> Error {
    of_program(&format!("echo ready; {does}"), limits)
}

fn of_program(does: &str, limits: &Limits) -> Error {
    let (dir, program) = child_that(does);
    let path = dir.path().join("some.pdf");
    fs::write(&path, "text").unwrap();
    extract_in_child(&program, &path, limits).unwrap_err()
}

#[test]
fn a_child_in_trouble_is_a_reason_and_nothing_more() {
    let limits = Limits::default();
    expect(&of_child("kill -SEGV $$", &limits), Kind::Corrupt, &["some.pdf", "crashed"]);
    expect(&of_child("echo thread panicked >&2; exit 101", &limits), Kind::Corrupt, &["thread panicked"]);
    let memory = of_child("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$", &limits);
    expect(&memory, Kind::Memory, &["more than 1.0 GiB of memory"]);
    expect(&of_child("echo nonsense", &limits), Kind::Unsupported, &["some.pdf"]);
    let endless = Limits { seconds: 1, ..limits };
    expect(&of_child("exec tail -f /dev/null", &endless), Kind::Unsupported, &["longer than 1 s"]);
    let talkative = Limits { text_chars: 0, ..limits };
    of_child("exec cat /dev/zero", &talkative);
}

#[test]
fn a_machine_that_cannot_start_the_child_is_no_fault_of_the_document() {
    let limits = Limits::default();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), "text").unwrap();
    let error =
        extract_in_child(Path::new("/no/such/program"), &dir.path().join("a.txt"), &limits).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    for ends in ["kill -KILL $$", "kill -SEGV $$", "echo cannot load a library >&2; exit 127"] {
        let error = of_program(ends, &limits);
        expect(&error, Kind::Conflict, &["the process that reads documents cannot begin"]);
    }
    // As where somebody bounded all that they start; who may raise any bound is not bounded.
    let raises = "ulimit -v 8000000; ulimit -H -v unlimited";
    if std::process::Command::new("sh").args(["-c", raises]).status().unwrap().success() {
        return;
    }
    let bounded = format!("ulimit -v 8000000; exec {} \"$@\"", programs::seald().display());
    let generous = Limits { memory: 64 << 30, ..limits };
    expect(
        &of_program(&bounded, &generous),
        Kind::Conflict,
        &["7.6 GiB of address space", "ulimit -v", "[reading]"],
    );
}

#[test]
fn what_takes_the_name_of_a_file_that_is_being_read_is_not_read() {
    let (dir, program) = child_that(&format!(
        "mv notes moved; ln -s secret notes; exec {} \"$@\"",
        programs::seald().display()
    ));
    for (folder, text) in [("notes", "What was dropped."), ("secret", "What somebody else may not read.")] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("a.txt"), text).unwrap();
    }
    let in_folder = fs::read_to_string(&program).unwrap();
    let in_folder = in_folder.replacen('\n', &format!("\ncd {}\n", dir.path().display()), 1);
    fs::write(&program, in_folder).unwrap();
    let path = dir.path().join("notes/a.txt");
    let read = extract_in_child(&program, &path, &Limits::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "What somebody else may not read.", "they were swapped");
    assert_eq!(read[0].text, "What was dropped.");
}

#[test]
fn a_child_that_needs_too_much_memory_is_stopped() {
    let limits = Limits { memory: 8 << 20, ..Limits::default() };
    // Within the limit on bytes, but a tree many times as large.
    let page = "<p>a<b>c</b>".repeat(2 << 20);
    refused_within("a.html", page.as_bytes(), &limits, Kind::Memory, &["memory"]);
}
