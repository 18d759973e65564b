//! One request over HTTP and what came back, bounded in time and size.

use std::time::Duration;

use ureq::http::{HeaderValue, Response};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, RequestBuilder};

use super::connection::{Address, ConnectionOptions};
use seald_core::error::{Context, Kind, Result};
use seald_core::retry;

/// Bytes that an answer may have. A self-edit has some kilobytes.
pub(super) const MAX_ANSWER: u64 = 256 << 10;
/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Who we say we are.
const AGENT: &str = concat!("seald/", env!("CARGO_PKG_VERSION"));

/// The connection to one server.
pub(super) struct HttpClient {
    agent: Agent,
    address: String,
    authorization: Option<HeaderValue>,
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct HttpResponse {
    /// Status of HTTP.
    pub(super) status: u16,
    /// Seconds after which it wants to be asked again, if it said.
    pub(super) retry_after: Option<u64>,
    /// Where it sends us, if it does.
    pub(super) location: Option<String>,
    /// Up to [`MAX_ANSWER`] bytes.
    pub(super) body: Vec<u8>,
}

impl HttpResponse {
    /// Whether the status is one of success.
    pub(super) fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl HttpClient {
    /// Redirects are not followed: a document goes where the options say, and nowhere else. The proxy of the environment (`HTTPS_PROXY`)
    /// is used, but not for this machine.
    pub(super) fn new(
        connection: &ConnectionOptions<'_>,
        address: &Address,
        key: Option<&str>,
    ) -> Result<Self> {
        let roots = connection.certificates()?.map_or(RootCerts::WebPki, RootCerts::from);
        let timeout = Duration::from_secs(connection.timeout_seconds);
        let mut config = Agent::config_builder()
            .https_only(address.encrypted)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(AGENT)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT.min(timeout)));
        if address.local {
            config = config.proxy(None);
        }
        let authorization = key.map(|key| {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))?;
            value.set_sensitive(true);
            Ok::<_, ureq::http::header::InvalidHeaderValue>(value)
        });
        let authorization =
            authorization.transpose().doing(Kind::Invalid, || "api_key_file holds no key".to_string())?;
        Ok(Self { agent: config.build().new_agent(), address: address.full.clone(), authorization })
    }

    /// Sends a request once, to the address with `route` behind it.
    pub(super) fn post(&self, route: &str, body: &str) -> Result<HttpResponse, ureq::Error> {
        let request = self.agent.post(self.at(route)).content_type("application/json");
        answer(self.with_key(request).send(body)?)
    }

    /// The same for a request without a body.
    pub(super) fn get(&self, route: &str) -> Result<HttpResponse, ureq::Error> {
        answer(self.with_key(self.agent.get(self.at(route))).call()?)
    }

    fn at(&self, route: &str) -> String {
        format!("{}{route}", self.address)
    }

    fn with_key<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        }
    }
}

fn answer(mut response: Response<Body>) -> Result<HttpResponse, ureq::Error> {
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(retry::seconds);
    let location = header("location").map(str::to_string);
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
    Ok(HttpResponse { status, retry_after, location, body })
}
