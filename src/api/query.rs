//! Query fields that a route does not take are refused; which ones it takes, the description of the API says.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::{MatchedPath, Query, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::failure::Failure;
use super::openapi::openapi;

/// For each method and path that is described the query fields that it takes.
static TAKEN: LazyLock<HashMap<(String, String), Vec<String>>> = LazyLock::new(|| {
    let described = serde_json::to_value(openapi()).unwrap_or_default();
    let paths = described["paths"].as_object().into_iter().flatten();
    let routes = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
    });
    routes
        .map(|(path, method, operation)| ((method.to_uppercase(), path.clone()), fields(operation)))
        .collect()
});

fn fields(operation: &Value) -> Vec<String> {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let of_query = parameters.filter(|parameter| parameter["in"] == "query");
    of_query.filter_map(|parameter| parameter["name"].as_str().map(String::from)).collect()
}

/// Answers a request whose query holds nothing that its route would pass over.
pub(super) async fn known(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let refused = path.and_then(|path| unknown(request.method(), path.as_str(), &request));
    match refused {
        Some(failure) => failure.into_response(),
        None => next.run(request).await,
    }
}

fn unknown(method: &Method, path: &str, request: &Request) -> Option<Failure> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let taken = TAKEN.get(&(method.to_string(), path.to_string()))?;
    // What cannot be read, the route itself refuses.
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    let (field, _) = given.into_iter().find(|(field, _)| !taken.contains(field))?;
    let there_are =
        if taken.is_empty() { "takes none".into() } else { format!("takes {}", taken.join(", ")) };
    Some(Failure::invalid(format!("the query field {field:?} is unknown: {method} {path} {there_are}")))
}
