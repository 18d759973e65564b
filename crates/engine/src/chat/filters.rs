//! The filters, functions and methods of templates, each with what it costs; those of our own that stand before operators.

use std::fmt::Write;

use minijinja::value::{Kwargs, Rest, Value, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, State, filters, functions};

use super::made::{
    ELEMENT, ESCAPED, charge, elements, listed, may_be_put, quoted, refuse_namespace, sequence, stored,
    written,
};
use super::program::AS_IS;
use crate::python_json;

/// A macro with what it encloses, bytes.
const ENCLOSED: usize = 512;

/// Names of filters that no template can write.
pub(super) const JOINED: &str = "~joined";
pub(super) const BESIDE: &str = "~beside";
pub(super) const REPEATED: &str = "~repeated";
pub(super) const STORED: &str = "~stored";
pub(super) const PART: &str = "~part";
pub(super) const NAMED: &str = "~named";
pub(super) const MACRO: &str = "~macro";

/// Adds what is asked before each act that makes something, and takes out what only this template engine has.
pub(super) fn bound(env: &mut Environment<'static>) {
    env.add_filter(AS_IS, |value: Value| value);
    env.add_filter(JOINED, joined);
    env.add_filter(BESIDE, beside);
    env.add_filter(REPEATED, repeated);
    env.add_filter(STORED, |state: &mut State, value: Value| stored(state, &value).map(|()| value));
    env.add_filter(PART, part);
    env.add_filter(NAMED, |value: Value| refuse_namespace(&value).map(|()| value));
    env.add_filter(MACRO, |state: &mut State, value: Value| charge(state, ENCLOSED).map(|()| value));
    bound_filters(env);
    bound_functions(env);
}

fn bound_filters(env: &mut Environment<'static>) {
    for (name, filter) in [
        ("safe", Value::from_function(filters::safe)),
        ("lower", Value::from_function(filters::lower)),
        ("upper", Value::from_function(filters::upper)),
        ("title", Value::from_function(filters::title)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("trim", Value::from_function(filters::trim)),
        ("string", Value::from_function(filters::string)),
    ] {
        add(env, name, filter, |state, args| written(state, first(args)));
    }
    for (name, filter) in [
        ("e", Value::from_function(filters::escape)),
        ("escape", Value::from_function(filters::escape)),
        ("pprint", Value::from_function(filters::pprint)),
        ("sum", Value::from_function(filters::sum)),
    ] {
        add(env, name, filter, |state, args| quoted(state, first(args), 4));
    }
    for (name, filter) in [
        ("list", Value::from_function(filters::list)),
        ("sort", Value::from_function(filters::sort)),
        ("unique", Value::from_function(filters::unique)),
        ("reverse", Value::from_function(filters::reverse)),
        ("map", Value::from_function(filters::map)),
        ("select", Value::from_function(filters::select)),
        ("reject", Value::from_function(filters::reject)),
        ("selectattr", Value::from_function(filters::selectattr)),
        ("rejectattr", Value::from_function(filters::rejectattr)),
    ] {
        add(env, name, filter, |state, args| Ok(elements(state, first(args))? * ELEMENT));
    }
    for (name, filter) in [
        ("items", Value::from_function(filters::items)),
        ("dictsort", Value::from_function(filters::dictsort)),
        ("groupby", Value::from_function(filters::groupby)),
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
    ] {
        add(env, name, filter, |state, args| {
            Ok(elements(state, first(args))?.saturating_add(number(args)).saturating_mul(4 * ELEMENT))
        });
    }
    add(env, "join", Value::from_function(filters::join), |state, args| {
        let between = args.get(1).cloned().unwrap_or_default();
        between_elements(state, first(args), &between)
    });
    add(env, "indent", Value::from_function(filters::indent), |_, args| {
        let text = first(args).as_str().unwrap_or_default();
        let indented = (text.matches('\n').count() + 1).saturating_mul(number(args));
        Ok(indented.saturating_add(text.len()))
    });
    add(env, "replace", Value::from_function(filters::replace), |state, args| {
        replaced(state, first(args), rest(args))
    });
    add(env, "format", Value::from_function(filters::format), |state, args| {
        formatted(state, first(args), rest(args))
    });
    let tojson = Value::from_function(|value: Value, options: Kwargs| python_json::tojson(&value, &options));
    add(env, "tojson", tojson, |state, args| {
        quoted(state, first(args), python_json::WIDEST.min(number(args)))
    });
}

fn bound_functions(env: &mut Environment<'static>) {
    // Not in Jinja, and without bounds: lists that seem longer than they are, and all that is known as text.
    for name in ["chain", "zip", "split", "lines"] {
        env.remove_filter(name);
    }
    env.remove_global("debug");
    for (name, function) in [
        ("namespace", Value::from_function(functions::namespace)),
        ("dict", Value::from_function(functions::dict)),
    ] {
        env.add_function(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            args.iter().try_for_each(|arg| stored(state, arg))?;
            function.call(state, &args)
        });
    }
}

/// What a method of a text may make; of others, nothing.
pub(super) fn method(state: &mut State, text: &Value, name: &str, args: &[Value]) -> Result<(), Error> {
    let Some(own) = text.as_str() else { return Ok(()) };
    let bytes = match name {
        "replace" => replaced(state, text, args)?,
        "format" => formatted(state, text, args)?,
        "join" => between_elements(state, first(args), text)?,
        "split" => {
            let pieces = match first(args).as_str() {
                Some(at) => own.matches(at).count(),
                None => own.split_whitespace().count(),
            };
            own.len() + (pieces + 1) * ELEMENT
        }
        "splitlines" => own.len() + (own.matches(['\n', '\r']).count() + 1) * ELEMENT,
        // Upper and lower case of a letter may have three times its bytes.
        "upper" | "lower" | "title" | "capitalize" | "strip" | "lstrip" | "rstrip" => own.len(),
        _ => 0,
    };
    charge(state, bytes)
}

/// What is printed, and captured texts, which are printed first.
pub(super) fn printed(state: &mut State, value: &Value) -> Result<(), Error> {
    let bytes = match state.auto_escape() {
        AutoEscape::None => written(state, value)?,
        _ => written(state, value)?.saturating_mul(ESCAPED),
    };
    charge(state, bytes)
}

/// A filter whose cost is known before it begins.
fn add(
    env: &mut Environment<'static>,
    name: &'static str,
    filter: Value,
    cost: fn(&mut State, &[Value]) -> Result<usize, Error>,
) {
    env.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        let bytes = cost(state, &args)?;
        charge(state, bytes)?;
        rest(&args).iter().try_for_each(|arg| may_be_put(state, arg))?;
        listed(filter.call(state, &args)?)
    });
}

fn joined(state: &mut State, left: &Value, right: &Value) -> Result<Value, Error> {
    let bytes = written(state, left)?.saturating_add(written(state, right)?);
    charge(state, bytes)?;
    let mut text = String::with_capacity(bytes);
    write!(text, "{left}{right}")?;
    Ok(Value::from(text))
}

fn beside(state: &mut State, left: Value, right: Value) -> Result<Value, Error> {
    let bytes = match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => left.len() + right.len(),
        (None, None) => (sequence(state, &left)? + sequence(state, &right)?) * ELEMENT,
        _ => 0,
    };
    charge(state, bytes)?;
    Ok(Value::from(vec![right, left]))
}

fn repeated(state: &mut State, left: Value, right: Value) -> Result<Value, Error> {
    for (value, times) in [(&left, &right), (&right, &left)] {
        let own = match value.as_str() {
            Some(text) => text.len(),
            None => sequence(state, value)? * ELEMENT,
        };
        charge(state, own.saturating_mul(times.as_usize().unwrap_or(0)))?;
    }
    Ok(Value::from(vec![right, left]))
}

/// A part of a text or of a list, or either several times.
fn part(state: &mut State, value: Value) -> Result<Value, Error> {
    let bytes = match value.as_str() {
        Some(text) => text.len(),
        None => sequence(state, &value)? * ELEMENT,
    };
    charge(state, bytes)?;
    listed(value)
}

/// Bytes of the elements of `values` with `between` between them, at most.
fn between_elements(state: &State, values: &Value, between: &Value) -> Result<usize, Error> {
    let gaps = elements(state, values)?.saturating_mul(written(state, between)?);
    Ok(written(state, values)?.saturating_add(gaps))
}

fn replaced(state: &State, text: &Value, args: &[Value]) -> Result<usize, Error> {
    let own = written(state, text)?;
    let (Some(from), Some(to)) = (args.first(), args.get(1)) else { return Ok(own) };
    written(state, from)?;
    let places = text.to_string().matches(&from.to_string()).count();
    Ok(own.saturating_add(places.saturating_mul(written(state, to)?)))
}

fn formatted(state: &State, format: &Value, args: &[Value]) -> Result<usize, Error> {
    let own = format.as_str().unwrap_or_default();
    let mut longest = 0;
    for arg in args {
        longest = longest.max(written(state, arg)?);
    }
    let digits = own.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let mut widest = digits.map(|digits| digits.parse().unwrap_or(usize::MAX)).max().unwrap_or(0);
    if own.contains('*') {
        widest = widest.max(args.iter().filter_map(Value::as_usize).max().unwrap_or(0));
    }
    let each = longest.saturating_mul(ESCAPED).saturating_add(widest);
    Ok(own.len().saturating_add(own.matches(['%', '{']).count().saturating_mul(each)))
}

/// The largest number among the arguments of a filter, named ones too.
fn number(args: &[Value]) -> usize {
    let named = rest(args).iter().filter(|arg| arg.is_kwargs());
    let named = named.flat_map(|named| {
        named.try_iter().into_iter().flatten().filter_map(|key| named.get_item(&key).ok()?.as_usize())
    });
    rest(args).iter().filter_map(Value::as_usize).chain(named).max().unwrap_or(0)
}

/// What a filter works on.
fn first(args: &[Value]) -> &Value {
    args.first().unwrap_or(&Value::UNDEFINED)
}

fn rest(args: &[Value]) -> &[Value] {
    args.get(1..).unwrap_or_default()
}
