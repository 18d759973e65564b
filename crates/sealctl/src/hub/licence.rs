//! Under what terms a model may be used, as its repository says.

use serde_json::Value;

/// Licences that ask for nothing before use, by the names that the hub has for them.
const OPEN: [&str; 11] = [
    "apache-2.0",
    "mit",
    "bsd",
    "bsd-2-clause",
    "bsd-3-clause",
    "isc",
    "cc0-1.0",
    "cc-by-4.0",
    "unlicense",
    "zlib",
    "mpl-2.0",
];

/// Under what terms a model may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// As the repository names it (`apache-2.0`, `llama3.2`); none where it names none.
    pub name: Option<String>,
    /// Whether a person has to accept terms before the hub gives the files.
    pub gated: bool,
}

impl Licence {
    /// Whether it is one of the usual open ones.
    pub fn is_open(&self) -> bool {
        self.name.as_deref().is_some_and(|name| OPEN.contains(&name))
    }

    /// From the card at the top of the README, else from the tags; `other` gives way to the name beside it. `gated` is `false`, `"auto"` or
    /// `"manual"`.
    pub(super) fn of(card: &Value, tags: &[String], gated: &Value) -> Self {
        let named = match &card["license"] {
            Value::Array(several) => several.first().and_then(Value::as_str),
            one => one.as_str(),
        };
        let named = named.or_else(|| tags.iter().find_map(|tag| tag.strip_prefix("license:")));
        let own = card["license_name"].as_str().filter(|_| named == Some("other"));
        let gated = !matches!(gated, Value::Null | Value::Bool(false));
        Self { name: own.or(named).map(str::to_string), gated }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn licences_are_found_and_judged() {
        let of = |card: Value, gated: Value| Licence::of(&card, &["x".into(), "license:mit".into()], &gated);
        let open = of(json!({"license": "apache-2.0"}), json!(false));
        assert_eq!((open.is_open(), open.gated, open.name.as_deref()), (true, false, Some("apache-2.0")));
        assert_eq!(of(Value::Null, Value::Null).name.as_deref(), Some("mit"), "from the tags");
        let llama = of(json!({"license": "llama3.2"}), json!("manual"));
        assert!(!llama.is_open() && llama.gated);
        let own = of(json!({"license": "other", "license_name": "tongyi-qianwen"}), json!(false));
        assert_eq!(own.name.as_deref(), Some("tongyi-qianwen"));
        assert!(of(json!({"license": ["mit", "x"]}), json!(false)).is_open());
        assert_eq!(Licence::of(&json!({}), &[], &json!(false)), Licence { name: None, gated: false });
    }
}
