//! The language of chat templates, as `transformers.utils.chat_template_utils` sets it up.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, State};

use super::program::Program;
use super::{filters, made};
use seald_core::error::{Context, Error, Kind, Result};

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

/// Instructions that one rendering may take: a fraction of a second's work. A conversation of ten thousand turns takes a million.
const FUEL: u64 = 5_000_000;
/// Longest template, bytes; those of well-known models have up to 20,000. It bounds how deep the parser goes.
const LONGEST: usize = 64 << 10;
/// Stack for parsing, bytes; only what is touched takes memory. A test reads the deepest templates of that length.
const STACK: usize = 256 << 20;
/// Most bytes of a date for each byte of its format: `%+`, two bytes, has 25.
const LONGEST_DATE: usize = 16;

/// Reads a template, where deep nesting can do no harm.
pub(super) fn read(source: &str) -> Result<Program> {
    if source.len() > LONGEST {
        let text = format!("the chat template has {} bytes: {LONGEST} are taken", source.len());
        return Err(Error::new(Kind::Invalid, text));
    }
    let source = without_marks(source)?;
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .doing(Kind::Internal, || "chat template syntax".to_string())?;
    let parse = move || Program::read(&source, &syntax);
    let parsed = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, parse)
            .doing(Kind::Io, || "cannot start a thread to read the chat template".to_string())?
            .join()
            .map_err(|_| Error::new(Kind::Invalid, "the chat template cannot be read"))
    })?;
    parsed.doing(Kind::Invalid, || "the chat template is not valid Jinja".to_string())
}

/// An environment without templates.
pub(super) fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_unknown_method_callback(|state, value, method, args| {
        filters::method(state, value, method, args)?;
        minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
    });
    env.set_formatter(|out, state, value| {
        filters::printed(state, value)?;
        match value.kind() {
            // As Python prints them.
            ValueKind::Bool => {
                out.write_str(if value.is_true() { "True" } else { "False" }).map_err(Into::into)
            }
            ValueKind::None => out.write_str("None").map_err(Into::into),
            _ => minijinja::escape_formatter(out, state, value),
        }
    });
    env.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        // It may be printed to a terminal.
        let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    filters::bound(&mut env);
    env.set_fuel(Some(FUEL));
    set_clock(&mut env, NOW);
    env
}

/// Sets what `strftime_now` sees.
pub(super) fn set_clock(env: &mut Environment<'static>, now: NaiveDateTime) {
    env.add_function("strftime_now", move |state: &mut State, format: &str| {
        made::charge(state, format.len().saturating_mul(LONGEST_DATE))?;
        strftime(now, format)
    });
}

/// `source` without the tags `{% generation %}`, which mark what the assistant said for transformers' own masks; what
/// stands between them stays.
fn without_marks(source: &str) -> Result<String> {
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
