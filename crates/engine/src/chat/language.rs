//! The language of chat templates, as `transformers.utils.chat_template_utils` sets it up.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use minijinja::filters;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Rest, StringInput, Value, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, ErrorKind, State};

use crate::python_json;
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
/// Longest text that `replace` makes, bytes: 16 times the largest request.
const LONGEST_TEXT: usize = 16 << 20;

/// Most parts that `batch` and `slice` make.
const MOST_PARTS: usize = 10_000;
/// Digits of a number in a format string.
const WIDEST_DIGITS: usize = 6;

/// Adds a template, which is parsed where deep nesting can do no harm.
pub(super) fn add(env: &mut Environment<'static>, name: &'static str, source: &str) -> Result<()> {
    if source.len() > LONGEST {
        let text = format!("the chat template has {} bytes: {LONGEST} are taken", source.len());
        return Err(Error::new(Kind::Invalid, text));
    }
    let source = without_marks(source)?;
    let parse = move || env.add_template_owned(name, source);
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
pub(super) fn environment() -> Result<Environment<'static>> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .doing(Kind::Internal, || "chat template syntax".to_string())?;
    env.set_syntax(syntax);
    env.set_unknown_method_callback(|state, value, method, args| match (method, value.as_str()) {
        ("replace", Some(text)) => {
            let (from, to): (String, String) = from_args(args)?;
            replace(text.to_string(), from, to).map(Value::from)
        }
        ("format", Some(text)) => {
            refuse_wide(text)?;
            minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args),
    });
    env.set_formatter(|out, state, value| match value.kind() {
        // As Python prints them.
        ValueKind::Bool => out.write_str(if value.is_true() { "True" } else { "False" }).map_err(Into::into),
        ValueKind::None => out.write_str("None").map_err(Into::into),
        _ => minijinja::escape_formatter(out, state, value),
    });
    env.add_filter("tojson", |value: Value, options: Kwargs| python_json::tojson(&value, &options));
    env.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
        // It may be printed to a terminal.
        let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
    });
    env.add_filter("replace", replace);
    env.add_filter("indent", indent);
    env.add_filter("batch", batch);
    env.add_filter("slice", slice);
    env.add_filter("format", format);
    env.set_fuel(Some(FUEL));
    set_clock(&mut env, NOW);
    Ok(env)
}

/// Sets what `strftime_now` sees.
pub(super) fn set_clock(env: &mut Environment<'static>, now: NaiveDateTime) {
    env.add_function("strftime_now", move |format: &str| strftime(now, format));
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

/// The filter `replace`, which must not make a text without end out of a short one.
fn replace(text: String, from: String, to: String) -> Result<String, minijinja::Error> {
    let longer = text.matches(&from).count().saturating_mul(to.len());
    if text.len().saturating_add(longer) > LONGEST_TEXT {
        let text = format!("replace: the text would have more than {LONGEST_TEXT} bytes");
        return Err(minijinja::Error::new(ErrorKind::InvalidOperation, text));
    }
    Ok(text.replace(&from, &to))
}

/// The filters that make much out of a number, as the template engine has them, for numbers that are bearable.
fn indent(
    value: StringInput<'_>,
    width: Option<usize>,
    first: Option<bool>,
    blank: Option<bool>,
    options: Kwargs,
) -> Result<Value, minijinja::Error> {
    let named: Option<usize> = options.get("width")?;
    refuse_above("indent", width.or(named).unwrap_or_default(), python_json::WIDEST)?;
    filters::indent(value, width, first, blank, options)
}

fn batch(state: &State, value: Value, count: usize, fill: Option<Value>) -> Result<Value, minijinja::Error> {
    refuse_above("batch", count, MOST_PARTS)?;
    filters::batch(state, value, count, fill)
}

fn slice(state: &State, value: Value, count: usize, fill: Option<Value>) -> Result<Value, minijinja::Error> {
    refuse_above("slice", count, MOST_PARTS)?;
    filters::slice(state, value, count, fill)
}

fn format(state: &mut State, text: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, minijinja::Error> {
    refuse_wide(text.as_str().unwrap_or_default())?;
    filters::format(state, text, args)
}

fn refuse_above(filter: &str, number: usize, most: usize) -> Result<(), minijinja::Error> {
    if number <= most {
        return Ok(());
    }
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, format!("{filter}: {number} is more than {most}")))
}

/// Refuses a format that asks for a width or precision of millions.
fn refuse_wide(format: &str) -> Result<(), minijinja::Error> {
    let mut numbers = format.split(|c: char| !c.is_ascii_digit());
    match numbers.any(|number| number.len() > WIDEST_DIGITS) {
        true => {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, "format: a width has too many digits"))
        }
        false => Ok(()),
    }
}

fn strftime(now: NaiveDateTime, format: &str) -> Result<String, minijinja::Error> {
    use std::fmt::Write;
    let mut text = String::new();
    write!(text, "{}", now.format(format)).map_err(|_| {
        minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now: unknown format {format:?}"))
    })?;
    Ok(text)
}
