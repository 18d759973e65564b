//! The description of the API: its golden file, and that it is true.

use std::collections::BTreeSet;
use std::fs;

use crate::repository::repository;
use serde_json::Value;

use crate::api::daemon::Daemon;
use crate::api::reading::five;
use crate::api::upkeep;

#[tokio::test]
async fn the_description_is_the_golden_one() {
    let golden = repository().join("tests/golden/api/openapi.json");
    let text = serde_json::to_string_pretty(&seald::api::openapi()).unwrap() + "\n";
    if std::env::var_os("SEALD_WRITE_GOLDEN").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let said = fs::read_to_string(&golden).unwrap();
    assert!(text == said, "src/api and {} differ: SEALD_WRITE_GOLDEN=1 writes it anew", golden.display());
    let daemon = Daemon::start(|_| {}).await;
    let served: Value = daemon.get("/openapi.json").await.json();
    assert_eq!(served, serde_json::from_str::<Value>(&said).unwrap());
}

/// Every route of the router is described, and the other way round: a described route is never answered with 404 for
/// want of a route, nor its method with 405.
#[tokio::test]
async fn what_is_described_is_there() {
    let daemon = Daemon::start(five).await;
    let description = serde_json::to_value(seald::api::openapi()).unwrap();
    let mut described = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert((method.clone(), path.clone()));
        }
        let other = if methods.get("post").is_some() { "DELETE" } else { "POST" };
        let there = daemon
            .unix()
            .await
            .send(crate::api::daemon::request(other, &path.replace("{id}", "1"), ""))
            .await;
        assert_eq!(there.status, 405, "{path} is a route that does not take {other}");
    }
    let router = repository().join("src/api/router.rs");
    let mut routed = BTreeSet::new();
    for line in fs::read_to_string(router).unwrap().lines().filter(|line| line.trim().starts_with(".route("))
    {
        let path = line.split('"').nth(1).unwrap().to_string();
        for method in ["get", "post"].into_iter().filter(|method| line.contains(&format!("{method}("))) {
            routed.insert((method.to_string(), path.clone()));
        }
    }
    for hidden in ["/", "/openapi.json"] {
        routed.remove(&("get".to_string(), hidden.to_string()));
    }
    assert_eq!(described, routed);
}

/// A number in a query is taken where it lies within the described bounds, and nowhere else.
#[tokio::test]
async fn numbers_in_queries_have_the_described_bounds() {
    let daemon = Daemon::start(five).await;
    let description = serde_json::to_value(seald::api::openapi()).unwrap();
    let mut seen = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let parameters = methods["get"]["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|one| one["in"] == "query" && one["schema"]["type"] == "integer") {
            let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
            let (least, most) = match schema["format"].as_str() {
                Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
                Some("int64") => (i128::from(i64::MIN), i128::from(i64::MAX)),
                _ => (i128::MIN, i128::MAX),
            };
            let least = schema["minimum"].as_i64().map_or(least, i128::from);
            let most = schema["maximum"].as_i64().map_or(most, i128::from);
            let end = if path == "/v1/events" { "&follow=false" } else { "" };
            for (value, taken) in [
                (least, true),
                (most, true),
                (least.saturating_sub(1), false),
                (most.saturating_add(1), false),
            ] {
                let status = daemon.get(&format!("{path}?{name}={value}{end}")).await.status;
                let fits = if taken { status != 400 } else { (400..500).contains(&status) };
                assert!(fits, "{path}: {name}={value} was answered with {status}");
            }
            seen.insert(name.to_string());
        }
    }
    assert_eq!(seen, ["after", "before", "last", "limit", "round"].map(String::from).into());
}

/// What the routes answer has the shape that is described: each key is, and each that must be there is there.
#[tokio::test]
async fn answers_have_the_described_shape() {
    let daemon = Daemon::start(|store| {
        upkeep::learned(store);
        upkeep::consolidate(store, false);
        upkeep::round(store, true);
        upkeep::forget(store);
    })
    .await;
    let description = serde_json::to_value(seald::api::openapi()).unwrap();
    for (path, url) in [
        ("/v1/status", "/v1/status"),
        ("/v1/documents", "/v1/documents"),
        ("/v1/documents/{id}", "/v1/documents/3"),
        ("/v1/documents/{id}/edits", "/v1/documents/3/edits"),
        ("/v1/adapters", "/v1/adapters"),
        ("/v1/models/local", "/v1/models/local"),
        ("/v1/forgetting", "/v1/forgetting"),
        ("/v1/backups", "/v1/backups"),
        ("/v1/consolidations", "/v1/consolidations"),
        ("/v1/writer", "/v1/writer"),
        ("/v1/jobs/{id}", "/v1/jobs/6"),
        ("/v1/jobs/{id}", "/v1/jobs/8"),
    ] {
        let answer: Value = daemon.get(url).await.json();
        let schema =
            &description["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let wrong = differences(&description, schema, &answer, url);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

/// Where a value does not have the shape of a schema, as far as `type`, `properties`, `required`, `items`, `enum`,
/// `allOf` and `oneOf` say.
fn differences(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let found = root.pointer(name.trim_start_matches('#')).unwrap_or(&Value::Null);
        assert!(found.is_object(), "{name} is not described");
        return differences(root, found, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let fits = choices.iter().any(|one| differences(root, one, value, at).is_empty());
        return if fits { Vec::new() } else { vec![format!("{at}: {value} is none of {schema}")] };
    }
    let mut wrong = Vec::new();
    if value.is_object() {
        let (mut known, mut required) = (Vec::new(), BTreeSet::new());
        gather(root, schema, &mut known, &mut required);
        let free = known.is_empty();
        for (key, inner) in value.as_object().unwrap() {
            match known.iter().find(|(name, _)| name == key) {
                Some((_, schema)) => wrong.extend(differences(root, schema, inner, &format!("{at}.{key}"))),
                None if free => {}
                None => wrong.push(format!("{at}.{key} is not described")),
            }
        }
        let missing = required.iter().filter(|key| value.get(key.as_str()).is_none());
        wrong.extend(missing.map(|key| format!("{at}.{key} is missing")));
    }
    for (n, inner) in value.as_array().into_iter().flatten().enumerate() {
        wrong.extend(differences(root, &schema["items"], inner, &format!("{at}[{n}]")));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        wrong.push(format!("{at}: {value} is none of {words:?}"));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return wrong,
    };
    let whole = kind == "integer" && kinds.contains(&"number");
    if !whole && !kinds.contains(&kind) {
        wrong.push(format!("{at}: {value} is no {kinds:?}"));
    }
    wrong
}

/// The properties of an object, those that `allOf` brings in counted, and those that must be there.
fn gather(root: &Value, schema: &Value, known: &mut Vec<(String, Value)>, required: &mut BTreeSet<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        return gather(root, root.pointer(name.trim_start_matches('#')).unwrap(), known, required);
    }
    schema["allOf"].as_array().into_iter().flatten().for_each(|one| gather(root, one, known, required));
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        known.push((key.clone(), inner.clone()));
    }
    let must = schema["required"].as_array().into_iter().flatten();
    required.extend(must.filter_map(Value::as_str).map(str::to_string));
}
