//! The inbox on real files: what a scan finds, when, in which order, and what it passes over.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use seald_core::clock::{Clock, Timestamp};
use seald_core::error::Kind;
use seald_ingest::inbox::{Found, Inbox, InboxOptions, Scan};

/// An inbox in a folder of its own.
pub(crate) struct Room {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) inbox: Inbox,
}

impl Room {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("room").tempdir().unwrap();
        let inbox = Inbox::open(&dir.path().join("inbox"), InboxOptions::default()).unwrap();
        Self { dir, inbox }
    }

    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.inbox.path().join(name)
    }

    /// Drops a file; its text is its name.
    pub(crate) fn drop_file(&self, name: impl AsRef<Path>) -> PathBuf {
        let path = self.at(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name.as_ref().as_os_str().as_encoded_bytes()).unwrap();
        path
    }

    /// What a scan finds once everything has settled.
    pub(crate) fn settled(&mut self) -> Scan {
        // What has changed since an earlier scan counts from this one.
        self.inbox.scan(later(60), 0).unwrap();
        self.inbox.scan(later(90), 1000).unwrap()
    }

    /// The only file that has settled.
    pub(crate) fn only(&mut self) -> Found {
        let mut files = self.settled().files;
        assert_eq!(files.len(), 1, "{files:?}");
        files.remove(0)
    }
}

/// So many seconds from now: files that are written now are that old.
pub(crate) fn later(seconds: i64) -> Timestamp {
    Clock::System.now().plus_seconds(seconds)
}

pub(crate) fn names(files: &[Found]) -> Vec<String> {
    files.iter().map(|found| found.relative.to_string_lossy().into_owned()).collect()
}

#[test]
fn a_file_that_another_process_writes_is_taken_once_it_lies_still() {
    let mut room = Room::new();
    let script = "printf one >f.txt; echo; read x; printf two >>f.txt; echo; read x";
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(room.inbox.path());
    let mut writer = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(writer.stdout.take().unwrap()).lines();
    told.next().unwrap().unwrap();
    let first = room.inbox.scan(later(0), 9).unwrap();
    assert_eq!((first.files.len(), first.waiting), (0, 1));
    let again = first.look_again.unwrap();
    assert!(again > later(0) && again <= later(2));

    writeln!(writer.stdin.as_ref().unwrap()).unwrap();
    told.next().unwrap().unwrap();
    // It has changed under our eyes: whatever its own times say, it has to lie still by our clock.
    let second = room.inbox.scan(later(60), 9).unwrap();
    assert_eq!((second.files.len(), second.waiting), (0, 1));
    let again = second.look_again.unwrap();
    assert_eq!(room.inbox.scan(Timestamp(again.0 - 1), 9).unwrap().waiting, 1);
    let third = room.inbox.scan(again, 9).unwrap();
    assert_eq!((names(&third.files), third.waiting, third.look_again), (vec!["f.txt".into()], 0, None));
    assert_eq!(fs::read(&third.files[0].path).unwrap(), b"onetwo");
    drop(writer.stdin.take());
    writer.wait().unwrap();
}

#[test]
fn what_was_dropped_while_nobody_looked_is_taken_at_once() {
    let mut room = Room::new();
    room.drop_file("a.txt");
    assert_eq!(names(&room.inbox.scan(later(3), 9).unwrap().files), ["a.txt"]);
    let at_once = InboxOptions { settle_seconds: 0, ..InboxOptions::default() };
    room.drop_file("b.txt");
    room.inbox.set_options(at_once).unwrap();
    assert_eq!(room.inbox.scan(later(0), 9).unwrap().files.len(), 2);
    let wrong = InboxOptions { poll_seconds: 0, ..at_once };
    assert_eq!(room.inbox.set_options(wrong).unwrap_err().kind(), Kind::Invalid);
    assert_eq!(Inbox::open(&room.at("x"), wrong).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn a_clock_that_jumps_or_a_time_in_the_future_only_delays() {
    let mut room = Room::new();
    let path = room.drop_file("a.txt");
    let day = 86_400;
    // The clock was set back a day after the file came.
    let back = later(-day);
    assert_eq!(room.inbox.scan(back, 9).unwrap().look_again, Some(back.plus_seconds(2)));
    assert_eq!(room.inbox.scan(later(-day + 3), 9).unwrap().files.len(), 1);
    // And once more, while it waits to be taken.
    assert_eq!(room.inbox.scan(later(-2 * day), 9).unwrap().files.len(), 0);
    assert_eq!(room.inbox.scan(later(-2 * day + 3), 9).unwrap().files.len(), 1);

    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(10 * 365 * 86_400)).unwrap();
    assert_eq!(room.inbox.scan(later(60), 9).unwrap().waiting, 1);
    assert_eq!(room.inbox.scan(later(63), 9).unwrap().files.len(), 1);
    let mut fresh = Inbox::open(room.inbox.path(), InboxOptions::default()).unwrap();
    assert_eq!(fresh.scan(later(60), 9).unwrap().waiting, 1);
    assert_eq!(fresh.scan(later(63), 9).unwrap().files.len(), 1);
}

#[test]
fn subfolders_are_tags_and_hidden_or_unfinished_files_are_passed_over() {
    let mut room = Room::new();
    for name in ["top.md", "work/plans/a.md", "work/done/b.md", "rows.jsonl"] {
        room.drop_file(name);
    }
    for name in [
        ".hidden",
        ".git/x.md",
        "~$a.docx",
        "a.part",
        "b.crdownload",
        "b.filepart",
        "b.opdownload",
        "b.pdf.aria2",
        "b.pdf.!qB",
        "Thumbs.db",
        "desktop.ini",
        "c.tmp",
        "d.md~",
        "#e#",
        "done/f.md",
        "failed/g/h.md",
    ] {
        room.drop_file(name);
    }
    let scan = room.settled();
    let mut tagged: Vec<_> =
        scan.files.iter().map(|f| (f.relative.to_str().unwrap(), f.tag.as_deref())).collect();
    tagged.sort();
    let expected = [
        ("rows.jsonl", None),
        ("top.md", None),
        ("work/done/b.md", Some("work/done")),
        ("work/plans/a.md", Some("work/plans")),
    ];
    assert_eq!(tagged, expected);
    assert_eq!((scan.more, scan.waiting, scan.refused.len(), scan.unreadable.len()), (0, 0, 0, 0));
    assert!(scan.files.iter().all(|f| f.path == room.at(&f.relative) && f.bytes > 0));
}

#[test]
fn a_burst_comes_in_order_of_arrival_and_only_so_many_at_a_time() {
    let mut room = Room::new();
    // Names against the order of arrival, in two folders.
    for number in 0..300 {
        room.drop_file(format!("{}/{:03}.txt", ["a", "b"][number % 2], 299 - number));
    }
    // What is renamed arrives anew.
    fs::rename(room.at("b/298.txt"), room.at("b/last.txt")).unwrap();
    let all = room.settled().files;
    assert_eq!(all.len(), 300);
    let arrived = |found: &Found| {
        let metadata = found.path.symlink_metadata().unwrap();
        (metadata.ctime(), metadata.ctime_nsec(), found.relative.clone())
    };
    assert!(all.is_sorted_by_key(arrived));
    assert_eq!(all[299].relative, Path::new("b/last.txt"));

    let mut taken = Vec::new();
    while taken.len() < 300 {
        let scan = room.inbox.scan(later(60), 16).unwrap();
        assert_eq!(scan.files.len() + scan.more, 300 - taken.len());
        assert_eq!(scan.files.len(), 16.min(300 - taken.len()));
        for found in scan.files {
            room.inbox.done(&found).unwrap();
            taken.push(found.relative);
        }
    }
    assert_eq!(taken, all.into_iter().map(|found| found.relative).collect::<Vec<_>>());
    assert_eq!(room.inbox.done_listing().unwrap().count(), 300);
}

#[test]
fn ten_thousand_files_are_listed_a_few_at_a_time() {
    let mut room = Room::new();
    // Links are as many names in a fraction of the time.
    let first = room.drop_file("0.txt");
    for number in 1..10_000 {
        fs::hard_link(&first, room.at(format!("{number}.txt"))).unwrap();
    }
    let scan = room.inbox.scan(later(60), 8).unwrap();
    assert_eq!((scan.files.len(), scan.more, scan.waiting), (8, 9_992, 0));
    assert_eq!(room.inbox.scan(later(60), 0).unwrap().more, 10_000);
}

#[test]
fn a_document_waits_for_its_sidecar_and_a_lonely_sidecar_stays() {
    let mut room = Room::new();
    room.drop_file("a.md");
    room.drop_file("lonely.probes.jsonl");
    assert_eq!(room.inbox.scan(later(3), 9).unwrap().files.len(), 1);
    let sidecar = room.drop_file("a.probes.jsonl");
    let times = fs::FileTimes::new().set_modified(SystemTime::now() + Duration::from_secs(30));
    fs::File::options().write(true).open(&sidecar).unwrap().set_times(times).unwrap();
    let scan = room.inbox.scan(later(10), 9).unwrap();
    assert_eq!((scan.files.len(), scan.waiting), (0, 1));
    let scan = room.inbox.scan(scan.look_again.unwrap(), 9).unwrap();
    assert_eq!(scan.files[0].sidecar, Some(sidecar));
    room.inbox.done(&scan.files[0]).unwrap();
    assert!(room.at("done/a.probes.jsonl").exists());
    let scan = room.settled();
    assert_eq!((scan.files.len(), scan.waiting, scan.refused.len()), (0, 0, 0));
    assert!(room.at("lonely.probes.jsonl").exists());
    // Its document may be a large one that is still being copied; after five minutes a person is told.
    assert!(scan.lonely.is_empty());
    let scan = room.inbox.scan(later(400), 9).unwrap();
    assert_eq!(scan.lonely, [room.at("lonely.probes.jsonl")]);
    room.drop_file("lonely.md");
    assert!(room.inbox.scan(later(401), 9).unwrap().lonely.is_empty());
}

#[test]
fn links_pipes_and_sockets_are_refused_and_moved_themselves() {
    let mut room = Room::new();
    let secret = room.dir.path().join("secret.txt");
    fs::write(&secret, "not in the inbox").unwrap();
    let file = room.drop_file("file.txt");
    fs::create_dir(room.dir.path().join("outside")).unwrap();
    fs::write(room.dir.path().join("outside/x.md"), "x").unwrap();
    symlink(&secret, room.at("out.txt")).unwrap();
    symlink(&file, room.at("within.txt")).unwrap();
    symlink("nowhere", room.at("dangling.txt")).unwrap();
    symlink("../outside", room.at("folder")).unwrap();
    assert!(Command::new("mkfifo").arg(room.at("pipe.txt")).status().unwrap().success());
    drop(UnixListener::bind(room.at("socket.txt")).unwrap());
    let scan = room.settled();
    assert_eq!(names(&scan.files), ["file.txt"]);
    let mut refused: Vec<_> = scan
        .refused
        .iter()
        .map(|(path, why)| (path.file_name().unwrap().to_str().unwrap(), &**why))
        .collect();
    refused.sort();
    let words = [
        ("dangling.txt", "link"),
        ("folder", "link"),
        ("out.txt", "link"),
        ("pipe.txt", "pipe"),
        ("socket.txt", "socket"),
        ("within.txt", "link"),
    ];
    assert_eq!(refused.len(), words.len());
    for ((name, why), (expected, word)) in refused.iter().zip(words) {
        assert!(*name == expected && why.contains(word), "{name}: {why}");
    }
    for (path, why) in &scan.refused {
        let moved = room.inbox.failed(path, why).unwrap();
        let note = fs::read_to_string(format!("{}.error.txt", moved.display())).unwrap();
        assert!(note.contains(why), "{note}");
    }
    assert_eq!(room.settled().refused, []);
    assert_eq!(fs::read_link(room.at("failed/out.txt")).unwrap(), secret);
    assert!(room.at("failed/pipe.txt").symlink_metadata().unwrap().file_type().is_fifo());
    assert!(secret.exists() && file.exists() && room.dir.path().join("outside/x.md").exists());
}

#[test]
fn a_document_waits_until_its_refused_sidecar_is_out() {
    let mut room = Room::new();
    room.drop_file("a.md");
    symlink("elsewhere", room.at("a.probes.jsonl")).unwrap();
    let scan = room.settled();
    assert_eq!((scan.files.len(), scan.waiting, scan.look_again), (0, 1, None));
    room.inbox.failed(&scan.refused[0].0, &scan.refused[0].1).unwrap();
    assert_eq!(room.only().sidecar, None);
}

#[test]
fn hard_links_and_renames_into_place_are_files_like_any_other() {
    let mut room = Room::new();
    let outside = room.dir.path().join("kept.txt");
    fs::write(&outside, "kept").unwrap();
    fs::hard_link(&outside, room.at("linked.txt")).unwrap();
    fs::write(room.at("half.part"), "whole").unwrap();
    assert_eq!(names(&room.settled().files), ["linked.txt"]);
    fs::rename(room.at("half.part"), room.at("whole.txt")).unwrap();
    let scan = room.settled();
    assert_eq!(names(&scan.files), ["linked.txt", "whole.txt"]);
    for found in &scan.files {
        room.inbox.done(found).unwrap();
    }
    assert_eq!(fs::read(&outside).unwrap(), b"kept");
    assert_eq!(fs::read(room.at("done/whole.txt")).unwrap(), b"whole");
}
