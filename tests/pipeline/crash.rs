//! Whatever kills the process, a rerun ends in the same database and the same files as an undisturbed run.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use seald::pipeline::crash::{self, Place};
use seald_core::domain::job::JobKind;
use seald_core::domain::progress::Progress;
use tempfile::TempDir;

use crate::pipeline::support::{model, store, take_in, worker};
use crate::pipeline::upkeep::{copy_of, names, paths};

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
    let steps = Path::new(&root).join(STEPS);
    let mut count = |progress: Progress| {
        if matches!(progress, Progress::Step { .. }) {
            OpenOptions::new().create(true).append(true).open(&steps).unwrap().write_all(b".").unwrap();
        }
    };
    while worker.run_next(&mut count).unwrap().is_some() {}
}

/// In the root: a dot for each optimiser step that a process did.
const STEPS: &str = "steps";

/// Optimiser steps since it was asked last.
pub(crate) fn steps_done(root: &Path) -> usize {
    let path = root.join(STEPS);
    let steps = std::fs::read(&path).map_or(0, |dots| dots.len());
    let _ = std::fs::remove_file(path);
    steps
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
    // It aborts where it is to die; any other end is a fault.
    assert!(
        ended || crash_at.is_some() && output.status.signal() == Some(libc::SIGABRT),
        "{crash_at:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ended
}

/// The database's dump, and every file beneath `adapters`.
pub(crate) type State = (String, BTreeMap<PathBuf, Vec<u8>>);

/// Everything that must be equal.
pub(crate) fn state(root: &Path) -> State {
    (store(root).dump().unwrap(), files(&root.join("adapters")))
}

/// Every file beneath a folder with what it holds, a link with where it points.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in paths(dir) {
        let bytes = match std::fs::read_link(&path) {
            Ok(target) => target.into_os_string().into_encoded_bytes(),
            Err(_) => std::fs::read(&path).unwrap(),
        };
        found.insert(path.strip_prefix(dir).unwrap().to_path_buf(), bytes);
    }
    found
}

/// A stage that was killed ends as one that was not: the same rows, adapters and files of the job. From equal ends the next stages go on alike,
/// so that each place costs one stage in place of the rest of the job.
#[test]
fn a_kill_at_every_named_place_leaves_nothing_different() {
    let undisturbed = tempfile::tempdir().unwrap();
    take_in(undisturbed.path(), 1);
    assert!(run(undisturbed.path(), None));
    let expected = state(undisturbed.path());
    assert!(expected.0.contains("learned"), "the document should be accepted:\n{}", expected.0);
    assert!(expected.1.contains_key(Path::new("live")));
    assert!(expected.1.contains_key(Path::new("gen-000001/adapter_model.safetensors")));
    let steps = killed_everywhere();
    assert_eq!(steps.len(), 19);
    // What a process that resumes carries from one stage to the next: one of them goes all the way.
    let resumed = steps.iter().find(|step| step.place == "trials:after-files").unwrap();
    let resumed = copy_of(resumed.root.path());
    // Two at a time: a process computes on one thread.
    std::thread::scope(|scope| {
        for half in steps.chunks(steps.len().div_ceil(2)) {
            scope.spawn(|| half.iter().for_each(Step::go_on));
        }
    });
    assert!(run(resumed.path(), None));
    for ended in [&steps.last().unwrap().root, &resumed] {
        assert_same("the whole job", &state(ended.path()), &expected);
        assert!(names(&ended.path().join("state/work")).is_empty(), "the job's folder is left");
    }
}

/// A root whose process died at `place`, and how a stage ends that died nowhere.
struct Step {
    place: String,
    root: TempDir,
    /// The next end of a stage, and what was there when one came to it; of the last one there is none, it ends by itself.
    next_end: Option<(String, TempDir)>,
}

/// For every named place a root whose process died there. The stages before are not done again for each: the next ones begin with a copy of the root
/// that died at the end of the stage before.
fn killed_everywhere() -> Vec<Step> {
    let places: Vec<String> = crash::points(JobKind::Learn).collect();
    let mut before = tempfile::tempdir().unwrap();
    take_in(before.path(), 1);
    let mut steps = Vec::new();
    let mut ends = Vec::new();
    for place in places {
        let root = copy_of(before.path());
        assert!(!run(root.path(), Some(&place)), "{place}: the process did not die");
        if place.ends_with(&Place::AfterCommit.name()) {
            before = copy_of(root.path());
            ends.push((place.clone(), copy_of(root.path())));
        }
        steps.push((place, root));
    }
    let next_end = |place: &str| {
        let stage =
            ends.iter().position(|(end, _)| end.split(':').next() == place.split(':').next()).unwrap();
        let at_its_end = place.ends_with(&Place::AfterCommit.name());
        ends.get(stage + usize::from(at_its_end)).map(|(end, root)| (end.clone(), copy_of(root.path())))
    };
    steps.into_iter().map(|(place, root)| Step { next_end: next_end(&place), place, root }).collect()
}

impl Step {
    /// Another process goes on where one died, to the next end of a stage.
    fn go_on(&self) {
        let Some((end, expected)) = &self.next_end else {
            assert!(run(self.root.path(), None), "{}", self.place);
            return;
        };
        assert!(!run(self.root.path(), Some(end)), "{}: nothing came to {end}", self.place);
        assert_same(&self.place, &state(self.root.path()), &state(expected.path()));
        let work = |root: &Path| files(&root.join("state/work"));
        assert!(work(self.root.path()) == work(expected.path()), "{}: other files of the job", self.place);
    }
}

fn assert_same(place: &str, found: &State, expected: &State) {
    assert_eq!(found.0, expected.0, "{place}: another database");
    assert_eq!(
        found.1.keys().collect::<Vec<_>>(),
        expected.1.keys().collect::<Vec<_>>(),
        "{place}: other files"
    );
    assert!(found.1 == expected.1, "{place}: a file of the adapters differs");
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

#[test]
fn kills_at_other_places_of_a_stage_do_not_give_a_document_up() {
    let root = tempfile::tempdir().unwrap();
    take_in(root.path(), 1);
    for place in ["trials:before-work", "trials:after-files"].repeat(2) {
        assert!(!run(root.path(), Some(place)), "it is still being tried");
    }
    assert!(run(root.path(), None));
    let document = store(root.path()).document(seald_core::domain::ids::DocumentId(1)).unwrap();
    assert_eq!(document.state.as_str(), "learned", "{:?}", document.reasons);
}

/// Kills in the middle of trials, between them, and in the middle of the training that counts.
#[test]
fn a_training_that_was_killed_goes_on_where_it_was() {
    let undisturbed = tempfile::tempdir().unwrap();
    take_in(undisturbed.path(), 1);
    assert!(!run(undisturbed.path(), Some("trials:before-work")));
    let before = copy_of(undisturbed.path());
    assert!(run(undisturbed.path(), None));
    let (expected, all) = (state(undisturbed.path()), steps_done(undisturbed.path()));
    assert!(expected.0.contains("learned"), "{}", expected.0);
    let kill = |root: &Path, step: usize| {
        assert!(!run(root, Some(&format!("trials:step-{step}"))), "it did not die at step {step}");
        steps_done(root)
    };
    for at in [vec![3], vec![30], vec![all - 7], vec![5, 20, 9]] {
        let root = copy_of(before.path());
        let mut done: usize = 0;
        for step in &at {
            let now = kill(root.path(), *step);
            assert_eq!(now, *step);
            // The step that it died at was not kept.
            done += now - 1;
        }
        assert!(run(root.path(), None));
        assert_eq!(steps_done(root.path()), all - done, "{at:?}: steps were done again, or left out");
        assert_same(&format!("{at:?}"), &state(root.path()), &expected);
    }
}

#[test]
fn what_was_kept_of_a_training_and_is_damaged_or_of_another_is_left_out() {
    let undisturbed = tempfile::tempdir().unwrap();
    take_in(undisturbed.path(), 1);
    assert!(!run(undisturbed.path(), Some("trials:step-60")));
    let killed = copy_of(undisturbed.path());
    assert!(run(undisturbed.path(), None));
    let expected = state(undisturbed.path());
    for damage in ["optimizer.safetensors", ".json"] {
        let root = copy_of(killed.path());
        let mut damaged = 0;
        for path in paths(&root.path().join("state/work")) {
            let whole = std::fs::metadata(&path).unwrap();
            if whole.is_file() && path.to_string_lossy().ends_with(damage) {
                // All of it, with zeros in place of its second half: what a power cut may leave.
                let file = OpenOptions::new().write(true).open(&path).unwrap();
                file.set_len(whole.len() / 2).unwrap();
                file.set_len(whole.len()).unwrap();
                damaged += 1;
            }
        }
        assert!(damaged > 0, "nothing was kept in {damage}");
        assert!(run(root.path(), None));
        assert_same(damage, &state(root.path()), &expected);
    }
}
