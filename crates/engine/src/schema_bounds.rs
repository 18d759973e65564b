//! What a schema may hold: how many values, and numbers with which the compiler still counts right.

use serde_json::Value;

use seald_core::error::{Error, Kind, Result};

/// Most values in a schema: objects, lists, words. OpenAI takes schemas of 5,000 properties, of two values each or three
/// (platform.openai.com/docs/guides/structured-outputs, November 2026).
const MAX_VALUES: usize = 15_000;
/// The compiler keeps remainders of `multipleOf` in 32 bits, ten times as large and with a digit added: beyond this it counts wrong without a word.
const LARGEST_MULTIPLE: u64 = 300_000_000;
/// Most digits after the point in `multipleOf`, for the same reason.
const MAX_PLACES: u32 = 8;
/// Words that have the compiler join schemas, and with them their `multipleOf`.
const JOINING: [&str; 4] = ["allOf", "anyOf", "oneOf", "$ref"];

/// Refuses a schema that is too large, or whose numbers are.
///
/// # Errors
/// [`Kind::Invalid`], which says what is too large.
pub(super) fn check(schema: &Value) -> Result<()> {
    let mut found = Found::default();
    found.look(schema);
    if found.values > MAX_VALUES {
        let text = format!(
            "the schema is too large: it holds {} values, at most {MAX_VALUES} are taken",
            found.values
        );
        return Err(Error::new(Kind::Invalid, text));
    }
    check_multiples(&found)
}

/// What a schema holds.
#[derive(Default)]
struct Found {
    values: usize,
    multiples: Vec<f64>,
    joins: bool,
}

impl Found {
    /// Counts objects, lists, numbers, words in a JSON value, itself included. What was parsed is nested 128 deep at most.
    fn look(&mut self, value: &Value) {
        self.values += 1;
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look(item)),
            Value::Object(members) => {
                for (name, member) in members {
                    self.joins |= JOINING.contains(&name.as_str());
                    if name == "multipleOf" {
                        self.multiples.extend(member.as_f64());
                    }
                    self.look(member);
                }
            }
            _ => {}
        }
    }
}

fn check_multiples(found: &Found) -> Result<()> {
    let too_large =
        |what: String| Err(Error::new(Kind::Invalid, format!("the schema cannot be used: {what}")));
    let mut known: Vec<(u64, u32)> = Vec::new();
    for multiple in &found.multiples {
        match decimal(*multiple) {
            Some(decimal) => known.push(decimal),
            None => {
                return too_large(format!(
                    "multipleOf {multiple} is beyond what can be counted: give at most {LARGEST_MULTIPLE}, with at most {MAX_PLACES} digits after the point"
                ));
            }
        }
    }
    // Which of them the compiler joins is not known before it does: none may be too large with all others.
    let places = known.iter().map(|(_, places)| *places).max().unwrap_or(0);
    let scaled: Vec<u64> = known
        .iter()
        .map(|(digits, own)| digits.saturating_mul(10_u64.pow(places - own)))
        .filter(|n| *n > 0)
        .collect();
    let largest = scaled.iter().copied().max().unwrap_or(0);
    let joined = scaled.iter().fold(1, |all, one| (all / gcd(all, *one)).saturating_mul(*one));
    if found.joins && joined.saturating_mul(largest) > u64::from(u32::MAX) {
        return too_large(format!(
            "its values of multipleOf are too large to be joined by {}: give smaller ones, or only one without these",
            JOINING.join(", ")
        ));
    }
    Ok(())
}

/// As the compiler reads it: digits, and how many of them stand after the point. None if it counts wrong with it.
fn decimal(value: f64) -> Option<(u64, u32)> {
    let (mut value, mut places) = (value, 0);
    while value.fract() != 0.0 && places <= MAX_PLACES {
        value *= 10.0;
        places += 1;
    }
    let right =
        value.fract() == 0.0 && places <= MAX_PLACES && (0.0..=LARGEST_MULTIPLE as f64).contains(&value);
    right.then_some((value as u64, places))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_with_which_the_compiler_counts_wrong_are_refused() {
        let wrong = |schema: Value| check(&schema).unwrap_err().to_string();
        let one = |multiple: Value| json!({ "type": "number", "multipleOf": multiple });
        for fine in [json!(7), json!(0.01), json!(2.5), json!(1_000_000), json!(86_400), json!(0)] {
            check(&one(fine.clone())).unwrap_or_else(|e| panic!("{fine}: {e}"));
        }
        for large in [json!(1e-300), json!(4_000_000_000_u64), json!(-1), json!(0.123_456_789_1)] {
            assert!(wrong(one(large.clone())).contains("beyond what can be counted"), "{large}");
        }
        let all = |multiples: &[u64]| {
            let parts: Vec<Value> = multiples.iter().map(|m| json!({ "multipleOf": m })).collect();
            json!({ "type": "integer", "allOf": parts })
        };
        check(&all(&[6, 10, 25])).unwrap();
        assert!(wrong(all(&[999_983, 1_000_003, 7_919])).contains("allOf"));
        // Their product, which the compiler makes, needs 34 bits.
        assert!(wrong(all(&[100_000, 100_000])).contains("allOf"));
    }
}
