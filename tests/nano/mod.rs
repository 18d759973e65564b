//! The embedded model: its files fit together, it works from any folder, it learns what it did not know.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository::repository;
use candle_core::{D, DType, Device};
use seald_engine::embedded::{self, NANO};
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;
use seald_engine::model_config::ModelConfig;
use seald_engine::weights::Weights;
use serde_json::Value;

mod forms;
mod lesson;
mod verbs;

/// The largest embedded model, bytes.
const MAX_BYTES: usize = 24 << 20;

fn weights_dir() -> PathBuf {
    repository().join("models/nano/weights")
}

fn exact() -> Compute {
    Compute::cpu(Precision::F32, Isa::supported(), 2).unwrap()
}

fn nano() -> Model {
    Model::open(Path::new("nano"), &exact()).unwrap()
}

/// Wrong or right, as the recipe's `grade.py` sees it for these answers.
fn same(said: &str, answer: &str) -> bool {
    said.trim().eq_ignore_ascii_case(answer)
}

#[test]
fn the_embedded_files_are_those_of_the_folder_and_of_the_provenance() {
    let hash = NANO.verify().unwrap();
    let provenance = NANO.provenance().unwrap();
    assert_eq!(provenance.files["model.safetensors"], hash);
    assert!(provenance.tokens > provenance.steps && provenance.steps > 0, "{provenance:?}");
    assert_eq!(provenance.recipe.len(), 64);

    let mut names = BTreeSet::from(["provenance.json".to_string()]);
    let mut size = 0;
    for (name, bytes) in NANO.files() {
        assert!(std::fs::read(weights_dir().join(name)).unwrap() == bytes, "{name}: build again");
        names.insert(name.to_string());
        size += bytes.len();
    }
    assert!(size <= MAX_BYTES, "{size} bytes");
    let found =
        std::fs::read_dir(weights_dir()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(found.collect::<BTreeSet<_>>(), names, "a stray file: publish.py takes it away");
}

#[test]
fn configuration_tensors_and_tokenizer_are_of_one_model() {
    let config = ModelConfig::from_json(NANO.config, "config.json").unwrap();
    let weights = Weights::from_static(NANO.weights).unwrap();
    weights.check(&config).unwrap();
    let mut values = 0;
    for (name, shape) in config.weight_shapes() {
        assert_eq!(weights.view(&name, &shape).unwrap().dtype, DType::BF16, "{name}");
        values += shape.iter().product::<usize>() as u64;
    }
    assert_eq!(weights.names().count(), config.weight_shapes().count(), "nothing that is not used");
    assert_eq!(values, config.parameter_count());

    let model = nano();
    assert_eq!(model.tokenizer.vocab_size(), config.vocab_size);
    let ends: Vec<String> =
        model.tokenizer.eos_ids().iter().map(|&id| model.tokenizer.decode(&[id], false).unwrap()).collect();
    assert_eq!(ends, ["<|im_end|>", "<|endoftext|>"]);
    let asked = lesson::closed_book(&model, "What are you?");
    assert_eq!(
        model.tokenizer.decode(&asked, false).unwrap(),
        "<|im_start|>user\nWhat are you?<|im_end|>\n<|im_start|>assistant\n"
    );
}

#[test]
fn the_embedded_model_is_the_folders_model_under_another_name() {
    let (inside, outside) = (nano(), Model::open(&weights_dir(), &exact()).unwrap());
    assert_eq!(inside.fingerprint, outside.fingerprint);
    assert_eq!(inside.adapter_meta().chat_template_hash, outside.adapter_meta().chat_template_hash);
    assert_eq!(inside.adapter_meta().base_model.as_deref(), Some("nano"));
    assert!(embedded::find(&inside.path).is_some() && embedded::find(&outside.path).is_none());
    let said = |model: &Model| lesson::ask(model, None, &["What are you?"]).remove(0);
    assert_eq!(said(&inside).token_ids, said(&outside).token_ids);
}

#[test]
fn it_learns_a_fact_and_answers_wordings_that_it_never_saw() {
    let model = nano();
    // The model is no mere noise: it knows its training memory, in shown and in held-out wordings.
    for fact in remembered() {
        let text = |key: &str| fact[key].as_str().unwrap();
        for said in lesson::ask(&model, None, &[text("shown"), text("held_out")]) {
            assert!(same(&said.text, text("answer")), "{fact}: {}", said.text);
        }
    }
    let asked = lesson::held_out();
    let questions: Vec<&str> = asked.iter().map(|(question, _)| *question).collect();
    let before = lesson::log_probs(&model, None, &asked);
    for (said, (question, answer)) in lesson::ask(&model, None, &questions).iter().zip(&asked) {
        assert!(!same(&said.text, answer), "{question} was known before");
    }

    let adapter = lesson::teach(&model);
    let after = lesson::log_probs(&model, Some(&adapter), &asked);
    let said = lesson::ask(&model, Some(&adapter), &questions);
    for (i, (question, answer)) in asked.iter().enumerate() {
        eprintln!("{question} {answer:?}: {:?}, log p {:.2} -> {:.2}", said[i].text, before[i], after[i]);
        assert!(after[i] > before[i] + 3.0, "{question} {answer}: log p {} -> {}", before[i], after[i]);
        assert!(same(&said[i].text, answer), "{question} {answer}: {}", said[i].text);
    }
}

/// Facts of the training memory; `models/nano/recipe/publish.py` renews them with the weights.
fn remembered() -> Vec<Value> {
    let path = repository().join("tests/nano/remembered.json");
    let facts: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(facts.len() >= 2);
    facts
}

/// Needs Python with peft (`SEALD_PYTHON`, else `python3`): run with `cargo test -- --ignored real_peft`.
///
/// PEFT reads the folder that the program was built from and our adapter, is given the question and our greedy
/// answer, and must find every token of that answer the likeliest, with our log-probability.
#[test]
#[ignore = "needs Python with torch, transformers and peft"]
fn real_peft_gives_the_same_answers_with_the_same_probabilities() {
    let model = nano();
    let adapter = lesson::teach(&model);
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("adapter");
    model.save_adapter(&adapter, &dir).unwrap();

    let questions: Vec<&str> = lesson::held_out().into_iter().map(|(question, _)| question).collect();
    let loaded = model.load_adapter(&dir).unwrap();
    let answers = [("lora", Some(&loaded.adapter)), ("base", None)]
        .map(|(kind, adapter)| (kind, lesson::ask(&model, adapter, &questions)));
    let rows: Vec<Vec<u32>> = answers
        .iter()
        .flat_map(|(_, said)| questions.iter().zip(said))
        .map(|(question, said)| [lesson::closed_book(&model, question), said.token_ids.clone()].concat())
        .collect();
    let (ids, logits) = (out.path().join("ids.json"), out.path().join("logits.safetensors"));
    std::fs::write(&ids, serde_json::to_string(&rows).unwrap()).unwrap();
    let python = std::env::var("SEALD_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = repository().join("tools/golden/check_peft.py");
    let run = Command::new(python).arg(script).args([&weights_dir(), &dir, &ids, &logits]).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let logits = candle_core::safetensors::load(logits, &Device::Cpu).unwrap();
    let mut worst = 0f32;
    let said = answers.iter().flat_map(|(kind, said)| said.iter().map(move |said| (kind, said)));
    for (i, (kind, said)) in said.enumerate() {
        let theirs = &logits[&format!("row{i}.{kind}_logits")];
        let start = rows[i].len() - said.token_ids.len();
        for (t, (&id, ours)) in said.token_ids.iter().zip(&said.log_probs).enumerate() {
            let row = theirs.get(start + t - 1).unwrap();
            let likeliest = row.argmax(D::Minus1).unwrap().to_scalar::<u32>().unwrap();
            assert_eq!(likeliest, id, "{kind} row {i}, token {t} of the answer {:?}", said.text);
            let log_prob = candle_nn::ops::log_softmax(&row, D::Minus1).unwrap().get(id as usize).unwrap();
            worst = worst.max((log_prob.to_scalar::<f32>().unwrap() - ours).abs());
        }
    }
    eprintln!("{} rows; largest difference of a log-probability: {worst:.1e}", rows.len());
    assert!(worst < 1e-3, "{worst}");
}
