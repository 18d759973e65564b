//! What goes wrong is said with its place and a remedy, before work is done in vain, and ends in the right code.

use super::{command, completions, seald, text};
use crate::tiny_model::TinyModel;

/// Runs `seald train` on `data` with `options`; it must fail with `code`, say `words`, and leave nothing behind.
fn refused(data: &str, options: &str, code: i32, words: &[&str]) {
    let tiny = TinyModel::new();
    tiny.write("rows.jsonl", data);
    let before = tiny.listing();
    let output = seald(&tiny, &format!("train --model model --data rows.jsonl --out out --json {options}"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{options}: {said}");
    for words in words {
        assert!(said.contains(words), "no {words:?} in {said:?}");
    }
    assert_eq!(tiny.listing(), before, "{options}");
}

const GOOD: &str = "{\"text\": \"good\"}\n";

#[test]
fn a_bad_row_is_named_with_file_and_line() {
    let third = |line: &str| format!("{GOOD}{GOOD}{line}\n{GOOD}");
    refused(&third("{\"text\": \"a\""), "", 2, &["rows.jsonl:3: not a JSON object"]);
    refused(&third("{\"texts\": \"a\"}"), "", 2, &["rows.jsonl:3: ", "\"texts\"", "{\"text\"}"]);
    refused(&third("{\"text\": 3}"), "", 2, &["rows.jsonl:3: ", "\"text\" must be a string"]);
    let user = "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}";
    refused(&third(user), "", 2, &["rows.jsonl:3: ", "no turn of the assistant"]);
    refused(&third("{\"text\": \"\"}"), "", 2, &["rows.jsonl:3: ", "no token to learn"]);
    let long = format!("{{\"text\": \"{}\"}}", "a".repeat(300));
    refused(&third(&long), "", 2, &["rows.jsonl:3: ", "301 tokens", "256", "split"]);
    refused(&third(GOOD.trim()), "--loss completion", 2, &["rows.jsonl:1: ", "no completion"]);
    refused("\n", "", 2, &["rows.jsonl", "no rows"]);
}

#[test]
fn wrong_options_are_refused_by_name() {
    refused(GOOD, "--lr 0", 2, &["--lr", "above 0"]);
    refused(GOOD, "--lr -1", 2, &["--lr", "above 0"]);
    refused(GOOD, "--rank 0", 2, &["--rank", "1 or more"]);
    refused(GOOD, "--dropout 1", 2, &["--dropout", "below 1"]);
    refused(GOOD, "--threads 100000", 2, &["--threads", "1024"]);
    refused(GOOD, "--epochs 2 --steps 2", 2, &["--epochs", "--steps"]);
    refused(GOOD, "--max-memory 8", 2, &["--max-memory", "8GiB"]);
    refused(GOOD, "--resume", 2, &["--checkpoint"]);
    refused(GOOD, "--adapter a --rank 4", 2, &["--adapter", "--rank"]);
    refused(GOOD, "--targets q_proj,qproj", 2, &["--targets qproj", "q_proj, k_proj"]);
    refused(GOOD, "--targets regex:[", 2, &["regular expression"]);
    refused(GOOD, "--max-memory 1KiB", 1, &["MiB are available"]);
}

#[test]
fn trainings_that_come_to_nothing_keep_nothing() {
    refused(GOOD, "--steps 1 --warmup 1", 2, &["does not change", "--lr", "--warmup"]);
    refused(&completions(), "--lr 1e30 --max-grad-norm 0", 1, &["step 2", "lower learning rate"]);
}

#[test]
fn what_is_missing_or_in_the_way_is_said_first() {
    let tiny = TinyModel::new();
    tiny.write("rows.jsonl", GOOD);
    let fails = |line: &str, code: i32, words: &str| {
        let output = seald(&tiny, line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        assert!(said.contains(words), "no {words:?} in {said:?}");
        assert_eq!(text(&output.stdout), "");
    };
    fails("train --model nowhere --data rows.jsonl --out out", 3, "nowhere is not a directory");
    fails("train --model model --data nothing.jsonl --out out", 3, "nothing.jsonl");
    // Before the model, which is not there either, is looked for.
    fails("train --model nowhere --data rows.jsonl --out model", 4, "--out model: exists already");
    fails("train --model model --data rows.jsonl --out out --checkpoint model", 4, "is no checkpoint");
    fails("train --model model --data rows.jsonl --out out --adapter model", 3, "adapter_config.json");
    fails("score --model model --data rows.jsonl --adapter nowhere", 3, "nowhere");
    fails("generate --model model --prompts rows.jsonl", 2, "rows.jsonl:1: unknown field \"text\"");
    fails("generate --model model", 2, "--prompts");
    fails("generate --model model --prompt a --top-p 0", 2, "--top-p");
    fails("frobnicate", 2, "frobnicate");
    tiny.write(
        "prompts.jsonl",
        &format!("{{\"prompt\": \"a\"}}\n\n{{\"prompt\": \"{}\"}}\n", "a".repeat(256)),
    );
    fails("generate --model model --prompts prompts.jsonl", 2, "prompts.jsonl:3: the prompt has 256 tokens");
    assert_eq!(tiny.listing(), ["model", "prompts.jsonl", "rows.jsonl"]);
}

#[test]
fn an_adapter_of_another_model_is_refused() {
    let (tiny, _) = super::trained(&completions(), "--steps 1 --json");
    // The same shape, another value.
    let path = tiny.path("model/model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let output = seald(&tiny, "score --model model --adapter out --data rows.jsonl");
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("another base model"));
}

#[test]
fn help_names_the_verbs_and_what_happens_without_one() {
    let output = command().arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    for words in
        ["once", "calibrate", "train", "score", "generate", "config", "doctor", "Without a verb", "sealctl"]
    {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}
