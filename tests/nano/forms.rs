//! Answers in a form: whatever a model would rather say, it is JSON that fits.

use std::ops::ControlFlow;

use seald_core::Kind;
use seald_engine::generate::{FinishReason, GenerateOptions, GenerateRow, Generator};
use seald_engine::grammar::Vocabulary;
use seald_engine::sampler::Sampling;
use serde_json::{Value, json};

use super::lesson::{GO_ON, closed_book};
use super::nano;

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "maxLength": 12 },
            "kind": { "enum": ["ship", "town"] },
            "opened": { "type": "integer", "minimum": 1000, "maximum": 1999 }
        },
        "required": ["name", "kind", "opened"],
        "additionalProperties": false,
        "x-guidance": { "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " }
    })
}

#[test]
fn answers_fit_the_schema_at_any_temperature() {
    let model = nano();
    let vocabulary = Vocabulary::new(&model.tokenizer).unwrap();
    let grammar = vocabulary.json(&schema()).unwrap();
    let generator = Generator::new(&model.decoder, Some(&model.tokenizer), &[]);
    let prompt = closed_book(&model, "When was the harbour of Drelpolford opened?");
    for temperature in [0.0, 1.0, 3.0] {
        let options = GenerateOptions {
            max_tokens: 200,
            sampling: Sampling { temperature, top_p: Some(0.95), ..Sampling::default() },
            seed: 5,
            stop_tokens: model.tokenizer.eos_ids().to_vec(),
            grammar: Some(grammar.clone()),
            ..GenerateOptions::default()
        };
        let rows = vec![GenerateRow { prompt: prompt.clone(), adapter: None, options: None }; 6];
        let found = generator.generate(&rows, &options, &mut |_| ControlFlow::Continue(()), &GO_ON).unwrap();
        for one in found {
            assert_eq!(one.finish_reason, FinishReason::Stop, "{}", one.text);
            let said: Value = serde_json::from_str(&one.text).unwrap_or_else(|e| panic!("{e}: {}", one.text));
            let fields = said.as_object().unwrap();
            assert_eq!(fields.keys().collect::<Vec<_>>(), ["name", "kind", "opened"], "{said}");
            assert!(said["name"].as_str().unwrap().chars().count() <= 12, "{said}");
            assert!(["ship", "town"].contains(&said["kind"].as_str().unwrap()), "{said}");
            assert!((1000..2000).contains(&said["opened"].as_i64().unwrap()), "{said}");
            // The model's own probabilities, which need not be high for what it was made to say.
            assert!(one.log_probs.iter().all(|p| p.is_finite() && *p <= 1e-6));
        }
    }
}

#[test]
fn schemas_that_cannot_be_used_are_refused_with_the_reason() {
    let vocabulary = Vocabulary::new(&nano().tokenizer).unwrap();
    for (schema, words) in [
        (json!({ "type": "ship" }), "ship"),
        (json!({ "$ref": "https://example.org/a.json" }), "ref"),
        (json!({ "type": "string", "pattern": "(" }), "schema"),
        (json!({ "$ref": "#" }), "lead in a circle"),
        (
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" }),
            "lead in a circle",
        ),
        (json!({ "type": "number", "multipleOf": 1e-300 }), "digits after the point"),
    ] {
        let error = vocabulary.json(&schema).unwrap_err();
        assert!(error.kind() == Kind::Invalid && error.to_string().contains(words), "{schema}: {error}");
        assert!(
            !error.to_string().contains("verbose") && !error.to_string().contains('\n'),
            "{schema}: {error}"
        );
    }
}

#[test]
fn the_bytes_of_the_tokens_are_the_text() {
    let tokenizer = nano().tokenizer;
    let text = "Ansel Vort, 1987: “harbour” – naïve 🌊";
    let ids = tokenizer.encode_text(text).unwrap();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| tokenizer.token_bytes(*id)).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    let end = tokenizer.eos_ids()[0];
    assert_eq!(tokenizer.token_bytes(end), b"<|im_end|>");
    assert!(tokenizer.token_bytes(u32::MAX).is_empty());
}

/// Definitions, each of which leads to the next: `link` makes one of a reference to the next one.
fn chain(links: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut definitions = serde_json::Map::new();
    for n in 0..links {
        definitions.insert(format!("d{n}"), link(json!({ "$ref": format!("#/$defs/d{}", n + 1) })));
    }
    definitions.insert(format!("d{links}"), json!({ "type": "string" }));
    json!({ "$defs": definitions, "$ref": "#/$defs/d0" })
}

#[test]
fn a_schema_of_any_shape_is_compiled_or_refused() {
    let model = nano();
    let vocabulary = Vocabulary::new(&model.tokenizer).unwrap();
    assert!(vocabulary.json(&chain(680, |next| next)).is_ok(), "a chain that used to end the process");
    let twice = |next: Value| json!({ "allOf": [next, next] });
    let listed: Vec<String> = (0..20_000).map(|n| format!("v{n}")).collect();
    let shapes: [(&str, Value); 8] = [
        ("the longest chain that is taken", chain(7_400, |next| next)),
        ("a longer one", chain(10_000, |next| next)),
        ("through lists", chain(3_600, |next| json!({ "type": "array", "items": next }))),
        ("through objects", chain(2_900, |next| json!({ "type": "object", "properties": { "a": next } }))),
        ("through alternatives", chain(2_900, |next| json!({ "anyOf": [next, { "type": "null" }] }))),
        ("doubled at each link", chain(60, twice)),
        ("more words than are taken", json!({ "enum": listed })),
        (
            "a pattern that doubles",
            json!({ "type": "string", "pattern": "(((((a{1,99}){1,99}){1,99}){1,99}){1,99})" }),
        ),
    ];
    for (name, schema) in shapes {
        if let Err(error) = vocabulary.json(&schema) {
            assert_eq!(error.kind(), Kind::Invalid, "{name}: {error}");
            let text = error.to_string();
            assert!(text.contains("the schema") && text.len() < 500, "{name}: {text}");
        }
    }
    let refused = vocabulary.json(&chain(10_000, |next| next)).unwrap_err().to_string();
    assert!(refused.contains("at most 15000"), "{refused}");
}
