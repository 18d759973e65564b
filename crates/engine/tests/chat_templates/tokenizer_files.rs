//! The files beside a tokenizer: what is taken from them, what is left alone, what is refused.

use seald_core::Kind;
use seald_engine::chat::ChatTemplate;
use seald_engine::tokenizer::Tokenizer;

use super::{golden, nano_with, read, tokenizer};

#[test]
fn end_tokens_come_from_generation_config_tokenizer_and_template() {
    let ids = |name: &str, tokens: &[&str]| -> Vec<u32> {
        tokens.iter().map(|t| tokenizer(name).token_id(t).unwrap()).collect()
    };
    assert_eq!(tokenizer("qwen").eos_ids(), ids("qwen", &["<|im_end|>", "<|endoftext|>"]));
    assert_eq!(tokenizer("llama3").eos_ids(), ids("llama3", &["<|end_of_text|>", "<|eot_id|>"]));
    assert_eq!(tokenizer("nano").eos_ids(), ids("nano", &["<|endoftext|>", "<|im_end|>"]));
    let qwen = tokenizer("qwen");
    let defaults = qwen.generation_defaults();
    assert_eq!((defaults.temperature, defaults.top_p, defaults.top_k), (Some(0.7), Some(0.8), Some(20)));
    assert_eq!(defaults.do_sample, Some(true));
    assert_eq!(tokenizer("nano").generation_defaults().temperature, None);
    assert_eq!(qwen.vocab_size(), 1 + qwen.token_id("</tool_call>").unwrap() as usize);
}

#[test]
fn faulty_files_are_named_with_their_field() {
    let json = std::fs::read(golden("nano/tokenizer.json")).unwrap();
    let config =
        |text: &'static str| nano_with(&json, |f| f.config = Some(text.as_bytes())).unwrap_err().to_string();
    assert!(config("{").contains("tokenizer_config.json"));
    assert!(config(r#"{"eos_token": 5}"#).contains("tokenizer_config.json: eos_token"));
    assert!(config(r#"{"eos_token": "<nope>"}"#).contains("eos_token \"<nope>\""));
    assert!(config(r#"{"chat_template": [{"name": "rag", "template": ""}]}"#).contains("rag"));
    assert!(
        config(r#"{"added_tokens_decoder": {"7": {"content": "<x>"}}}"#).contains("added_tokens_decoder.7")
    );
    let generation = |text: &'static str| {
        nano_with(&json, |f| f.generation_config = Some(text.as_bytes())).unwrap_err().to_string()
    };
    assert!(generation(r#"{"eos_token_id": "x"}"#).contains("generation_config.json: eos_token_id"));
    assert!(generation(r#"{"eos_token_id": [99999]}"#).contains("99999"));
    assert!(generation(r#"{"temperature": "hot"}"#).contains("generation_config.json: temperature"));
    assert_eq!(nano_with(b"{}", |_| {}).unwrap_err().kind(), Kind::Corrupt);
    let missing = Tokenizer::from_dir(&golden("no-such-model")).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
    assert!(missing.to_string().contains("tokenizer.json"));
    let bare = nano_with(&json, |_| {}).unwrap();
    let error = ChatTemplate::from_tokenizer(&bare).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.to_string().contains("no chat template"), "{error}");
}

#[test]
fn tokens_may_be_declared_beside_the_tokenizer() {
    let mut json: serde_json::Value = read("nano/tokenizer.json");
    let added = json["added_tokens"].as_array_mut().unwrap();
    let removed = added.pop().unwrap();
    let id = removed["id"].as_u64().unwrap() as u32;
    let json = serde_json::to_vec(&json).unwrap();
    let config =
        format!(r#"{{"added_tokens_decoder": {{"{id}": {{"content": "<|im_end|>", "special": true}}}}}}"#);
    let tokenizer = nano_with(&json, |f| f.config = Some(config.as_bytes())).unwrap();
    assert_eq!(tokenizer.encode_with_specials("<|im_end|>").unwrap(), [id]);
    assert!(!tokenizer.encode_text("<|im_end|>").unwrap().contains(&id));
    let map = br#"{"eos_token": {"content": "<|endoftext|>", "lstrip": false}}"#;
    let tokenizer = nano_with(&json, |f| f.special_tokens_map = Some(map)).unwrap();
    assert_eq!(tokenizer.eos_ids(), [tokenizer.token_id("<|endoftext|>").unwrap()]);
}

#[test]
fn truncation_and_padding_of_the_file_are_not_used() {
    let mut json: serde_json::Value = read("nano/tokenizer.json");
    json["truncation"] =
        serde_json::json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
    json["padding"] = serde_json::json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "!"});
    let json = serde_json::to_vec(&json).unwrap();
    let text = "Hello there, how are you today?";
    assert_eq!(
        nano_with(&json, |_| {}).unwrap().encode_text(text).unwrap(),
        tokenizer("nano").encode_text(text).unwrap()
    );
}
