//! Stopping a training with a signal, and going on with it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use super::{command, completions, json_lines, seald, text, trained};
use crate::tiny_model::TinyModel;

/// Far more steps than a test would wait for.
const ENDLESS: usize = 1_000_000;

/// Starts a training, sends `signal` once its first step is done; its exit code, steps printed and stderr.
fn interrupted(tiny: &TinyModel, signal: i32, options: &str) -> (Option<i32>, usize, String) {
    let line = format!("train --model model --data rows.jsonl --out out --json {options}");
    let mut child: Child = command()
        .current_dir(tiny.path(""))
        .args(line.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"step\":1,"));
    // SAFETY: a signal to a child that is still ours to wait for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
    let steps = 1 + lines.count();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), steps, said)
}

#[test]
fn a_signal_ends_a_training_and_says_what_became_of_it() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let tiny = TinyModel::new();
        tiny.write("rows.jsonl", &completions());
        let (code, steps, said) = interrupted(&tiny, signal, &format!("--steps {ENDLESS}"));
        assert_eq!(code, Some(1), "{said}");
        assert!(steps < ENDLESS);
        assert!(
            said.contains(&format!("stopped after step {steps} of {ENDLESS}; nothing was saved")),
            "{said}"
        );
        assert_eq!(tiny.listing(), ["model", "rows.jsonl"]);
    }
}

#[test]
fn a_stopped_training_goes_on_to_the_same_adapter() {
    const STEPS: &str = "--steps 2000 --batch-rows 2";
    let (tiny, lines) = trained(&completions(), &format!("{STEPS} --json"));
    let undisturbed = lines.last().unwrap()["content_hash"].clone();
    std::fs::remove_dir_all(tiny.path("out")).unwrap();

    let checkpointed = format!("{STEPS} --checkpoint state --checkpoint-every 1000000");
    let (code, steps, said) = interrupted(&tiny, libc::SIGINT, &checkpointed);
    assert_eq!(code, Some(1));
    assert!(steps < 2000 && said.contains("--resume goes on from state"), "{said}");
    assert!(!tiny.path("out").exists());

    let train = "train --model model --data rows.jsonl --out out --json";
    let again = seald(&tiny, &format!("{train} {checkpointed}"));
    assert_eq!(again.status.code(), Some(4));
    assert!(text(&again.stderr).contains("holds an earlier run"));
    let other = seald(&tiny, &format!("{train} {checkpointed} --resume --rank 4"));
    assert_eq!(other.status.code(), Some(4));
    assert!(text(&other.stderr).contains("another --rank"));

    // As a kill between moving the old checkpoint aside and putting the new one in its place leaves them.
    std::fs::rename(tiny.path("state"), tiny.path(".replaced-state")).unwrap();
    std::fs::create_dir(tiny.path(".staging-state-abc123")).unwrap();
    let resumed = seald(&tiny, &format!("{train} {checkpointed} --resume"));
    assert!(!tiny.path(".replaced-state").exists() && !tiny.path(".staging-state-abc123").exists());
    let said = text(&resumed.stderr);
    assert!(said.contains(&format!("Going on after step {steps} of 2000")), "{said}");
    let quiet = std::process::Output { stderr: Vec::new(), ..resumed };
    let lines = json_lines(&quiet);
    assert_eq!(lines.len(), 2000 - steps + 1);
    assert_eq!(lines[0]["step"], steps + 1);
    assert_eq!(lines.last().unwrap()["content_hash"], undisturbed);
}

#[test]
fn checkpoints_come_in_between_and_a_finished_run_resumes_to_its_result() {
    let tiny = TinyModel::new();
    tiny.write("rows.jsonl", &completions());
    let train = |out: &str| {
        let line = format!(
            "train --model model --data rows.jsonl --out {out} --steps 6 --checkpoint state --checkpoint-every 2 \
             --resume --json"
        );
        let output = seald(&tiny, &line);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect::<Vec<serde_json::Value>>()
    };
    let (first, second) = (train("out"), train("again"));
    assert_eq!((first.len(), second.len()), (7, 1));
    assert_eq!(first[6]["content_hash"], second[0]["content_hash"]);
    assert_eq!(second[0]["final_loss"], serde_json::Value::Null);
}
