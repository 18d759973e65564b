//! Inboxes in awkward places: read-only, partly unreadable, with `done/` on another file system; and its watcher.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use seald_core::error::Kind;
use seald_ingest::inbox::{Inbox, InboxOptions, watch};

use crate::ingest::inbox::{Room, later, names};

/// Long enough that only a hint that never comes runs into it.
const FOR_EVER: Duration = Duration::from_secs(120);

/// Runs `act` with the rights of a user who owns nothing, where we have more: permissions count for root too then.
fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let dropped = move || {
        // SAFETY: it sets this thread's file system identity, and nothing else; the thread ends below. Without the right
        // to do so it does nothing, and then permissions count anyway.
        unsafe { libc::setfsuid(65_534) };
        act()
    };
    std::thread::scope(|scope| scope.spawn(dropped).join().unwrap())
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_inbox_says_so_and_later_files_still_come() {
    let mut room = Room::new();
    allow(room.dir.path(), 0o755);
    for name in ["a.md", "b.md", "c.md"] {
        allow(&room.drop_file(name), 0o644);
    }
    std::os::unix::fs::symlink("a.md", room.at("link.md")).unwrap();
    fs::remove_dir(room.at("failed")).unwrap();
    for folder in ["done", ""] {
        allow(&room.at(folder), 0o555);
    }
    let path = room.at("");
    as_nobody(|| {
        let mut inbox = Inbox::open(&path, InboxOptions::default()).unwrap();
        let scan = inbox.scan(later(60), 1).unwrap();
        let error = inbox.done(&scan.files[0]).unwrap_err();
        assert_eq!(error.kind(), Kind::Io);
        for words in ["a.md", "write to", path.to_str().unwrap().trim_end_matches('/'), "inbox/done"] {
            assert!(error.to_string().contains(words), "no `{words}` in: {error}");
        }
        let (link, why) = &scan.refused[0];
        let error = inbox.failed(link, why).unwrap_err();
        assert!(error.kind() == Kind::Io && error.to_string().contains("inbox/failed"), "{error}");
        assert_eq!(inbox.put("x.md", None, b"x").unwrap_err().kind(), Kind::Io);

        inbox.leave(&scan.files[0].path);
        inbox.leave(link);
        let scan = inbox.scan(later(60), 1).unwrap();
        assert_eq!((names(&scan.files), scan.more, scan.left), (vec!["b.md".into()], 1, 2));
        assert_eq!(scan.refused, []);
    });
    assert!(room.at("a.md").exists());
    // A new version is another file.
    for folder in ["", "done"] {
        allow(&room.at(folder), 0o755);
    }
    room.settled();
    room.inbox.leave(&room.at("a.md"));
    assert_eq!(room.settled().left, 1);
    fs::write(room.at("a.md"), "a new version").unwrap();
    assert_eq!(room.settled().left, 0);
}

#[test]
fn a_folder_that_cannot_be_read_is_reported_and_the_rest_goes_on() {
    let mut room = Room::new();
    allow(room.dir.path(), 0o755);
    room.drop_file("closed/x.md");
    room.drop_file("listed/y.md");
    room.drop_file("open/z.md");
    room.drop_file("done/closed/x.md");
    room.drop_file("done/open/z.md");
    allow(&room.at("closed"), 0o000);
    allow(&room.at("listed"), 0o444);
    allow(&room.at("done/closed"), 0o000);
    let (mut scan, listing) = as_nobody(|| {
        let scan = room.inbox.scan(later(60), 9).unwrap();
        (scan, room.inbox.done_listing().unwrap().collect::<Vec<_>>())
    });
    for name in ["closed", "listed", "done/closed"] {
        allow(&room.at(name), 0o755);
    }
    assert_eq!(names(&scan.files), ["open/z.md"]);
    scan.unreadable.sort();
    let unreadable: Vec<_> = scan.unreadable.iter().map(|(path, _)| path.clone()).collect();
    assert_eq!(unreadable, [room.at("closed"), room.at("listed/y.md")]);
    assert!(
        scan.unreadable.iter().all(|(_, why)| why.contains("read it") && !why.contains("os error")),
        "{:?}",
        scan.unreadable
    );
    let (listed, errors): (Vec<_>, Vec<_>) = listing.into_iter().partition(Result::is_ok);
    assert_eq!(listed.len(), 1);
    assert!(errors[0].as_ref().unwrap_err().to_string().contains("done/closed"));
}

#[test]
fn folders_nested_too_deep_are_reported() {
    let mut room = Room::new();
    room.drop_file(format!("{}x.md", "d/".repeat(64)));
    assert_eq!(room.settled().files.len(), 1);
    room.drop_file(format!("{}y.md", "d/".repeat(65)));
    let scan = room.settled();
    assert_eq!((scan.files.len(), scan.unreadable.len()), (1, 1));
    assert!(scan.unreadable[0].1.contains("64"), "{:?}", scan.unreadable);
}

#[test]
fn an_inbox_that_is_gone_is_an_error() {
    let mut room = Room::new();
    fs::remove_dir_all(room.inbox.path()).unwrap();
    let error = room.inbox.scan(later(0), 9).unwrap_err();
    assert!(error.kind() == Kind::NotFound && error.to_string().contains("inbox"), "{error}");
    assert_eq!(room.inbox.done_listing().unwrap_err().kind(), Kind::NotFound);
}

/// Who may only drop files must not lead ours into other folders.
#[test]
fn links_in_place_of_our_folders_are_not_followed() {
    for name in ["done", "failed", "done/sub", "failed/sub"] {
        let mut room = Room::new();
        let outside = room.dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        if name.ends_with("sub") {
            symlink(&outside, room.at(name)).unwrap();
        } else {
            fs::remove_dir(room.at(name)).unwrap();
            symlink(&outside, room.at(name)).unwrap();
        }
        fs::create_dir(room.at("sub")).unwrap();
        room.drop_file("sub/good.md");
        room.drop_file("sub/seald.db-journal");
        let scan = room.settled();
        for found in &scan.files {
            let moved = match name.starts_with("done") {
                true => room.inbox.done(found),
                false => room.inbox.failed(&found.path, "nothing is known of it"),
            };
            match name.ends_with("sub") {
                // As where a file has the name of the folder.
                true => assert!(moved.unwrap().parent().unwrap().ends_with("sub (2)"), "{name}"),
                false => {
                    let error = moved.unwrap_err();
                    assert_eq!(error.kind(), Kind::Io, "{name}: {error}");
                    let said = format!("{error} {}", std::error::Error::source(&error).unwrap());
                    assert!(said.contains("is a symbolic link, which is not followed: remove it"), "{said}");
                    assert!(found.path.exists(), "{name}");
                }
            }
        }
        assert!(!scan.files.is_empty() && fs::read_dir(&outside).unwrap().next().is_none(), "{name}");
    }
}

#[test]
fn a_folder_that_became_a_link_since_the_scan_is_not_followed() {
    let mut room = Room::new();
    let outside = room.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.md"), "a secret").unwrap();
    fs::create_dir(room.at("sub")).unwrap();
    room.drop_file("sub/a.md");
    let found = room.only();
    fs::rename(room.at("sub"), room.dir.path().join("aside")).unwrap();
    symlink(&outside, room.at("sub")).unwrap();
    assert!(room.inbox.done(&found).is_err());
    assert!(room.inbox.failed(&found.path, "why").is_err());
    assert_eq!(fs::read(outside.join("a.md")).unwrap(), b"a secret");
}

#[test]
fn changes_are_noticed_in_subfolders_until_the_watcher_goes() {
    let room = Room::new();
    fs::create_dir_all(room.at("sub/below")).unwrap();
    let (hints, hinted) = mpsc::channel();
    let hint = move || hints.send(()).unwrap();
    let watcher = watch(room.inbox.path(), hint).unwrap();
    room.drop_file("sub/below/a.md");
    hinted.recv_timeout(FOR_EVER).unwrap();
    drop(watcher);
    // With it goes its end of the channel.
    while hinted.recv_timeout(FOR_EVER).is_ok() {}
    assert_eq!(hinted.recv_timeout(FOR_EVER), Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_link_does_not_make_us_watch_what_it_points_to() {
    let room = Room::new();
    let outside = room.dir.path().join("outside");
    for folder in [&outside, &room.at("sub")] {
        fs::create_dir(folder).unwrap();
    }
    symlink(&outside, room.at("link")).unwrap();
    let _watcher = watch(room.inbox.path(), || {}).unwrap();
    let infos = fs::read_dir("/proc/self/fdinfo").unwrap().flatten();
    let watched: String = infos.filter_map(|info| fs::read_to_string(info.path()).ok()).collect();
    let is_watched =
        |path: &Path| watched.contains(&format!(" ino:{:x} ", fs::metadata(path).unwrap().ino()));
    assert!(is_watched(room.inbox.path()) && is_watched(&room.at("sub")));
    assert!(!is_watched(&outside));
}

#[test]
fn an_inbox_that_is_not_there_cannot_be_watched() {
    let room = Room::new();
    assert_eq!(watch(&room.dir.path().join("missing"), || {}).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_file_is_opened_as_the_scan_saw_it_or_not_at_all() {
    let mut room = Room::new();
    for name in ["a.md", "sub/b.md", "c.md", "d.md", "e.md"] {
        room.drop_file(name);
    }
    let secret = room.dir.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("b.md"), "not for whoever drops files").unwrap();
    let scan = room.inbox.scan(later(60), 9).unwrap();
    let found = |name: &str| scan.files.iter().find(|file| file.relative == Path::new(name)).unwrap();
    assert!(room.inbox.open_found(found("a.md")).unwrap().sidecar.is_none());
    fs::rename(room.at("sub"), room.at("elsewhere")).unwrap();
    symlink(&secret, room.at("sub")).unwrap();
    for (name, kind) in [("c.md", Kind::Conflict), ("d.md", Kind::Io), ("e.md", Kind::Io)] {
        fs::remove_file(room.at(name)).unwrap();
        match name {
            "c.md" => fs::write(room.at(name), "another").unwrap(),
            "d.md" => symlink(secret.join("b.md"), room.at(name)).unwrap(),
            _ => assert!(std::process::Command::new("mkfifo").arg(room.at(name)).status().unwrap().success()),
        }
        let error = room.inbox.open_found(found(name)).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
    }
    let error = room.inbox.open_found(found("sub/b.md")).unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
}
