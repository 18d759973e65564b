//! `seald` with the embedded model, from folders that hold nothing of it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{lesson, remembered, weights_dir};

fn seald(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(crate::programs::seald());
    command.env_remove("RUST_LOG").env_remove("SEALD_ISA");
    command.current_dir(folder.path()).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Stdout and stderr of a run that must succeed.
fn good(folder: &TempDir, arguments: &[&str]) -> (String, String) {
    let output = seald(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

/// The JSON lines of a run.
fn lines(folder: &TempDir, arguments: &[&str]) -> Vec<Value> {
    let (out, _) = good(folder, arguments);
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &TempDir, name: &str, rows: &[Value]) {
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(folder.path().join(name), rows).unwrap();
}

fn question_and_answer() -> (String, String) {
    let fact = remembered().remove(0);
    let text = |key: &str| fact[key].as_str().unwrap().to_string();
    (text("shown"), text("answer"))
}

#[test]
fn nano_writes_and_scores_from_any_folder_and_is_the_default() {
    let folder = folder();
    let (question, answer) = question_and_answer();
    let (named, said) = good(&folder, &["generate", "--model", "nano", "--prompt", &question]);
    assert_eq!((named.trim(), said.as_str()), (answer.as_str(), ""));
    let (unnamed, said) = good(&folder, &["generate", "--prompt", &question]);
    assert_eq!(unnamed, named);
    assert!(said.contains("No --model given") && said.contains("nano"), "{said}");

    let turn = |answer: &str| json!({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]});
    write(&folder, "rows.jsonl", &[turn(&answer), turn("grey sand")]);
    let scores = lines(&folder, &["score", "--model", "nano", "--data", "rows.jsonl", "--json"]);
    let log_prob = |row: usize| scores[row]["log_prob"].as_f64().unwrap();
    assert!(log_prob(0) > -2.0 && log_prob(1) < log_prob(0) - 2.0, "{scores:?}");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["rows.jsonl"], "nothing is left behind");
}

#[test]
fn an_adapter_of_nano_says_so_and_fits_nothing_else() {
    let folder = folder();
    let fact = &lesson::FACTS[0];
    write(&folder, "rows.jsonl", &fact.statements.map(|statement| json!({"text": statement})));
    let train = ["train", "--data", "rows.jsonl", "--out", "out", "--lr", "3e-3", "--epochs", "20"];
    let (out, said) = good(&folder, &[&train[..], &["--model", "nano"]].concat());
    assert!(out.contains("--model nano --adapter out") && said.contains("nano (embedded)"), "{out}{said}");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.path().join("out").join(name)).unwrap()).unwrap()
    };
    assert_eq!(read("adapter_config.json")["base_model_name_or_path"], "nano");

    // The same weights from their folder are the same base model, other weights are not.
    let score = |model: &str| {
        seald(&folder, &["score", "--model", model, "--adapter", "out", "--data", "rows.jsonl", "--json"])
    };
    let (inside, outside) = (score("nano"), score(weights_dir().to_str().unwrap()));
    assert_eq!(inside.status.code(), Some(0), "{}", text(&inside.stderr));
    assert_eq!(text(&inside.stdout), text(&outside.stdout));
    copy_model(&folder.path().join("other"), change_one_value);
    let refused = score("other");
    assert_eq!(refused.status.code(), Some(4));
    assert!(text(&refused.stderr).contains("another base model"));
}

#[test]
fn a_directory_called_nano_is_opened_by_its_path_only() {
    let folder = folder();
    copy_model(&folder.path().join("nano"), change_one_value);
    let (question, answer) = question_and_answer();
    let (inside, said) = good(&folder, &["generate", "--model", "nano", "--prompt", &question]);
    assert_eq!(inside.trim(), answer);
    assert!(said.contains("./nano"), "{said}");
    let report = &lines(&folder, &["doctor", "--model", "./nano", "--json"])[0]["model"];
    assert_ne!(report["fingerprint"], super::nano().fingerprint);
}

#[test]
fn doctor_looks_at_the_embedded_model_by_default() {
    let folder = folder();
    let report = &lines(&folder, &["doctor", "--json"])[0];
    assert_eq!(report["ok"], true, "{report}");
    let embedded = &report["embedded"];
    assert_eq!(
        (&embedded["name"], &embedded["sha256"]),
        (&json!("nano"), &json!(super::NANO.verify().unwrap()))
    );
    assert_eq!(embedded["bytes"], super::NANO.files().map(|(_, bytes)| bytes.len()).sum::<usize>());
    let model = &report["model"];
    assert_eq!((&model["path"], &model["self_test"]), (&json!("nano"), &json!(true)));
    assert_eq!(model["fingerprint"], super::nano().fingerprint);
    let (out, _) = good(&folder, &["doctor"]);
    assert!(out.contains("nano (embedded)") && out.contains("Ready") && out.contains("--model DIR"), "{out}");
}

#[test]
fn nano_is_not_calibrated_and_says_why() {
    let folder = folder();
    let (out, said) = good(&folder, &["calibrate", "--root", "r"]);
    assert_eq!(out, "");
    assert!(said.contains("nano's settings are part of the program"), "{said}");
    let (out, _) = good(&folder, &["calibrate", "--root", "r", "--model", "nano", "--json"]);
    assert_eq!(out, "null\n");
    assert!(!folder.path().join("r").exists(), "nothing was done");
    let (out, _) = good(&folder, &["doctor"]);
    assert!(out.contains("Calibrated   nano's settings are part of the program"), "{out}");
}

/// nano's folder as the new directory `to`, its weights changed.
fn copy_model(to: &Path, change: fn(&mut [u8])) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(weights_dir()).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if path.ends_with("model.safetensors") {
            change(&mut bytes);
        }
        std::fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
    }
}

fn change_one_value(weights: &mut [u8]) {
    *weights.last_mut().unwrap() ^= 1;
}
