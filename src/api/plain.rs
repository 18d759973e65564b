//! What serde says of a value that does not fit, in words for people who know no Rust.

/// What is expected, in serde's words, and what to give.
const EXPECTED: &[(&str, &str)] = &[
    ("usize", "a whole number, 0 or more"),
    ("u64", "a whole number, 0 or more"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("i64", "a whole number from -9223372036854775808 to 9223372036854775807"),
    ("f64", "a number"),
    ("a boolean", "true or false"),
    ("a string", "text"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("internally tagged enum ResponseFormat", "an object whose `type` is text, json_object or json_schema"),
];

/// A failure of serde's: what the value is, and what to give in its place. Words that are not known stay as they are.
pub(super) fn words(said: &str) -> String {
    // Where it stands in the text helps nobody who did not write it by hand, and is kept for who did.
    let (said, place) = said.rfind(" at line ").map_or((said, ""), |at| said.split_at(at));
    let found = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
    if let Some((found, expected)) = found.and_then(|rest| rest.rsplit_once(", expected ")) {
        return format!("it is {}: give {}{place}", value(found), expectation(expected));
    }
    if let Some((found, expected)) =
        said.strip_prefix("unknown variant ").and_then(|rest| rest.split_once(", expected "))
    {
        return format!("it is {found}: give {expected}{place}");
    }
    format!("{said}{place}")
}

/// A value as JSON has it: serde says ``integer `-2` ``, `string "2"`, `map`.
fn value(found: &str) -> String {
    if let Some((_, text)) = found.split_once('`') {
        return text.trim_end_matches('`').to_string();
    }
    match found.split_once(' ') {
        Some(("string", text)) => text.to_string(),
        _ => match found {
            "map" => "an object",
            "sequence" => "a list",
            "null" | "unit value" => "null",
            other => other,
        }
        .to_string(),
    }
}

fn expectation(expected: &str) -> String {
    let known = EXPECTED.iter().find(|(words, _)| *words == expected).map(|(_, plain)| *plain);
    // A struct is named as the program names it.
    let object = expected.starts_with("struct ").then_some("an object");
    known.or(object).unwrap_or(expected).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_rust_is_left() {
        for (said, plain) in [
            ("invalid value: integer `-2`, expected usize", "it is -2: give a whole number, 0 or more"),
            (
                "invalid type: string \"a, expected b\", expected f64",
                "it is \"a, expected b\": give a number",
            ),
            (
                "invalid type: floating point `1.5`, expected usize",
                "it is 1.5: give a whole number, 0 or more",
            ),
            ("invalid type: map, expected a boolean", "it is an object: give true or false"),
            ("invalid type: null, expected a string", "it is null: give text"),
            ("invalid type: boolean `true`, expected struct NamedSchema", "it is true: give an object"),
            (
                "unknown variant `xml`, expected one of `text`, `json_object`",
                "it is `xml`: give one of `text`, `json_object`",
            ),
            ("missing field `role`", "missing field `role`"),
            (
                "invalid type: map, expected u64 at line 1 column 7",
                "it is an object: give a whole number, 0 or more at line 1 column 7",
            ),
        ] {
            assert_eq!(words(said), plain);
        }
    }
}
