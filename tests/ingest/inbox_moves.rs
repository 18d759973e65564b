//! Where files go: out of the inbox when they were read or failed, and into it through the API.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use seald_core::error::Kind;
use seald_ingest::inbox::{Inbox, InboxOptions};

use crate::ingest::inbox::{Room, names};

fn listing(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn nothing_in_done_is_overwritten() {
    let mut room = Room::new();
    for round in ["one", "two", "three"] {
        fs::create_dir_all(room.at("work")).unwrap();
        fs::write(room.at("work/plan.md"), round).unwrap();
        fs::write(room.at("work/plan.probes.jsonl"), round).unwrap();
        let found = room.only();
        let moved = room.inbox.done(&found).unwrap();
        assert_eq!(fs::read_to_string(moved).unwrap(), round);
    }
    let expected = [
        "plan (2).md",
        "plan (2).md.probes.jsonl",
        "plan (3).md",
        "plan (3).md.probes.jsonl",
        "plan.md",
        "plan.probes.jsonl",
    ];
    assert_eq!(listing(&room.at("done/work")), expected);
    assert_eq!(fs::read(room.at("done/work/plan.md")).unwrap(), b"one");
    assert_eq!(fs::read(room.at("done/work/plan (2).md.probes.jsonl")).unwrap(), b"two");
    let mut listed: Vec<_> = room.inbox.done_listing().unwrap().map(Result::unwrap).collect();
    listed.sort();
    assert_eq!(listed, ["work/plan (2).md", "work/plan (3).md", "work/plan.md"].map(PathBuf::from));
}

#[test]
fn what_was_read_can_be_read_again() {
    let mut room = Room::new();
    fs::create_dir_all(room.at("work")).unwrap();
    fs::write(room.at("work/plan.md"), "one").unwrap();
    fs::write(room.at("work/plan.probes.jsonl"), "{}").unwrap();
    let found = room.only();
    room.inbox.done(&found).unwrap();
    // Somebody tidied up.
    fs::remove_dir(room.at("work")).unwrap();
    let again = Path::new("work/plan.md");
    assert_eq!(room.inbox.read_again(again).unwrap(), room.at("work/plan.md"));
    assert_eq!(listing(&room.at("work")), ["plan.md", "plan.probes.jsonl"]);
    assert!(listing(&room.at("done/work")).is_empty());
    assert_eq!(room.inbox.read_again(again).unwrap_err().kind(), Kind::NotFound);
    for outside in ["../work/plan.md", "/etc/passwd", "work/../../x"] {
        assert_eq!(room.inbox.read_again(Path::new(outside)).unwrap_err().kind(), Kind::Invalid, "{outside}");
    }
    std::os::unix::fs::symlink("/etc", room.at("done/link")).unwrap();
    assert!(room.inbox.read_again(Path::new("link/hostname")).is_err(), "no link is followed");
}

#[test]
fn a_folder_whose_name_a_file_has_gets_a_number() {
    let mut room = Room::new();
    room.drop_file("notes");
    let found = room.only();
    assert_eq!(room.inbox.done(&found).unwrap(), room.at("done/notes"));
    fs::create_dir(room.at("notes")).unwrap();
    room.drop_file("notes/a.md");
    let found = room.only();
    assert_eq!(room.inbox.done(&found).unwrap(), room.at("done/notes (2)/a.md"));
    fs::remove_dir(room.at("notes")).unwrap();
    fs::create_dir(room.at("done/b")).unwrap();
    room.drop_file("b");
    let found = room.only();
    assert_eq!(room.inbox.done(&found).unwrap(), room.at("done/b (2)"));
}

#[test]
fn what_changed_since_the_scan_stays_and_is_found_again() {
    let mut room = Room::new();
    let path = room.drop_file("a.md");
    let found = room.only();
    assert!(found.unchanged());
    fs::write(room.at(".new"), "a newer version").unwrap();
    fs::rename(room.at(".new"), &path).unwrap();
    assert!(!found.unchanged());
    let error = room.inbox.done(&found).unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.to_string().contains("a.md"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"a newer version");
    let again = room.only();
    fs::remove_file(&path).unwrap();
    let error = room.inbox.done(&again).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(room.inbox.failed(&path, "why").unwrap_err().kind(), Kind::NotFound);
    assert!(listing(&room.at("done")).is_empty() && listing(&room.at("failed")).is_empty());
}

#[test]
fn a_shared_sidecar_leaves_with_the_last_document() {
    let mut room = Room::new();
    for name in ["a.md", "a.txt", "a.html", "a.html.probes.jsonl", "a.probes.jsonl"] {
        room.drop_file(name);
    }
    let files = room.settled().files;
    let by_name = |name: &str| files.iter().find(|found| found.relative == Path::new(name)).unwrap();
    assert_eq!(by_name("a.html").sidecar, Some(room.at("a.html.probes.jsonl")));
    assert_eq!(by_name("a.txt").sidecar, Some(room.at("a.probes.jsonl")));
    room.inbox.done(by_name("a.md")).unwrap();
    assert!(room.at("a.probes.jsonl").exists());
    room.inbox.failed(&by_name("a.txt").path, "Broken.").unwrap();
    // `a.html` has one of its own.
    assert!(room.at("failed/a.probes.jsonl").exists());
    room.inbox.done(by_name("a.html")).unwrap();
    assert_eq!(listing(&room.at("done")), ["a.html", "a.html.probes.jsonl", "a.md"]);
}

#[test]
fn a_failed_file_lies_with_its_reason_and_may_come_back() {
    let mut room = Room::new();
    for number in ["", " (2)"] {
        let path = room.drop_file("sub/a.pdf");
        room.drop_file("sub/a.probes.jsonl");
        let moved = room.inbox.failed(&path, "It is damaged: save it again.").unwrap();
        assert_eq!(moved, room.at(format!("failed/sub/a{number}.pdf")));
    }
    let note = fs::read_to_string(room.at("failed/sub/a.pdf.error.txt")).unwrap();
    assert_eq!(
        note,
        "seald could not learn from this file: a.pdf\n\nIt is damaged: save it again.\n\n\
         To try again, put it right and move it back into the inbox. Otherwise both can be removed.\n"
    );
    assert_eq!(listing(&room.at("failed/sub")).len(), 6);
    assert!(listing(&room.at("sub")).is_empty());

    // Everything back into the inbox, with the notes: nobody learns from those.
    for name in listing(&room.at("failed/sub")) {
        fs::rename(room.at("failed/sub").join(&name), room.at(&name)).unwrap();
    }
    room.drop_file("server.error.txt");
    let mut found = room.settled().files;
    found.sort_by(|a, b| a.relative.cmp(&b.relative));
    assert_eq!(names(&found), ["a (2).pdf", "a.pdf", "server.error.txt"]);
    room.inbox.done(&found[0]).unwrap();
    room.inbox.failed(&found[1].path, "Still damaged.").unwrap();
    let left = ["done", "failed", "server.error.txt", "sub"];
    assert_eq!(listing(room.inbox.path()), left, "the old notes go");
    let note = fs::read_to_string(room.at("failed/a.pdf.error.txt")).unwrap();
    assert!(note.contains("Still damaged."), "{note}");
}

#[test]
fn a_note_of_a_file_that_was_taken_back_is_replaced_and_a_users_file_is_not() {
    let room = Room::new();
    for reason in ["First.", "Second."] {
        let moved = room.inbox.failed(&room.drop_file("a.pdf"), reason).unwrap();
        fs::remove_file(moved).unwrap();
    }
    assert_eq!(listing(&room.at("failed")), ["a.pdf.error.txt"]);
    fs::write(room.at("failed/a.pdf.error.txt"), "a user's own").unwrap();
    room.inbox.failed(&room.drop_file("a.pdf"), "Third.").unwrap();
    assert_eq!(listing(&room.at("failed")), ["a (2).pdf.error.txt", "a.pdf", "a.pdf.error.txt"]);
    assert_eq!(fs::read(room.at("failed/a.pdf.error.txt")).unwrap(), b"a user's own");
}

#[test]
fn only_files_of_the_inbox_can_fail() {
    let room = Room::new();
    let outside = room.dir.path().join("x.md");
    fs::write(&outside, "x").unwrap();
    room.drop_file("done/y.md");
    fs::create_dir(room.at("sub")).unwrap();
    for path in [&outside, &room.at("../x.md"), &room.at("done/y.md"), &room.at("sub"), &room.at("")] {
        assert_eq!(room.inbox.failed(path, "why").unwrap_err().kind(), Kind::Invalid, "{}", path.display());
    }
    assert!(outside.exists() && room.at("done/y.md").exists());
}

#[test]
fn names_of_every_kind_and_length_come_through() {
    let mut room = Room::new();
    let long = |ending: &str| [&vec![b'x'; 255 - ending.len()], ending.as_bytes()].concat();
    let kinds: [Vec<u8>; 8] = [
        b"two\nlines.md".to_vec(),
        b"tab\tand \x1b[31mred.md".to_vec(),
        b"not utf-8 \xff\xfe.md".to_vec(),
        "späße ☃.md".into(),
        b"-rf *.md".to_vec(),
        long(".md"),
        long(""),
        ["ä".repeat(126).as_bytes(), b".md"].concat(),
    ];
    for name in &kinds {
        for round in 0..3 {
            let path = room.drop_file(OsStr::from_bytes(name));
            let found = room.only();
            assert_eq!(found.path, path);
            let moved = match round {
                0 | 1 => room.inbox.done(&found).unwrap(),
                _ => room.inbox.failed(&path, "why").unwrap(),
            };
            assert_eq!(fs::read(&moved).unwrap(), *name);
        }
    }
    assert_eq!(listing(&room.at("done")).len(), 2 * kinds.len());
    assert_eq!(listing(&room.at("failed")).len(), 2 * kinds.len());
    let notes = listing(&room.at("failed")).into_iter().filter(|n| n.as_bytes().ends_with(b".error.txt"));
    assert_eq!(notes.count(), kinds.len());

    // Long names that begin alike each keep their note; a sidecar of full length follows into a number.
    for end in ["1", "2"] {
        let path = room.drop_file(OsStr::from_bytes(&long(&format!("{end}.md"))));
        room.inbox.failed(&path, &format!("reason {end}")).unwrap();
    }
    assert_eq!(listing(&room.at("failed")).len(), 2 * kinds.len() + 4);
    for _ in 0..2 {
        let stem = "y".repeat(255 - ".probes.jsonl".len());
        room.drop_file(format!("{stem}.probes.jsonl"));
        room.drop_file(format!("{stem}.md"));
        let found = room.only();
        let moved = room.inbox.done(&found).unwrap();
        assert!(seald_ingest::sidecar_of(&moved).is_some(), "{}", moved.display());
    }
}

#[test]
fn a_non_utf_8_folder_is_a_tag_and_keeps_its_name() {
    let mut room = Room::new();
    let folder = PathBuf::from(OsString::from_vec(b"caf\xe9".to_vec()));
    room.drop_file(folder.join("a.md"));
    let found = room.only();
    assert_eq!(found.tag.as_deref(), Some("caf\\xE9"));
    assert_eq!(room.inbox.done(&found).unwrap(), room.at("done").join(folder).join("a.md"));
}

#[test]
fn what_is_put_lies_there_whole_and_overwrites_nothing() {
    let mut room = Room::new();
    assert_eq!(room.inbox.put("a.md", None, b"one").unwrap(), room.at("a.md"));
    assert_eq!(room.inbox.put("a.md", None, b"two").unwrap(), room.at("a (2).md"));
    let long = "z".repeat(255);
    assert_eq!(room.inbox.put(&long, Some("work"), b"z").unwrap(), room.at("work").join(&long));
    assert!(room.inbox.put(&long, Some("work"), b"z").unwrap().ends_with(format!("{} (2)", "z".repeat(238))));
    assert_eq!(fs::read(room.at("a.md")).unwrap(), b"one");
    assert_eq!(listing(&room.at("work")).len(), 2);
    let mask = fs::metadata(room.drop_file("usual.md")).unwrap().mode();
    assert_eq!(fs::metadata(room.at("a.md")).unwrap().mode(), mask);
    assert_eq!(room.settled().files.len(), 5);

    room.inbox.put("b.probes.jsonl", None, b"{}").unwrap();
    assert_eq!(room.inbox.put("b.probes.jsonl", None, b"{}").unwrap_err().kind(), Kind::Conflict);
    assert_eq!(room.inbox.put("b.md", Some("a.md"), b"x").unwrap_err().kind(), Kind::Conflict);
    std::os::unix::fs::symlink(room.dir.path(), room.at("link")).unwrap();
    assert_eq!(room.inbox.put("b.md", Some("link"), b"x").unwrap_err().kind(), Kind::Conflict);
    let wrong = ["", ".", "..", "a/b", "/a", "../a", ".hidden", "a.part", "a\nb", "a\0b", &"z".repeat(256)];
    for name in wrong {
        assert_eq!(room.inbox.put(name, None, b"x").unwrap_err().kind(), Kind::Invalid, "{name:?}");
        assert_eq!(room.inbox.put("x", Some(name), b"x").unwrap_err().kind(), Kind::Invalid, "{name:?}");
    }
    for tag in ["done", "failed"] {
        assert_eq!(room.inbox.put("x", Some(tag), b"x").unwrap_err().kind(), Kind::Invalid, "{tag}");
    }
    assert!(!listing(room.inbox.path()).iter().any(|name| name.as_bytes().starts_with(b".")));
}

#[test]
fn opening_clears_what_a_crash_left_and_nothing_else() {
    let room = Room::new();
    for name in [".seald-abc", "sub/.seald-def", "done/sub/.seald-ghi", ".seald", ".notes", "a.md"] {
        room.drop_file(name);
    }
    Inbox::open(room.inbox.path(), InboxOptions::default()).unwrap();
    assert_eq!(listing(room.inbox.path()), [".notes", ".seald", "a.md", "done", "failed", "sub"]);
    assert!(listing(&room.at("sub")).is_empty() && listing(&room.at("done/sub")).is_empty());

    let file = room.dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert_eq!(Inbox::open(&file, InboxOptions::default()).unwrap_err().kind(), Kind::Conflict);
    let other = room.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("done"), "x").unwrap();
    let error = Inbox::open(&other, InboxOptions::default()).unwrap_err();
    assert!(error.kind() == Kind::Conflict && error.to_string().contains("other/done"), "{error}");
}
