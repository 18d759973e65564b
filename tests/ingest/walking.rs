//! Folders and sidecars: which files are documents, and the questions beside them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use seald_core::error::Kind;
use seald_ingest::{Limits, collect, is_sidecar, read_probes, sidecar_of};

use crate::ingest::example;

fn folder(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("walk").tempdir().unwrap();
    for name in names {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "text").unwrap();
    }
    dir
}

#[test]
fn folders_give_their_documents_in_order() {
    let dir = folder(&[
        "b.txt",
        "a/z.md",
        "a/y.md",
        ".hidden.txt",
        ".git/x.txt",
        "c.part",
        "d.crdownload",
        "e.txt~",
        "f.tmp",
        "g.swp",
        "~$h.docx",
        "b.probes.jsonl",
        "rows.jsonl",
    ]);
    symlink("b.txt", dir.path().join("again.txt")).unwrap();
    let found = collect(&[dir.path().to_path_buf()]).unwrap();
    let root = dir.path().canonicalize().unwrap();
    let names: Vec<_> = found.iter().map(|p| p.canonicalize().unwrap()).collect();
    let expected: Vec<PathBuf> =
        ["a/y.md", "a/z.md", "b.txt", "rows.jsonl"].iter().map(|n| root.join(n)).collect();
    assert_eq!(names, expected);
    let named = [dir.path().join("f.tmp"), dir.path().join("b.txt"), dir.path().join("b.txt")];
    assert_eq!(collect(&named).unwrap(), named[..2]);
}

#[test]
fn links_out_of_a_folder_and_missing_paths_are_refused() {
    let dir = folder(&["in/a.txt", "out.txt"]);
    symlink("../out.txt", dir.path().join("in/leaves.txt")).unwrap();
    let error = collect(&[dir.path().join("in")]).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("leaves.txt"), "{error}");
    assert_eq!(collect(&[dir.path().join("missing")]).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_sidecar_is_found_beside_its_document() {
    let document = example("drelpolford.txt");
    let sidecar = sidecar_of(&document).unwrap();
    assert_eq!(sidecar, example("drelpolford.probes.jsonl"));
    assert!(is_sidecar(&sidecar) && !is_sidecar(&document));
    assert_eq!([sidecar_of(&sidecar), sidecar_of(&example("vendor-yiawilm.md"))], [None, None]);
    let probes = read_probes(&sidecar, &Limits::default()).unwrap();
    assert_eq!(probes[0].question, "What walls does Drelpolford have?");
    assert_eq!(probes[0].answers, ["crimson slate"]);
    assert_eq!(probes.len(), fs::read_to_string(&sidecar).unwrap().lines().count());
}

#[test]
fn a_bad_row_names_file_and_line() {
    let good = r#"{"question":"Q?","answers":["a","b"]}"#;
    let rows = [
        (r#"{"question":"Q?"}"#.to_string(), "answer"),
        (r#"{"question":" ","answer":"a"}"#.to_string(), "question is empty"),
        (r#"{"question":"Q?","answer":""}"#.to_string(), "answer is empty"),
        (format!(r#"{{"question":"Q?","answer":"{}"}}"#, "a".repeat(1001)), "longer than"),
        (format!(r#"{{"question":"Q?","answers":[{}"a"]}}"#, r#""a","#.repeat(40)), "more than"),
        ("not JSON".to_string(), "expected"),
    ];
    for (row, words) in rows {
        let dir = folder(&[]);
        let path = dir.path().join("x.probes.jsonl");
        fs::write(&path, format!("{good}\n\n{row}\n")).unwrap();
        let error = read_probes(&path, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{error}");
        assert!(!error.to_string().contains("line 1"), "{error}");
        for part in ["x.probes.jsonl", "line 3", words] {
            assert!(error.to_string().contains(part), "no `{part}` in: {error}");
        }
    }
    let few = Limits { rows: 3, ..Limits::default() };
    let error = read_probes(Path::new(&example("drelpolford.probes.jsonl")), &few).unwrap_err();
    assert!(error.to_string().contains("more than 3 rows"), "{error}");
}
