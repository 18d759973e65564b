//! From a request in OpenAI's terms to what is asked for: every field is honoured, refused by name, or without meaning for the answer.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::extract::{generation, whole_numbers};
use super::super::plain;
use super::failure::Refusal;
use super::fields::{leave_out, refuse};
use crate::pipeline::model_requests::{GenerateRequest, MAX_TEMPERATURE, Message, Prompt, Role};
use seald_core::domain::ids::GenerationId;
use seald_core::protocol::openai::{
    ChatMessage, ChatRequest, Common, CompletionRequest, Content, OneOrMore, PromptField, ResponseFormat,
};

/// Most answers to a prompt, and most answers of a request.
const EACH: usize = 16;
const ALL: usize = 64;
/// Most texts that end an answer, and the longest, bytes: each is looked for after every token.
const STOPS: usize = 4;
const STOP_BYTES: usize = 1000;
/// Most alternatives of a token.
const TOP: usize = 20;
/// Tokens of a completion where nothing is said, as OpenAI has it.
const FEW: usize = 16;

/// What is wanted.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) asked: GenerateRequest,
    /// Whether log-probabilities are told.
    pub(super) log_probs: bool,
    /// Whether the answers come in chunks.
    pub(super) stream: bool,
    /// Whether the last chunk tells the numbers of tokens.
    pub(super) usage: bool,
}

/// Reads a chat.
pub(super) fn chat(body: &[u8]) -> Result<Wanted, Refusal> {
    let request: ChatRequest = read(body)?;
    let messages = request
        .messages
        .iter()
        .enumerate()
        .map(|(at, message)| turn(at, message))
        .collect::<Result<_, _>>()?;
    if request.messages.is_empty() {
        return Err(Refusal::field("messages", "messages is empty: give at least one turn"));
    }
    if request.max_tokens == Some(0) {
        return Err(Refusal::field("max_tokens", "max_tokens is 0: give 1 or more"));
    }
    let log_probs = request.logprobs.unwrap_or(false);
    let top = request.top_logprobs.unwrap_or(0);
    if top > 0 && !log_probs {
        return Err(Refusal::field("top_logprobs", "top_logprobs needs logprobs: true"));
    }
    let schema = match request.response_format {
        None | Some(ResponseFormat::Text) => None,
        Some(ResponseFormat::JsonObject) => Some(json!({ "type": "object" })),
        Some(ResponseFormat::JsonSchema { json_schema }) => match json_schema.schema {
            Some(schema) => Some(schema),
            None => {
                return Err(Refusal::field(
                    "response_format",
                    "response_format.json_schema has no schema: give one",
                ));
            }
        },
    };
    let asked = GenerateRequest {
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        top: checked_top("top_logprobs", top)?,
        schema: schema.map(compact),
        ..GenerateRequest::new(Prompt::Chat(messages))
    };
    wanted(asked, log_probs, request.common)
}

/// Reads a completion.
pub(super) fn completion(body: &[u8]) -> Result<Wanted, Refusal> {
    let request: CompletionRequest = read(body)?;
    let prompts: Vec<Prompt> = match request.prompt {
        PromptField::Text(text) => vec![Prompt::Text(text)],
        PromptField::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
        PromptField::Tokens(ids) => vec![Prompt::Tokens(ids)],
        PromptField::ManyTokens(many) => many.into_iter().map(Prompt::Tokens).collect(),
    };
    let Some(first) = prompts.first().cloned() else {
        return Err(Refusal::field("prompt", "prompt is empty: give text, or token ids"));
    };
    let asked = GenerateRequest {
        prompts,
        max_tokens: Some(request.max_tokens.unwrap_or(FEW)),
        top: checked_top("logprobs", request.logprobs.unwrap_or(0))?,
        ..GenerateRequest::new(first)
    };
    wanted(asked, request.logprobs.is_some(), request.common)
}

/// Reads a body; the error names the field.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::field("body", format!("the body is no JSON: {e}")))?;
    let mut value = whole_numbers(value);
    let Value::Object(fields) = &mut value else {
        return Err(Refusal::field("body", "the body is no JSON object"));
    };
    leave_out(fields);
    refuse(fields)?;
    serde_path_to_error::deserialize(&value).map_err(|e| {
        // What is flattened loses its name on the way: read alone it has it.
        let e = match serde_path_to_error::deserialize::<_, Common>(&value) {
            Err(common) if e.path().iter().len() == 0 => common,
            _ => e,
        };
        let (path, inner) = (e.path().to_string(), e.into_inner().to_string());
        // A field that is missing is named by the words alone, the path says in what.
        let missing = inner.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        let param = match missing {
            None => path,
            Some(field) if path == "." => field.to_string(),
            Some(field) => format!("{path}.{field}"),
        };
        let text = if missing.is_some() {
            format!("{param} is missing: give one")
        } else {
            format!("{param}: {}", plain::words(&inner))
        };
        Refusal::field(param, text)
    })
}

fn turn(at: usize, message: &ChatMessage) -> Result<Message, Refusal> {
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => {
            let text = format!("messages[{at}].role is {other:?}: give system, user or assistant");
            return Err(Refusal::field(format!("messages[{at}].role"), text));
        }
    };
    let content = match &message.content {
        // A turn that called a tool says nothing.
        None if role == Role::Assistant => String::new(),
        None => {
            let name = format!("messages[{at}].content");
            return Err(Refusal::field(name.clone(), format!("{name} is missing: give text")));
        }
        Some(Content::Text(text)) => text.clone(),
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|part| part.kind != "text") {
                let text =
                    format!("messages[{at}].content has a part of type {:?}: only text is read", other.kind);
                return Err(Refusal::unsupported(format!("messages[{at}].content"), text));
            }
            parts.iter().filter_map(|part| part.text.as_deref()).collect::<Vec<_>>().join("\n")
        }
    };
    Ok(Message::new(role, content))
}

fn wanted(asked: GenerateRequest, log_probs: bool, common: Common) -> Result<Wanted, Refusal> {
    let Common { model, n, temperature, top_p, top_k, seed, stop, stream, stream_options } = common;
    let answers = n.unwrap_or(1);
    if !(1..=EACH).contains(&answers) {
        return Err(Refusal::field("n", format!("n is {answers}: give 1 to {EACH}")));
    }
    if answers * asked.prompts.len() > ALL {
        let text = format!(
            "{} prompts with {answers} answers each: at most {ALL} answers come at a time",
            asked.prompts.len()
        );
        return Err(Refusal::field("prompt", text));
    }
    if asked.max_tokens == Some(0) {
        return Err(Refusal::field("max_tokens", "max_tokens is 0: give 1 or more"));
    }
    if let Some(wrong) = temperature.filter(|t| !(0.0..=MAX_TEMPERATURE).contains(t)) {
        return Err(Refusal::field(
            "temperature",
            format!("temperature is {wrong}: give 0 to {MAX_TEMPERATURE}"),
        ));
    }
    if let Some(wrong) = top_p.filter(|p| !(0.0..=1.0).contains(p)) {
        return Err(Refusal::field("top_p", format!("top_p is {wrong}: give 0 to 1")));
    }
    if top_k == Some(0) {
        return Err(Refusal::field("top_k", "top_k is 0: give 1 or more, or leave it out"));
    }
    let stop = match stop {
        None => Vec::new(),
        Some(OneOrMore::One(text)) => vec![text],
        Some(OneOrMore::More(texts)) => texts,
    };
    if stop.len() > STOPS || stop.iter().any(|text| !(1..=STOP_BYTES).contains(&text.len())) {
        let text = format!("stop: give at most {STOPS} texts of 1 to {STOP_BYTES} bytes");
        return Err(Refusal::field("stop", text));
    }
    let seed = seed.map(i64::cast_unsigned);
    let asked = GenerateRequest {
        generation: who(model.as_deref())?,
        answers,
        temperature,
        top_p,
        top_k,
        seed,
        stop,
        ..asked
    };
    let usage = stream_options.unwrap_or_default().include_usage;
    Ok(Wanted { asked, log_probs, stream: stream.unwrap_or(false), usage })
}

fn who(model: Option<&str>) -> Result<Option<GenerationId>, Refusal> {
    match model {
        None | Some("live") => Ok(None),
        Some(name) => generation(name).map(Some).map_err(|_| Refusal::no_model(name)),
    }
}

fn checked_top(name: &str, top: usize) -> Result<usize, Refusal> {
    if top <= TOP { Ok(top) } else { Err(Refusal::field(name, format!("{name} is {top}: give 0 to {TOP}"))) }
}

/// Without room for white space where any amount would do: a small model does not leave it again.
fn compact(mut schema: Value) -> Value {
    if let Value::Object(fields) = &mut schema {
        let plain = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
        fields.entry("x-guidance").or_insert(plain);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(read: fn(&[u8]) -> Result<Wanted, Refusal>, body: Value) -> (String, String, String) {
        let error = read(body.to_string().as_bytes()).unwrap_err().reply().error;
        (error.param.unwrap_or_default(), error.code.unwrap_or_default(), error.message)
    }

    fn hello(more: Value) -> Value {
        let mut body = json!({ "model": "live", "messages": [{ "role": "user", "content": "Hello" }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            (json!({ "temperature": "hot" }), "temperature"),
            (json!({ "temperature": -1 }), "temperature"),
            (json!({ "n": 0 }), "n"),
            (json!({ "n": 17 }), "n"),
            (json!({ "top_p": 1.5 }), "top_p"),
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "max_tokens": 0, "max_completion_tokens": 3 }), "max_tokens"),
            (json!({ "stop": ["a", "b", "c", "d", "e"] }), "stop"),
            (json!({ "stop": 7 }), "stop"),
            (json!({ "top_logprobs": 3 }), "top_logprobs"),
            (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs"),
            (json!({ "messages": [{ "role": "king", "content": "" }] }), "messages[0].role"),
            (json!({ "messages": [{ "content": "" }] }), "messages[0].role"),
            (json!({ "messages": [{ "role": "user" }] }), "messages[0].content"),
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": "Hello" }), "messages"),
            (json!({ "response_format": { "type": "json_schema", "json_schema": {} } }), "response_format"),
            (json!({ "tools": [{ "type": "function" }] }), "tools"),
            (json!({ "frequency_penalty": 0.5 }), "frequency_penalty"),
            (json!({ "best_of": 3 }), "best_of"),
            (json!({ "repetition_penalty": 1.1 }), "repetition_penalty"),
            (json!({ "min_p": 0.1 }), "min_p"),
            (json!({ "chat_template_kwargs": { "enable_thinking": true } }), "chat_template_kwargs"),
            (json!({ "chat_template": "{{ messages }}" }), "chat_template"),
            (json!({ "max_tokens": -2 }), "max_tokens"),
            (
                json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url" }] }] }),
                "messages[0].content",
            ),
        ];
        for (more, param) in cases {
            let found = refusal(chat, hello(more.clone()));
            assert_eq!(found.0, param, "{more}: {}", found.2);
        }
        for more in [
            json!({ "max_tokens": -2 }),
            json!({ "max_tokens": "2" }),
            json!({ "max_tokens": 1.5 }),
            json!({ "seed": 9_223_372_036_854_775_808_u64 }),
            json!({ "response_format": "json" }),
            json!({ "response_format": { "type": "xml" } }),
            json!({ "messages": [{ "content": "" }] }),
        ] {
            let words = refusal(chat, hello(more.clone())).2;
            let rust = ["usize", "i64", "enum", "struct", "expected", "variant", "field `"];
            assert!(
                rust.iter().all(|word| !words.contains(word)) && words.contains("give"),
                "{more}: {words}"
            );
        }
        assert_eq!(refusal(chat, hello(json!({ "model": "gpt-4" }))).1, "model_not_found");
        assert_eq!(refusal(chat, json!({ "model": "live" })).0, "messages");
        assert_eq!(refusal(completion, json!({ "prompt": [] })).0, "prompt");
        assert_eq!(refusal(completion, json!({ "prompt": vec!["a"; 33], "n": 2 })).0, "prompt");
        assert_eq!(refusal(completion, json!(["prompt"])).0, "body");
    }

    #[test]
    fn what_asks_for_nothing_is_taken() {
        let more = json!({
            "tools": [], "tool_choice": "none", "presence_penalty": 0, "logit_bias": {}, "n": null, "best_of": 1,
            "user": "me", "metadata": {}, "store": true, "stream_options": null, "max_tokens": -1, "top_k": -1,
            "repetition_penalty": 1.0, "typical_p": 1.0, "min_p": 0, "chat_template_kwargs": { "enable_thinking": false }
        });
        let wanted = chat(hello(more).to_string().as_bytes()).unwrap();
        let messages = vec![Message::new(Role::User, "Hello")];
        assert_eq!(wanted.asked, GenerateRequest::new(Prompt::Chat(messages)));
        assert!(!wanted.stream && !wanted.log_probs && !wanted.usage);
    }

    #[test]
    fn everything_that_is_honoured_arrives() {
        let more = json!({
            "model": "gen-000003", "max_completion_tokens": 9, "max_tokens": 5, "logprobs": true, "top_logprobs": 2, "n": 3,
            "temperature": 0.5, "top_p": 0.9, "top_k": 7, "seed": -1, "stop": "END", "stream": true,
            "stream_options": { "include_usage": true }, "response_format": { "type": "json_object" },
            "messages": [{ "role": "developer", "content": [{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }] }]
        });
        let found = chat(hello(more).to_string().as_bytes()).unwrap();
        let GenerateRequest {
            generation,
            answers,
            max_tokens,
            temperature,
            top_p,
            top_k,
            seed,
            ref stop,
            top,
            ..
        } = found.asked;
        assert_eq!((generation, answers, max_tokens), (Some(GenerationId(3)), 3, Some(9)));
        assert_eq!(
            (temperature, top_p, top_k, seed, top),
            (Some(0.5), Some(0.9), Some(7), Some(u64::MAX), 2)
        );
        assert_eq!(stop, &["END"]);
        assert_eq!(found.asked.prompts, [Prompt::Chat(vec![Message::new(Role::System, "a\nb")])]);
        assert_eq!(found.asked.schema.unwrap()["type"], "object");
        assert!(found.stream && found.log_probs && found.usage);
        let found =
            completion(json!({ "prompt": [[1, 2], [3]], "logprobs": 0 }).to_string().as_bytes()).unwrap();
        assert_eq!(found.asked.prompts, [Prompt::Tokens(vec![1, 2]), Prompt::Tokens(vec![3])]);
        assert!(found.log_probs && found.asked.max_tokens == Some(16));
    }
}
