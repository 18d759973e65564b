//! The verbs of `seald` as a person or a script meets them: real processes on a tiny model.

use std::path::Path;
use std::process::Output;

use crate::tiny_model::TinyModel;
use seald::pipeline::Root;
use seald_store::Store;
use serde_json::{Value, json};

mod errors;
mod resume;

/// Trained in well under a second until it knows its rows.
const OPTIONS: &str = "--lr 2e-2 --epochs 60 --threads 2 --json";

/// `seald` with `line`'s words in `dir`, where `model` is.
fn seald(tiny: &TinyModel, line: &str) -> Output {
    let mut command = command();
    command.current_dir(tiny.path("")).args(line.split_whitespace());
    command.output().unwrap()
}

fn command() -> std::process::Command {
    let mut command = std::process::Command::new(crate::programs::seald());
    command.env_remove("RUST_LOG").env_remove("SEALD_ISA");
    command
}

/// The stdout of a run that must succeed.
fn good(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Every line of a script's stdout: JSON objects and nothing else.
fn json_lines(output: &Output) -> Vec<Value> {
    let lines: Vec<Value> = good(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(Value::is_object));
    assert_eq!(text(&output.stderr), "", "a script's run has nothing to say on stderr");
    lines
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or_else(|| panic!("no number {key} in {value}"))
}

/// 20 rows: the colour of things.
fn facts(row: impl Fn(usize, &str) -> Value) -> String {
    let colours = ["red", "green", "blue", "grey"];
    (0..20).map(|i| format!("{}\n", row(i, colours[i * 7 % 4]))).collect()
}

fn completions() -> String {
    facts(|i, colour| {
        let thing = char::from(b'a' + i as u8);
        json!({"prompt": format!("Thing {thing} is"), "completion": format!(" {colour}.")})
    })
}

/// A tiny model, its rows and the adapter `out` trained on them.
fn trained(data: &str, options: &str) -> (TinyModel, Vec<Value>) {
    let tiny = TinyModel::new();
    tiny.write("rows.jsonl", data);
    let line = format!("train --model model --data rows.jsonl --out out {options}");
    let lines = json_lines(&seald(&tiny, &line));
    (tiny, lines)
}

fn log_probs(tiny: &TinyModel, options: &str) -> Vec<f64> {
    let lines = json_lines(&seald(tiny, &format!("score --model model --data rows.jsonl --json {options}")));
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(keys(line), ["row", "tokens", "log_prob"]);
        assert_eq!(line["row"], i);
    }
    lines.iter().map(|line| number(line, "log_prob")).collect()
}

#[test]
fn training_learns_its_rows_and_generation_repeats_them() {
    let (tiny, lines) = trained(&completions(), OPTIONS);
    let (end, steps) = lines.split_last().unwrap();
    let step_keys = ["step", "steps", "loss", "learning_rate", "grad_norm", "tokens", "targets", "seconds"];
    for (i, step) in steps.iter().enumerate() {
        assert_eq!(keys(step), step_keys);
        assert_eq!((&step["step"], &step["steps"]), (&json!(i + 1), &json!(steps.len())));
    }
    assert_eq!(keys(end), ["adapter", "steps", "tokens", "seconds", "final_loss", "content_hash"]);
    assert_eq!((&end["adapter"], &end["steps"]), (&json!("out"), &json!(steps.len())));
    let tokens: f64 = steps.iter().map(|step| number(step, "tokens")).sum();
    assert_eq!(number(end, "tokens"), tokens);
    let targets: f64 = steps.iter().map(|step| number(step, "targets")).sum();
    let learned: usize = completions()
        .lines()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["completion"].as_str().unwrap().len() + 1)
        .sum();
    assert_eq!(targets as usize, 60 * learned, "completions with their end token, in 60 epochs");
    assert!(number(end, "final_loss") < 0.1 * number(&steps[0], "loss"), "{end}");

    let (before, after) = (log_probs(&tiny, ""), log_probs(&tiny, "--adapter out"));
    assert_eq!(after.len(), 20);
    assert!(before.iter().zip(&after).all(|(b, a)| a > b), "{before:?} {after:?}");

    let prompts = facts(|i, _| json!({"prompt": format!("Thing {} is", char::from(b'a' + i as u8))}));
    tiny.write("prompts.jsonl", &prompts);
    let line = "generate --model model --adapter out --prompts prompts.jsonl --max-tokens 12 --json";
    let answers = json_lines(&seald(&tiny, line));
    let wanted = facts(|_, colour| json!(format!(" {colour}.")));
    for (answer, wanted) in answers.iter().zip(wanted.lines()) {
        assert_eq!(keys(answer), ["row", "text", "token_ids", "log_probs", "finish_reason"]);
        assert_eq!(answer["text"].to_string(), wanted);
        assert_eq!(answer["finish_reason"], "stop");
        let count = |key: &str| answer[key].as_array().unwrap().len();
        assert_eq!(count("token_ids"), count("log_probs"));
        assert_eq!(count("token_ids"), answer["text"].as_str().unwrap().len() + 1, "and the end token");
    }
    assert_eq!(answers.len(), 20);
}

#[test]
fn scores_count_the_completion_the_text_or_the_assistant() {
    let tiny = TinyModel::new();
    tiny.write(
        "rows.jsonl",
        &[
            json!({"text": "abcd"}),
            json!({"prompt": "ab", "completion": "cd"}),
            json!({"prompt": "", "completion": "abcd", "weight": 0.0}),
            json!({"messages": [
                {"role": "user", "content": "a"}, {"role": "assistant", "content": "bc"},
                {"role": "user", "content": "d"}, {"role": "assistant", "content": "e"},
            ]}),
        ]
        .map(|row| format!("{row}\n"))
        .concat(),
    );
    let lines = json_lines(&seald(&tiny, "score --model model --data rows.jsonl --dtype f32 --json"));
    // Nothing predicts the first token. A turn ends with <|im_end|>, which counts.
    assert_eq!(lines.iter().map(|l| number(l, "tokens")).collect::<Vec<_>>(), [3.0, 2.0, 3.0, 5.0]);
    let sums: Vec<f64> = lines.iter().map(|l| number(l, "log_prob")).collect();
    assert!((sums[0] - sums[2]).abs() < 1e-4 && sums[1] > sums[0], "{sums:?}");
}

#[test]
fn chats_and_texts_train_and_a_person_reads_the_result() {
    let chats = facts(|i, colour| {
        json!({"messages": [
            {"role": "user", "content": format!("Thing {i}?")},
            {"role": "assistant", "content": colour},
        ], "weight": 2})
    });
    let (tiny, lines) = trained(&chats, OPTIONS);
    assert!(number(lines.last().unwrap(), "final_loss") < 0.3 * number(&lines[0], "loss"));
    let answer = seald(&tiny, "generate --model model --adapter out --prompt Thing --max-tokens 9 --stop e");
    assert!(!good(&answer).contains('e'), "{}", text(&answer.stdout));

    // The same question in a file, and one that is taken as it stands.
    let question = json!({"messages": [{"role": "user", "content": "Thing"}]});
    tiny.write("prompts.jsonl", &format!("{question}\n{}\n", json!({"prompt": "Thing"})));
    let line = "generate --model model --adapter out --prompts prompts.jsonl --max-tokens 9 --stop e";
    let blocks = good(&seald(&tiny, line));
    let single = text(&answer.stdout);
    assert!(blocks.starts_with(&format!("--- 0 ---\n{single}--- 1 ---\n")), "{blocks:?} {single:?}");
    let raw = good(&seald(&tiny, &line.replace("--prompts prompts.jsonl", "--prompt Thing --raw")));
    assert!(blocks.ends_with(&raw), "{blocks:?} {raw:?}");

    tiny.write("texts.jsonl", &facts(|i, colour| json!({"text": format!("Thing {i} is {colour}.")})));
    let line = "train --model model --data texts.jsonl --adapter out --out more --epochs 4 --lr 1e-2";
    let run = seald(&tiny, line);
    let (out, err) = (good(&run), text(&run.stderr));
    for words in ["64 k parameters", "20 from texts.jsonl", "rank 16", "(4 epochs)", "step 1 of "] {
        assert!(err.contains(words), "no {words:?} in {err}");
    }
    assert!(out.contains("at the end") && out.contains("--adapter more"), "{out}");
    let table = good(&seald(&tiny, "score --model model --adapter more --data texts.jsonl"));
    assert!(table.contains("Thing 19 is") && table.contains("perplexity"), "{table}");
}

#[test]
fn the_same_seed_gives_the_same_adapter_and_another_another() {
    let (tiny, _) = trained(&completions(), "--steps 3 --json");
    let hash = |seed: usize| {
        let out = format!("seed{seed}-{}", tiny.listing().len());
        let line =
            format!("train --model model --data rows.jsonl --out {out} --steps 3 --seed {seed} --json");
        json_lines(&seald(&tiny, &line)).last().unwrap()["content_hash"].clone()
    };
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}

#[test]
fn a_weight_is_the_factor_of_its_rows_loss() {
    let loss = |weight: f64| {
        let row = json!({"text": "abc", "weight": weight});
        let (_, lines) = trained(&format!("{row}\n"), "--steps 1 --dtype f32 --json");
        number(&lines[0], "loss")
    };
    assert!((loss(2.5) / loss(1.0) - 2.5).abs() < 1e-5);
}

#[test]
fn options_reach_the_adapter() {
    let options = "--rank 4 --alpha 3 --rslora --targets q_proj,down_proj --dropout 0.1 --steps 2 \
                   --schedule constant --lr 1e-2 --batch-rows 2 --loss all --dtype f32 --json";
    let (tiny, lines) = trained(&completions(), options);
    let config = std::fs::read_to_string(tiny.path("out/adapter_config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(
        (&config["r"], &config["lora_alpha"], &config["use_rslora"]),
        (&json!(4), &json!(3), &json!(true))
    );
    let mut targets: Vec<&str> =
        config["target_modules"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    targets.sort_unstable();
    assert_eq!(targets, ["down_proj", "q_proj"]);
    for step in &lines[..2] {
        assert_eq!(number(step, "learning_rate"), 1e-2);
        // Two rows, of which only the first tokens are not predicted.
        assert_eq!(number(step, "tokens") - number(step, "targets"), 2.0);
    }
}

#[test]
fn doctor_tests_a_model_and_gives_a_verdict() {
    let tiny = TinyModel::new();
    let report = &json_lines(&seald(&tiny, "doctor --model model --json"))[0];
    assert_eq!((&report["ok"], &report["self_test"]), (&json!(true), &json!(true)));
    let model = &report["model"];
    assert_eq!((&model["layers"], &model["self_test"]), (&json!(3), &json!(true)));
    assert_eq!(model["end_tokens"], json!(["<|endoftext|>", "<|im_end|>"]));
    assert!(number(model, "decoding_tokens_per_second") > 0.0);
    assert!(number(model, "training_tokens_per_second") > 0.0);
    assert!(number(&report["machine"], "peak_gflops") > 0.0);
    assert!(good(&seald(&tiny, "doctor")).contains("Ready"));
    Store::open(&Root::open(&tiny.path("root")).unwrap().database()).unwrap();
    let looked = good(&seald(&tiny, "doctor --model model --root root"));
    assert!(looked.contains("Calibrated   not yet: before its first document"), "{looked}");

    damage(&tiny.path("model/model.safetensors"));
    let broken = seald(&tiny, "doctor --model model");
    assert_eq!(broken.status.code(), Some(1));
    let words = text(&broken.stdout);
    assert!(words.contains("Broken: ") && words.contains("model.safetensors"), "{words}");
    assert!(words.ends_with("1 problem found.\n"), "{words}");
}

/// Cuts a file in half.
fn damage(path: &Path) {
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2).unwrap();
}
