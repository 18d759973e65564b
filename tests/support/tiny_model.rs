//! A whole model directory that trains in a second: the golden Qwen2 weights with a tokenizer of single characters.

use std::path::PathBuf;

use crate::repository::repository;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// ChatML, as Qwen's models write it.
const CHAT_TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// The model directory, gone when dropped, with room for a test's other files.
pub(crate) struct TinyModel {
    root: TempDir,
}

impl TinyModel {
    /// Knows printable ASCII and line breaks; ends texts with `<|endoftext|>`; has a chat template.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let model = root.path().join("model");
        std::fs::create_dir(&model).unwrap();
        let golden = repository().join("tests/golden/engine/qwen2");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(golden.join(file), model.join(file)).unwrap();
        }
        let tiny = Self { root };
        tiny.write("model/tokenizer.json", &tokenizer().to_string());
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>",
            "chat_template": CHAT_TEMPLATE,
        });
        tiny.write("model/tokenizer_config.json", &config.to_string());
        tiny
    }

    /// A path beside the model.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file beside the model.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Names of everything beside the model, hidden ones too, sorted.
    pub(crate) fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Byte-level BPE without merges: one token for each character.
fn tokenizer() -> Value {
    // As GPT-2 writes bytes: printable ones as themselves, space and line break moved out of the way.
    let characters = ('!'..='~').chain(['Ġ', 'Ċ']);
    let vocab: Map<String, Value> =
        characters.enumerate().map(|(id, c)| (c.to_string(), json!(id))).collect();
    let special = |(i, content): (usize, &str)| {
        json!({"id": vocab.len() + i, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let added: Vec<Value> =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].into_iter().enumerate().map(special).collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": byte_level, "post_processor": null, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab,
                  "merges": []},
    })
}
