//! Whatever kills the process, a rerun ends in the same database and the same files as an undisturbed run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use seald::pipeline::crash::{self, Place};
use seald_core::domain::job::JobKind;
use tempfile::TempDir;

use crate::pipeline::support::{model, store, take_in, worker};
use crate::pipeline::upkeep::copy_of;

/// Set for the child process: the root it works on.
const CHILD: &str = "SEALD_TEST_ROOT";

/// Set for the child process where it opens another model than nano: its directory.
pub(crate) const MODEL: &str = "SEALD_TEST_MODEL";

/// Not a test by itself: what the child process of the tests below runs.
#[test]
#[ignore = "runs as a child of the crash tests"]
fn child() {
    let root = std::env::var(CHILD).expect("only as a child");
    let tiny = std::env::var_os(MODEL).map(|path| crate::pipeline::upkeep_kill::open_model(Path::new(&path)));
    let model = tiny.unwrap_or_else(model);
    let mut worker = match std::env::var_os(MODEL) {
        Some(_) => crate::pipeline::upkeep_kill::worker(Path::new(&root), &model),
        None => worker(Path::new(&root), &model).unwrap(),
    };
    while worker.run_next(&mut |_| {}).unwrap().is_some() {}
}

/// Runs the child; whether it ended by itself.
fn run(root: &Path, crash_at: Option<&str>) -> bool {
    run_in(Command::new(std::env::current_exe().unwrap()), root, crash_at)
}

/// The same in the environment of a command.
pub(crate) fn run_in(mut command: Command, root: &Path, crash_at: Option<&str>) -> bool {
    command
        .args(["--exact", "pipeline::crash::child", "--ignored", "--quiet"])
        .env(CHILD, root)
        .env_remove(crash::VARIABLE);
    if let Some(place) = crash_at {
        command.env(crash::VARIABLE, place);
    }
    let output = command.output().unwrap();
    let ended = output.status.success();
    if crash_at.is_none() {
        assert!(
            ended,
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    ended
}

/// Everything that must be equal: the database's dump, and every file beneath `adapters`.
pub(crate) fn state(root: &Path) -> (String, BTreeMap<String, Vec<u8>>) {
    let mut files = BTreeMap::new();
    let adapters = root.join("adapters");
    for entry in std::fs::read_dir(&adapters).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_symlink() {
            let target = std::fs::read_link(entry.path()).unwrap();
            files.insert(name, target.to_string_lossy().into_owned().into_bytes());
            continue;
        }
        for file in std::fs::read_dir(entry.path()).unwrap().map(Result::unwrap) {
            let path = format!("{name}/{}", file.file_name().to_string_lossy());
            files.insert(path, std::fs::read(file.path()).unwrap());
        }
    }
    (store(root).dump().unwrap(), files)
}

#[test]
fn a_kill_at_every_named_place_leaves_nothing_different() {
    let undisturbed = tempfile::tempdir().unwrap();
    take_in(undisturbed.path(), 1);
    assert!(run(undisturbed.path(), None));
    let expected = state(undisturbed.path());
    assert!(expected.0.contains("accepted"), "the document should be accepted:\n{}", expected.0);
    assert!(
        expected.1.contains_key("live") && expected.1.contains_key("gen-000001/adapter_model.safetensors")
    );
    let killed = killed_everywhere();
    assert_eq!(killed.len(), 18);
    // Two at a time: a process computes on one thread.
    std::thread::scope(|scope| {
        for half in killed.chunks(9) {
            scope.spawn(|| half.iter().for_each(|(place, root)| go_on(place, root.path(), &expected)));
        }
    });
}

/// For every named place a root whose process died there. The stages before are not done again for each: where one died at
/// the end of a stage, the next ones begin with a copy of it.
fn killed_everywhere() -> Vec<(String, TempDir)> {
    let mut before = tempfile::tempdir().unwrap();
    take_in(before.path(), 1);
    let mut killed = Vec::new();
    for place in crash::points(JobKind::Learn) {
        let root = copy_of(before.path());
        assert!(!run(root.path(), Some(&place)), "{place}: the process did not die");
        if place.ends_with(Place::AfterCommit.name()) {
            before = copy_of(root.path());
        }
        killed.push((place, root));
    }
    killed
}

/// Runs another process to the end where one died at `place`, and compares.
fn go_on(place: &str, root: &Path, expected: &(String, BTreeMap<String, Vec<u8>>)) {
    assert!(run(root, None));
    let found = state(root);
    assert_eq!(found.0, expected.0, "{place}: another database");
    assert_eq!(
        found.1.keys().collect::<Vec<_>>(),
        expected.1.keys().collect::<Vec<_>>(),
        "{place}: other files"
    );
    assert!(found.1 == expected.1, "{place}: a file of the adapters differs");
    let work: Vec<_> = std::fs::read_dir(root.join("state/work")).unwrap().collect();
    assert!(work.is_empty(), "{place}: the job's folder is left: {work:?}");
}

#[test]
fn a_document_that_kills_the_process_is_given_up_and_the_next_one_learned() {
    let root = tempfile::tempdir().unwrap();
    take_in(root.path(), 2);
    for _ in 0..3 {
        assert!(!run(root.path(), Some("self_edits:before-work")));
    }
    assert!(run(root.path(), None));
    let store = store(root.path());
    let first = store.document(seald_core::domain::ids::DocumentId(1)).unwrap();
    assert_eq!(first.state.as_str(), "failed");
    assert!(first.reasons[0].contains("given up after 3 attempts"), "{:?}", first.reasons);
    assert_ne!(store.document(seald_core::domain::ids::DocumentId(2)).unwrap().state.as_str(), "waiting");
}
