//! Fields of other servers that would change the answer and are not honoured here: refused by name, unless they ask for nothing.

use serde_json::{Map, Value};

use super::failure::Refusal;

/// Whether a value asks for nothing.
type AsksForNothing = fn(&Value) -> bool;

const NOT_HONOURED: &str = "it is not honoured: leave it out";
const ONLY_JSON: &str = "only JSON is offered: use `response_format`";
const A_SCHEMA: &str = "use `response_format` with a `json_schema`";
const NARROWER: &str = "it is not honoured: use top_p or top_k";
const NO_TOOLS: &str = "seald's models call no tools: leave it out";
const MOST: &str = "use max_completion_tokens";
const BY_THE_MODEL: &str = "the model's own chat template says what is written: leave it out";

/// Such fields, what of them asks for nothing, and what to do without them: of OpenAI's own API, vLLM, llama.cpp, Ollama and text-generation-inference, as their
/// documentation had them in November 2026.
const REFUSED: &[(&str, AsksForNothing, &str)] = &[
    ("tools", idle, NO_TOOLS),
    ("functions", idle, "seald's models call no functions: leave it out"),
    ("tool_choice", idle, NO_TOOLS),
    ("function_call", idle, "seald's models call no functions: leave it out"),
    ("logit_bias", idle, NOT_HONOURED),
    ("presence_penalty", idle, "it is not honoured: leave it out or give 0"),
    ("frequency_penalty", idle, "it is not honoured: leave it out or give 0"),
    ("echo", idle, "the prompt is not repeated: leave it out"),
    ("suffix", idle, "text can only be continued: leave it out"),
    ("audio", idle, "answers are text: leave it out"),
    ("modalities", only_text, "answers are text: leave it out"),
    ("prediction", idle, NOT_HONOURED),
    ("web_search_options", null, "seald does not search the web: leave it out"),
    ("documents", idle, "nothing is looked up in them: give their text in a message"),
    // Penalties.
    ("repetition_penalty", one, "it is not honoured: leave it out or give 1"),
    ("repeat_penalty", one, "it is not honoured: leave it out or give 1"),
    ("encoder_repetition_penalty", one, "it is not honoured: leave it out or give 1"),
    ("length_penalty", one, "it is not honoured: leave it out or give 1"),
    ("no_repeat_ngram_size", idle, NOT_HONOURED),
    ("dry_multiplier", idle, NOT_HONOURED),
    // What is drawn from.
    ("min_p", idle, NARROWER),
    ("typical_p", one, NARROWER),
    ("typ_p", one, NARROWER),
    ("top_a", idle, NARROWER),
    ("tfs_z", one, NARROWER),
    ("top_n_sigma", negative, NARROWER),
    ("xtc_probability", idle, NARROWER),
    ("epsilon_cutoff", idle, NARROWER),
    ("eta_cutoff", idle, NARROWER),
    ("smoothing_factor", idle, NOT_HONOURED),
    ("dynatemp_range", idle, NOT_HONOURED),
    ("mirostat", idle, NOT_HONOURED),
    ("guidance_scale", one, NOT_HONOURED),
    ("negative_prompt", idle, NOT_HONOURED),
    ("logits_processors", idle, NOT_HONOURED),
    ("use_beam_search", idle, "choose among n answers"),
    ("num_beams", one, "choose among n answers"),
    // Which tokens, and how many.
    ("allowed_token_ids", null, NOT_HONOURED),
    ("bad_words", idle, NOT_HONOURED),
    ("stop_token_ids", idle, "use `stop`, with text"),
    ("min_tokens", idle, NOT_HONOURED),
    ("ignore_eos", idle, "an answer ends where the model ends it: leave it out"),
    ("n_predict", negative, MOST),
    ("num_predict", negative, MOST),
    ("max_new_tokens", negative, MOST),
    ("truncate_prompt_tokens", null, "a prompt that is too long is refused: send less"),
    ("truncate", idle, "a prompt that is too long is refused: send less"),
    ("prompt_logprobs", null, "prompts are not weighed: leave it out"),
    ("skip_special_tokens", yes, "special tokens are no text: leave it out"),
    ("include_stop_str_in_output", idle, "the text that ends an answer is no part of it: leave it out"),
    // How the prompt is made.
    ("chat_template", idle, "the model's own chat template is used: leave it out"),
    (
        "chat_template_kwargs",
        idle_switches,
        "the model's chat template has no switches here, and thinking is off: leave it out",
    ),
    ("add_generation_prompt", yes, BY_THE_MODEL),
    ("continue_final_message", idle, BY_THE_MODEL),
    (
        "options",
        idle,
        "give what it holds as fields of the request: temperature, top_p, seed, max_completion_tokens",
    ),
    // Forms.
    ("guided_json", idle, A_SCHEMA),
    ("json_schema", idle, A_SCHEMA),
    ("structured_outputs", idle, A_SCHEMA),
    ("guided_choice", idle, "use `response_format` with a `json_schema` that has an `enum`"),
    ("guided_regex", idle, ONLY_JSON),
    ("guided_grammar", idle, ONLY_JSON),
    ("grammar", idle, ONLY_JSON),
    ("regex", idle, ONLY_JSON),
    ("format", idle, ONLY_JSON),
];

/// Fields in which other servers take -1 for what leaving them out means.
const UNBOUNDED: &[&str] = &["max_tokens", "max_completion_tokens", "top_k"];

/// Takes away what only says that a field is left out.
pub(super) fn leave_out(fields: &mut Map<String, Value>) {
    fields.retain(|name, value| !(UNBOUNDED.contains(&name.as_str()) && value.as_i64() == Some(-1)));
}

/// Refuses the first field that asks for something which is not honoured.
///
/// # Errors
/// A refusal that names it, and says what to do.
pub(super) fn refuse(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let asks = |name: &str, nothing: AsksForNothing| fields.get(name).is_some_and(|value| !nothing(value));
    if let Some((name, _, remedy)) = REFUSED.iter().find(|(name, nothing, _)| asks(name, *nothing)) {
        return Err(Refusal::unsupported(*name, format!("{name} is not supported: {remedy}")));
    }
    if let Some(best) = fields.get("best_of").filter(|best| !best.is_null()) {
        let n = fields.get("n").filter(|n| !n.is_null()).and_then(Value::as_u64).unwrap_or(1);
        if best.as_u64() != Some(n) {
            let text = "best_of is not supported: leave it out, and choose among n answers";
            return Err(Refusal::unsupported("best_of", text));
        }
    }
    let messages = fields.get("messages").and_then(Value::as_array).into_iter().flatten();
    for (at, message) in messages.enumerate() {
        if message.get("tool_calls").is_some_and(|calls| !idle(calls)) {
            let name = format!("messages[{at}].tool_calls");
            return Err(Refusal::unsupported(name.clone(), format!("{name}: seald's models call no tools")));
        }
    }
    Ok(())
}

fn idle(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "none" || text == "auto",
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn null(value: &Value) -> bool {
    value.is_null()
}

fn one(value: &Value) -> bool {
    idle(value) || value.as_f64() == Some(1.0)
}

fn yes(value: &Value) -> bool {
    value.is_null() || value == &Value::Bool(true)
}

fn negative(value: &Value) -> bool {
    value.is_null() || value.as_f64().is_some_and(|n| n < 0.0)
}

/// Thinking is off anyway.
fn idle_switches(value: &Value) -> bool {
    idle(value) || value.as_object().is_some_and(|switches| switches.values().all(idle))
}

fn only_text(value: &Value) -> bool {
    idle(value) || value.as_array().is_some_and(|kinds| kinds.iter().all(|kind| kind == "text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(name: &str, value: Value) -> Option<String> {
        let fields = Map::from_iter([(name.to_string(), value)]);
        let error = refuse(&fields).err()?.reply().error;
        assert_eq!(error.code.as_deref(), Some("unsupported_parameter"));
        error.param
    }

    #[test]
    fn what_would_change_the_answer_is_refused_by_name() {
        let asking = json!({
            "guided_choice": ["a"], "structured_outputs": { "regex": "a" }, "json_schema": { "type": "object" }, "format": "json",
            "stop_token_ids": [3], "bad_words": ["a"], "allowed_token_ids": [1], "truncate_prompt_tokens": 3, "n_predict": 3,
            "num_predict": 3, "max_new_tokens": 3, "options": { "num_predict": 1 }, "continue_final_message": true,
            "add_generation_prompt": false, "prompt_logprobs": 0, "length_penalty": 2, "use_beam_search": true, "mirostat": 2,
            "dry_multiplier": 1, "xtc_probability": 0.1, "top_a": 0.3, "tfs_z": 0.5, "skip_special_tokens": false,
            "modalities": ["text", "audio"], "repeat_penalty": 1.2, "logits_processors": ["x"], "documents": [1]
        });
        for (name, value) in asking.as_object().unwrap() {
            assert_eq!(refused(name, value.clone()).as_ref(), Some(name), "{value}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_taken() {
        let idle = json!({
            "guided_choice": [], "structured_outputs": null, "format": "", "stop_token_ids": [], "n_predict": -1, "num_predict": -1,
            "options": {}, "continue_final_message": false, "add_generation_prompt": true, "prompt_logprobs": null,
            "length_penalty": 1.0, "use_beam_search": false, "mirostat": 0, "tfs_z": 1, "skip_special_tokens": true,
            "modalities": ["text"], "top_n_sigma": -1, "num_beams": 1, "chat_template_kwargs": { "enable_thinking": false }
        });
        for (name, value) in idle.as_object().unwrap() {
            assert_eq!(refused(name, value.clone()), None, "{name}");
        }
    }
}
