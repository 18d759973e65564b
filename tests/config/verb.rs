//! `seald config` as a real process.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use seald::config::Config;

/// `seald config` in an empty environment with `dir` as home and current folder.
fn config(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(crate::programs::seald());
    command.env_clear().env("HOME", dir).current_dir(dir).arg("config").args(words).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn good(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    text(&output.stdout)
}

#[test]
fn what_is_in_force_is_printed_with_its_source_and_reads_back_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my.toml");
    let options = "root = 'r'\nthreads = 3\ndtype = 'f32'\n[api]\nsocket_mode = '0600'\n[schedule]\nquiet_hours = ['22:00-07:00']\n\
                   [resources]\nmax_memory = '6GiB'\npause_above_others = 40\n[learn]\nlearning_rates = [0.001]\n";
    fs::write(&file, options).unwrap();
    let output = config(dir.path(), &["--config", "my.toml"]);
    let printed = good(&output);
    let first = printed.lines().next().unwrap();
    assert!(first.starts_with("# ") && first.contains(file.to_str().unwrap()), "{first}");
    let again = Config::parse(printed, Path::new("printed")).unwrap();
    assert_eq!((&again.root, again.threads, again.api.socket_mode), (&dir.path().join("r"), Some(3), 0o600));
    assert_eq!(again.resources.max_memory.as_ref().map(|size| size.bytes()), Some(6 << 30));
    let loaded = Config::load(Some(&file), None).unwrap();
    assert_eq!(Config { source: Some(file), ..again }, loaded);
}

#[test]
fn json_is_one_object_with_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("my.toml"), "[inbox]\nsettle_seconds = 7\n").unwrap();
    let output = config(dir.path(), &["--config", "my.toml", "--root", "other", "--json"]);
    let object: serde_json::Value = serde_json::from_str(good(&output)).unwrap();
    assert_eq!(object["source"], dir.path().join("my.toml").to_str().unwrap());
    assert_eq!(object["config"]["inbox"]["settle_seconds"], 7);
    assert_eq!(object["config"]["root"], dir.path().join("other").to_str().unwrap());
    assert_eq!(object["config"]["api"]["socket_mode"], "0660");
}

#[test]
fn the_example_is_printed_as_the_library_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(good(&config(dir.path(), &["--example"])), Config::example());
    assert_eq!(config(dir.path(), &["--example", "--json"]).status.code(), Some(2));
}

#[test]
fn a_wrong_file_ends_in_2_and_an_absent_one_in_3() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("my.toml"), "thread = 2\n").unwrap();
    let output = config(dir.path(), &["--config", "my.toml"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    assert!(
        text(&output.stderr).contains("my.toml, line 1: thread is no option"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(config(dir.path(), &["--config", "absent.toml"]).status.code(), Some(3));
}
