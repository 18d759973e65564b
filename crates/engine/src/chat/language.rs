//! The language of chat templates, as `transformers.utils.chat_template_utils` sets it up.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, ErrorKind};

use crate::python_json;
use seald_core::error::{Context, Kind, Result};

/// What templates take for now, for ever: midnight of 26 July 2024, the day that Llama 3's own template falls back to.
///
/// Not the machine's clock, in live chats neither. A template that writes the date (Llama 3.2, SmolLM3) would change
/// every prompt at midnight: an adapter would be asked with other words than those it was trained and judged with, stored
/// samples would no longer begin with their prompt, and the same bytes would not give the same bytes. Who wants the
/// model to know the date says it in a message.
const NOW: NaiveDateTime = match NaiveDate::from_ymd_opt(2024, 7, 26) {
    Some(day) => NaiveDateTime::new(day, NaiveTime::MIN),
    None => NaiveDateTime::MIN,
};

/// An environment without templates.
pub(super) fn environment() -> Result<Environment<'static>> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .doing(Kind::Internal, || "chat template syntax".to_string())?;
    env.set_syntax(syntax);
    env.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    env.set_formatter(|out, state, value| match value.kind() {
        // As Python prints them.
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }).map_err(Into::into),
        ValueKind::None => out.write_str("None").map_err(Into::into),
        _ => minijinja::escape_formatter(out, state, value),
    });
    env.add_filter("tojson", |value: Value, options: Kwargs| python_json::tojson(&value, &options));
    env.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    set_clock(&mut env, NOW);
    Ok(env)
}

/// Sets what `strftime_now` sees.
pub(super) fn set_clock(env: &mut Environment<'static>, now: NaiveDateTime) {
    env.add_function("strftime_now", move |format: &str| strftime(now, format));
}

/// `source` without the tags `{% generation %}`, which mark what the assistant said for transformers' own masks; what
/// stands between them stays.
pub(super) fn without_marks(source: &str) -> Result<String> {
    let marks = regex::Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}")
        .doing(Kind::Internal, || "chat template".to_string())?;
    let plain = marks.replace_all(source, |tag: &regex::Captures<'_>| {
        let word = if tag.get(2).is_some() { "endif" } else { "if true" };
        format!("{{%{} {word} {}%}}", &tag[1], &tag[3])
    });
    Ok(plain.into_owned())
}

fn strftime(now: NaiveDateTime, format: &str) -> Result<String, minijinja::Error> {
    use std::fmt::Write;
    let mut text = String::new();
    write!(text, "{}", now.format(format)).map_err(|_| {
        minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now: unknown format {format:?}"))
    })?;
    Ok(text)
}
