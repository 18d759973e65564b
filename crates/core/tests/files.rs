//! Atomic files, published directories and the lock: what a reader sees at every point.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use seald_core::Kind;
use seald_core::files::{
    StagedDir, clean_litter, clean_litter_of, lock, name_text, put_in_place, write_atomic,
};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn write_atomic_replaces_and_leaves_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.json");
    write_atomic(&path, b"one").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    write_atomic(&path, b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(dir.path()), ["state.json"]);
}

#[test]
fn write_atomic_names_the_path_it_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let error = write_atomic(&dir.path().join("missing/state.json"), b"x").unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("missing/state.json"), "{error}");

    fs::create_dir(dir.path().join("taken")).unwrap();
    let error = write_atomic(&dir.path().join("taken"), b"x").unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!(names(dir.path()), ["taken"], "the staged file must go when the rename fails");
}

#[test]
fn a_directory_takes_the_place_of_nothing_or_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let [new, empty, full] = ["new", "empty", "full"].map(|name| dir.path().join(name));
    fs::create_dir(&empty).unwrap();
    for target in [&new, &empty] {
        let part = dir.path().join("part");
        fs::create_dir(&part).unwrap();
        fs::write(part.join("a"), "a").unwrap();
        put_in_place(&part, target).unwrap();
        assert!(names(target) == ["a"] && !part.exists());
    }
    fs::write(&full, "a file").unwrap();
    for target in [&new, &full] {
        assert_eq!(put_in_place(&empty, target).unwrap_err().kind(), Kind::Conflict);
    }
    assert_eq!(names(&empty), ["a"]);
}

#[test]
fn a_staged_directory_appears_at_once_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("adapters");
    let staged = StagedDir::new(&parent, "gen-1").unwrap();
    staged.write("a.txt", b"a").unwrap();
    staged.write("deep/b.txt", b"b").unwrap();
    assert!(!parent.join("gen-1").exists());
    assert_eq!(staged.publish().unwrap(), parent.join("gen-1"));
    assert_eq!(fs::read(parent.join("gen-1/deep/b.txt")).unwrap(), b"b");
    assert_eq!(names(&parent), ["gen-1"]);

    let dropped = StagedDir::new(&parent, "gen-2").unwrap();
    dropped.write("a.txt", b"a").unwrap();
    drop(dropped);
    assert_eq!(names(&parent), ["gen-1"]);
}

#[test]
fn an_existing_target_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let late = StagedDir::new(dir.path(), "gen").unwrap();
    // Even an empty directory, which rename(2) alone would replace.
    fs::create_dir(dir.path().join("gen")).unwrap();
    assert_eq!(StagedDir::new(dir.path(), "gen").unwrap_err().kind(), Kind::Conflict);
    let error = late.publish().unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("gen"), "{error}");
    assert_eq!(names(dir.path()), ["gen"]);
}

#[test]
fn replacing_swaps_the_content_and_removes_the_old() {
    let dir = tempfile::tempdir().unwrap();
    // A crash after the rename left this.
    fs::create_dir_all(dir.path().join(".replaced-gen/deep")).unwrap();
    for content in ["old", "new"] {
        let staged = StagedDir::replacing(dir.path(), "gen").unwrap();
        staged.write(content, b"").unwrap();
        staged.publish().unwrap();
    }
    assert_eq!(names(&dir.path().join("gen")), ["new"]);
    assert_eq!(names(dir.path()), ["gen"]);
}

#[test]
fn names_that_leave_the_parent_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["../gen", "a/b", "", "..", "/gen"] {
        assert_eq!(StagedDir::new(dir.path(), name).unwrap_err().kind(), Kind::Invalid, "{name}");
    }
}

#[test]
fn litter_is_removed_and_an_interrupted_replacement_undone() {
    let dir = tempfile::tempdir().unwrap();
    for path in [".staging-gen-3-x/deep", ".replaced-gen-1", ".replaced-gen-2", "gen-2", "keep"] {
        fs::create_dir_all(dir.path().join(path)).unwrap();
    }
    fs::write(dir.path().join(".staging-file"), b"half").unwrap();
    fs::write(dir.path().join(".replaced-gen-1/a"), b"the only copy").unwrap();
    assert_eq!(clean_litter(dir.path()).unwrap().len(), 4);
    assert_eq!(names(dir.path()), ["gen-1", "gen-2", "keep"]);
    assert_eq!(fs::read(dir.path().join("gen-1/a")).unwrap(), b"the only copy");
}

#[test]
fn the_second_holder_of_a_lock_is_told_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("seald.lock");
    let held = lock(&path).unwrap();
    let error = lock(&path).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    drop(held);
    lock(&path).unwrap();
}

#[test]
fn the_litter_of_one_target_is_cleaned_and_its_old_self_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str| std::fs::create_dir(dir.path().join(name)).unwrap();
    for name in [".staging-ck-abc123", ".replaced-ck", ".staging-ck-2-abc123", ".replaced-ck-2", "other"] {
        make(name);
    }
    let target = dir.path().join("ck");
    assert_eq!(clean_litter_of(&target).unwrap().len(), 2);
    let mut left: Vec<String> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [".replaced-ck-2", ".staging-ck-2-abc123", "ck", "other"]);
    assert!(clean_litter_of(&dir.path().join("missing/ck")).unwrap().is_empty());
}

#[test]
fn names_that_are_no_utf8_are_told_apart() {
    use std::os::unix::ffi::OsStrExt;
    let text = |name: &[u8]| name_text(std::ffi::OsStr::from_bytes(name));
    assert_eq!(text("Müller.txt".as_bytes()), "Müller.txt");
    assert_eq!(text(b"M\xfcller.txt"), "M\\xFCller.txt");
    assert_ne!(text(b"M\xfcller.txt"), text(b"M\xf6ller.txt"));
    assert_eq!(text(b"a\xe2\x82"), "a\\xE2\\x82");
}
