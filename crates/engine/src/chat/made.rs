//! What a template makes, counted in bytes before it is made: texts, lists and maps together have a bound in each rendering.
//!
//! What was made and dropped counts as well, so what is held at any time is less than the bound. Small values are not counted
//! one by one: the instructions that make them are.

use std::fmt::{self, Write};

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

/// Most that one rendering makes, bytes: 24 times the largest request.
const MOST: usize = 24 << 20;
/// An element of a list, and a part of something nested, bytes.
pub(super) const ELEMENT: usize = 32;
const NESTED: usize = 64;
/// How deep lists and maps nest: what is deeper could not be taken apart on the stack of a thread.
const DEEPEST: usize = 200;
/// How much deeper than its arguments a filter's result is.
const MADE_DEEPER: usize = 4;
/// Most bytes that one byte becomes where a text is quoted or escaped.
pub(super) const ESCAPED: usize = 6;

/// Bytes that this rendering made so far.
#[derive(Default)]
struct Made(usize);

/// Counts what is to be made.
pub(super) fn charge(state: &mut State, bytes: usize) -> Result<(), Error> {
    let made = state.get_or_insert_extension_with(Made::default);
    made.0 = made.0.saturating_add(bytes);
    if made.0 > MOST { Err(too_much()) } else { Ok(()) }
}

/// Bytes that this rendering may still make.
fn room(state: &State) -> usize {
    MOST.saturating_sub(state.get_extension::<Made>().map_or(0, |made| made.0))
}

/// A list or a map with what is in it.
pub(super) fn stored(state: &mut State, value: &Value) -> Result<(), Error> {
    let parts = parts(state, value, DEEPEST)?;
    charge(state, parts * NESTED)
}

/// What a filter may put into its result, such as what fills the last part of a batch.
pub(super) fn may_be_put(state: &State, value: &Value) -> Result<(), Error> {
    parts(state, value, DEEPEST - MADE_DEEPER).map(drop)
}

/// How many parts `value` has, however deep.
fn parts(state: &State, value: &Value, depth: usize) -> Result<usize, Error> {
    let most = room(state) / NESTED;
    let mut left = most;
    count_parts(value, &mut left, depth)?;
    Ok(most - left)
}

/// A list in place of a view of one: views of views could not be taken apart.
pub(super) fn listed(value: Value) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::Iterable => Ok(Value::from(value.try_iter()?.collect::<Vec<_>>())),
        _ => Ok(value),
    }
}

/// Counts down for each part of `value`, however deep.
fn count_parts(value: &Value, left: &mut usize, depth: usize) -> Result<(), Error> {
    *left = left.checked_sub(1).ok_or_else(too_much)?;
    if value.as_object().is_none() {
        return Ok(());
    }
    refuse_namespace(value)?;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(refusal("lists and maps are nested too deep in the chat template".to_string()));
    };
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.try_for_each(|part| count_parts(&part, left, depth))
        }
        ValueKind::Map => value.try_iter()?.try_for_each(|key| {
            count_parts(&key, left, depth)?;
            count_parts(&value.get_item(&key)?, left, depth)
        }),
        _ => Ok(()),
    }
}

/// A namespace that holds itself would never be given back.
pub(super) fn refuse_namespace(value: &Value) -> Result<(), Error> {
    match value.as_object() {
        Some(object) if object.type_name().ends_with("::Namespace") => {
            Err(refusal("the chat template puts a namespace into a list, a map or a namespace".to_string()))
        }
        _ => Ok(()),
    }
}

/// Bytes of `value` as it is printed.
pub(super) fn written(state: &State, value: &Value) -> Result<usize, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.len());
    }
    let mut ruler = Ruler { bytes: 0, most: room(state) };
    write!(ruler, "{value}").map_err(|_| too_much())?;
    Ok(ruler.bytes)
}

/// Bytes of `value` at most, quoted, and on lines of their own with `indent` spaces for each level.
pub(super) fn quoted(state: &State, value: &Value, indent: usize) -> Result<usize, Error> {
    let parts = parts(state, value, DEEPEST)?.saturating_mul(NESTED + indent * DEEPEST);
    Ok(parts.saturating_add(written(state, value)?.saturating_mul(ESCAPED)))
}

/// How many elements there are to go through; a text has its letters.
pub(super) fn elements(state: &State, value: &Value) -> Result<usize, Error> {
    match value.as_str() {
        Some(text) => Ok(text.len()),
        None if value.kind() == ValueKind::Map => Ok(value.len().unwrap_or_default()),
        None => sequence(state, value),
    }
}

/// How many elements a list has; nothing else has any.
pub(super) fn sequence(state: &State, value: &Value) -> Result<usize, Error> {
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(0);
    }
    let most = room(state) / ELEMENT;
    let count = match value.len() {
        Some(count) => count,
        None => value.try_iter()?.take(most + 1).count(),
    };
    if count > most { Err(too_much()) } else { Ok(count) }
}

fn too_much() -> Error {
    refusal(format!(
        "the model's chat template makes more than {} MB of text of these messages: ask with fewer or shorter ones; if it does so \
         with any, put the template of the model's family into the model's folder as chat_template.jinja",
        MOST >> 20
    ))
}

fn refusal(text: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, text)
}

/// Measures what is written, and stops where that is too much.
struct Ruler {
    bytes: usize,
    most: usize,
}

impl Write for Ruler {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > self.most { Err(fmt::Error) } else { Ok(()) }
    }
}
