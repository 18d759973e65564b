//! What requests bring: query, path and body, each with its bounds and its problem where it is wrong.

use std::error::Error as StdError;

use axum::body::HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::arriving::Cut;
use super::failure::Failure;
use super::plain;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Kind, Result};

/// Most bytes of a JSON body.
const JSON_BYTES: usize = 64 << 10;
/// When to try again where a body had to make room, seconds.
const LATER: u64 = 5;

/// The query of a request.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let Query(params) = Query::try_from_uri(&parts.uri)
            .map_err(|e| Failure::invalid(format!("the query is wrong: {}", e.body_text())))?;
        Ok(Self(params))
    }
}

/// A body that says nothing. A field that belongs into the query would else be passed over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoFields {}

/// The part of the path that names a thing.
#[derive(Debug)]
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let found = Path::<String>::from_request_parts(parts, state).await;
        let Path(name) =
            found.map_err(|e| Failure::invalid(format!("the path is wrong: {}", e.body_text())))?;
        Ok(Self(name))
    }
}

/// A JSON body; an empty one counts as `{}`, and so does `null`.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        let bytes = body_of(request, JSON_BYTES).await?;
        let wrong = |e: serde_json::Error| {
            let words = plain::words(&e.to_string());
            Failure::invalid(format!("the body is not what is expected here: {words}"))
        };
        let value = match bytes.iter().all(u8::is_ascii_whitespace) {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).map_err(wrong)?,
        };
        let value = if value.is_null() { Value::Object(Map::new()) } else { whole_numbers(value) };
        Ok(Self(serde_json::from_value(value).map_err(wrong)?))
    }
}

/// JSON knows no difference between 7.0 and 7, and some programs write the one for the other.
pub(super) fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|n| !number.is_i64() && !number.is_u64() && n.fract() == 0.0);
            // Within these every number with a fraction of 0 is exact.
            match whole.filter(|n| n.abs() <= 9_007_199_254_740_992.0) {
                Some(whole) => Value::from(whole as i64),
                None => Value::Number(number),
            }
        }
        Value::Array(list) => Value::Array(list.into_iter().map(whole_numbers).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name, whole_numbers(value))).collect())
        }
        value => value,
    }
}

/// The whole body, at most `most` bytes.
pub(super) async fn body_of(request: Request, most: usize) -> Result<Vec<u8>, Failure> {
    gather(request, most, |_| Ok(())).await
}

/// The same, as long as `room` has no objection to so many bytes.
pub(super) async fn gather(
    request: Request,
    most: usize,
    mut room: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<Vec<u8>, Failure> {
    let mut body = request.into_body();
    let too_large = || {
        let text = format!("the body is larger than {most} bytes: send less, or put the file into the inbox");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", text)
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are nobody's business.
        let Ok(data) = frame.map_err(|e| broken(&e))?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(too_large());
        }
        room(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Why a body did not come.
fn broken(e: &(dyn StdError + 'static)) -> Failure {
    let mut causes = std::iter::successors(Some(e), |&e| e.source());
    match causes.find_map(|cause| cause.downcast_ref::<Cut>()) {
        Some(slow @ Cut::Slow) => Failure::new(StatusCode::REQUEST_TIMEOUT, "timeout", slow.to_string()),
        Some(displaced @ Cut::Displaced) => {
            Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", displaced.to_string()).retry_after(LATER)
        }
        Some(broken @ Cut::Broken(_)) => Failure::invalid(broken.to_string()),
        None => Failure::invalid(format!("the body broke off: {e}")),
    }
}

/// A generation by its folder or number, or `base`.
///
/// # Errors
/// [`Kind::Invalid`] for other words.
pub(super) fn generation(word: &str) -> Result<GenerationId> {
    if word == "base" {
        return Ok(GenerationId::BASE);
    }
    let number = word.strip_prefix("gen-").unwrap_or(word).parse().ok().filter(|n: &i64| *n > 0);
    number.map(GenerationId).ok_or_else(|| {
        let text = format!("{word:?} is no generation: give `gen-000007`, its number, or `base`");
        Error::new(Kind::Invalid, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_may_have_a_point() {
        let read =
            whole_numbers(serde_json::json!({ "n": [7.0, -1.0, 7.5, 1e300], "m": { "k": 3, "t": "7.0" } }));
        assert_eq!(read, serde_json::json!({ "n": [7, -1, 7.5, 1e300], "m": { "k": 3, "t": "7.0" } }));
    }

    #[test]
    fn generations_have_three_names() {
        for (word, id) in [("base", 0), ("gen-000007", 7), ("7", 7), ("gen-1234567", 1_234_567)] {
            assert_eq!(generation(word).unwrap(), GenerationId(id), "{word}");
        }
        for word in ["", "gen-", "0", "-3", "gen-0", "live", "7 "] {
            assert_eq!(generation(word).unwrap_err().kind(), Kind::Invalid, "{word}");
        }
    }
}
