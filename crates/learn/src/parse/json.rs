//! Questions, answers and statements written as JSON, whole or cut off.

use serde_json::Value;

use super::labels::{self, Kind};
use super::questions::Block;
use super::{choices, marks};

/// Objects that could not be read after which the rest is left: a text that is no JSON is not tried at every brace.
const TRIES: usize = 64;

/// The questions and answers of all objects in a text. A list that was cut off gives those before the cut.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    for (value, _) in values(text, &['{']) {
        collect(&value, &mut found);
    }
    found
}

/// The lines of a text that is JSON: strings as they are, members as `key: value`; none if most of it is something else.
pub(super) fn as_lines(text: &str) -> Option<String> {
    let values = values(text, &['{', '[']);
    let mut lines = Vec::new();
    values.iter().for_each(|(value, _)| flatten("", value, &mut lines));
    let read: usize = values.iter().map(|(_, length)| length).sum();
    (!lines.is_empty() && 2 * read > text.trim().len()).then(|| lines.join("\n"))
}

/// The JSON values in a text that begin with one of `opening`, and their lengths in bytes. Each is read once, or not at
/// all below the depth of serde_json's limit, hence linear in the text.
fn values(text: &str, opening: &[char]) -> Vec<(Value, usize)> {
    let mut found = Vec::new();
    if !text.contains('"') {
        return found;
    }
    let (mut from, mut failed) = (0, 0);
    while let Some(at) = text[from..].find(opening).map(|at| from + at).filter(|_| failed < TRIES) {
        let mut read = serde_json::Deserializer::from_str(&text[at..]).into_iter::<Value>();
        match read.next() {
            Some(Ok(value)) => {
                from = at + read.byte_offset();
                found.push((value, read.byte_offset()));
            }
            _ => {
                failed += 1;
                from = at + 1;
            }
        }
    }
    found
}

fn collect(value: &Value, found: &mut Vec<Block>) {
    let members = match value {
        Value::Array(values) => return values.iter().for_each(|value| collect(value, found)),
        Value::Object(members) => members,
        _ => return,
    };
    let (mut questions, mut answers, mut options) = (Vec::new(), Vec::new(), Vec::new());
    for (key, value) in members {
        let Some(said) = in_words(value) else {
            collect(value, found);
            continue;
        };
        match labels::named(&key.replace('_', " ")) {
            Some(Kind::Question | Kind::Wording) => questions.extend(said),
            Some(Kind::Answer) if answers.is_empty() => answers = said,
            Some(Kind::Aside) if key.starts_with("option") || key.starts_with("choice") => options = said,
            None if marks::ends_asking(key) => push(vec![key.clone()], said.join(", "), found),
            _ => {}
        }
    }
    options.iter_mut().for_each(|option| *option = choices::chosen(option, &[]));
    if questions.len() > 1 && questions.len() == answers.len() {
        questions.into_iter().zip(answers).for_each(|(question, answer)| push(vec![question], answer, found));
    } else {
        push(questions, choices::chosen(&answers.join(", "), &options), found);
    }
}

fn push(mut questions: Vec<String>, answer: String, found: &mut Vec<Block>) {
    questions.retain(|question| question.contains(char::is_alphanumeric));
    if !questions.is_empty() && answer.contains(char::is_alphanumeric) {
        found.push(Block { questions, answer });
    }
}

/// A value as texts: a string, a number, yes or no, a list of them, the members of a flat object; none if it is deeper.
fn in_words(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(true) => Some("True".into()),
        Value::Bool(false) => Some("False".into()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        Value::Object(members) if members.keys().all(|key| key.len() == 1) => {
            members.values().map(one).collect()
        }
        value => one(value).map(|text| vec![text]),
    }
}

fn flatten(key: &str, value: &Value, lines: &mut Vec<String>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| flatten(key, value, lines)),
        Value::Object(members) => {
            let pair = |names: [&str; 3]| names.into_iter().find_map(|name| members.get(name)?.as_str());
            if let (Some(label), Some(value)) =
                (pair(["label", "key", "name"]), pair(["value", "detail", "fact"]))
            {
                lines.push(format!("{label}: {value}"));
            } else {
                members.iter().for_each(|(key, value)| flatten(key, value, lines));
            }
        }
        value => {
            let Some(said) = in_words(value) else { return };
            let idle = [
                "text",
                "rewrite",
                "note",
                "content",
                "passage",
                "summary",
                "description",
                "implications",
                "facts",
            ];
            let name = key.replace('_', " ");
            match name.as_str() {
                "id" | "title" | "number" => {}
                key if key.is_empty() || idle.contains(&key) || labels::named(key).is_some() => {
                    lines.extend(said)
                }
                key => lines.extend(said.into_iter().map(|said| format!("{key}: {said}"))),
            }
        }
    }
}
