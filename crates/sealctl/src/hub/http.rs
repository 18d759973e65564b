//! One request to the hub and how its answer begins: redirects followed, the token for the hub alone, refusals in words.

use std::io::Read;
use std::time::Duration;

use ureq::http::{HeaderValue, Response, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::address::{Repo, Site, follow};
use seald_core::error::{Context, Error, Kind, Result};
use seald_core::retry::{self, Again};

/// Longest time for a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time without a byte. A file may take hours, as long as something comes.
const SILENCE: Duration = Duration::from_secs(30);
/// Redirects that are followed: one to a repository's new name, one to the place of the bytes, and some to spare.
const MAX_REDIRECTS: usize = 6;
/// Who we say we are.
const AGENT: &str = concat!("seald/", env!("CARGO_PKG_VERSION"));

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) struct RequestError {
    /// In words, with the remedy.
    pub(super) error: Error,
    /// Whether asking again helps.
    pub(super) again: Again,
}

impl RequestError {
    /// One that may pass.
    pub(super) fn passing(text: String) -> Self {
        Self { error: Error::new(Kind::Io, text), again: Again::Later(None) }
    }
}

/// One that will not pass.
impl From<Error> for RequestError {
    fn from(error: Error) -> Self {
        Self { error, again: Again::No }
    }
}

/// The way to the hub.
#[derive(Debug)]
pub(super) struct HubClient {
    agent: Agent,
    site: Site,
    authorization: Option<HeaderValue>,
}

/// How an answer begins, and the way to the rest of it.
pub(super) struct HubResponse {
    /// The byte of the file that comes first; none where the server has nothing from there on (416).
    pub(super) from: Option<u64>,
    /// The bytes.
    pub(super) body: Body,
}

impl HubResponse {
    /// All bytes, if they are no more than `most`.
    pub(super) fn all(mut self, most: u64) -> Result<Vec<u8>, RequestError> {
        self.body.with_config().limit(most).read_to_vec().map_err(|e| match e {
            ureq::Error::BodyExceedsLimit(_) => {
                Error::new(Kind::Corrupt, format!("the hub sends more than {} MiB", most >> 20)).into()
            }
            other => broken(&other),
        })
    }

    /// The bytes as they come.
    pub(super) fn reader(self) -> impl Read {
        self.body.into_reader()
    }
}

impl HubClient {
    /// Redirects are followed here and not by `ureq`, which keeps a token back from another host, but not from another port.
    pub(super) fn new(site: Site) -> Result<Self> {
        let mut config = Agent::config_builder()
            .https_only(site.origin().encrypted)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(AGENT)
            .accept_encoding("identity")
            .tls_config(TlsConfig::builder().root_certs(RootCerts::WebPki).build())
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE));
        if site.origin().local() {
            config = config.proxy(None);
        }
        let authorization = site.token().map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))?;
            value.set_sensitive(true);
            Ok::<_, ureq::http::header::InvalidHeaderValue>(value)
        });
        let authorization =
            authorization.transpose().doing(Kind::Invalid, || "HF_TOKEN holds no token".to_string())?;
        Ok(Self { agent: config.build().new_agent(), site, authorization })
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// Asks for what lies at an address of the hub, from byte `from` on.
    pub(super) fn get(&self, repo: &Repo, address: &str, from: u64) -> Result<HubResponse, RequestError> {
        let mut address: Uri =
            address.parse().doing(Kind::Internal, || format!("{address} is no address"))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&address, from)?;
            let status = response.status().as_u16();
            match status {
                200 => return Ok(HubResponse { from: Some(0), body: response.into_body() }),
                206 => return Ok(HubResponse { from: Some(first(&response)?), body: response.into_body() }),
                416 => return Ok(HubResponse { from: None, body: response.into_body() }),
                301 | 302 | 303 | 307 | 308 => {
                    let to = header(&response, "location").unwrap_or_default();
                    address = follow(&address, to).ok_or_else(|| {
                        let text = format!("{} sends us to {to:?}, where we do not go", self.site.page(repo));
                        Error::new(Kind::Conflict, text)
                    })?;
                }
                _ => return Err(self.refused(repo, &address, &response)),
            }
        }
        let text = format!("{} sends us in a circle", self.site.page(repo));
        Err(Error::new(Kind::Conflict, text).into())
    }

    fn send(&self, address: &Uri, from: u64) -> Result<Response<Body>, RequestError> {
        let mut request = self.agent.get(address);
        if let Some(authorization) = self.authorization.as_ref().filter(|_| self.site.owns(address)) {
            request = request.header("authorization", authorization);
        }
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        request.call().map_err(|e| {
            let RequestError { error, again } = broken(&e);
            let host = address.host().unwrap_or("the hub");
            RequestError { error: error.context(host), again }
        })
    }

    /// What a status of failure means. The hub says more in `X-Error-Code`; without it, 401 stands for everything that
    /// those who have no token may not see, also for what is not there.
    fn refused(&self, repo: &Repo, address: &Uri, response: &Response<Body>) -> RequestError {
        let page = self.site.page(repo);
        let status = response.status().as_u16();
        let code = header(response, "x-error-code").unwrap_or_default();
        let words =
            header(response, "x-error-message").map(|m| format!(" ({})", m.trim())).unwrap_or_default();
        let fail = |kind, text: String| RequestError::from(Error::new(kind, text));
        let token = match self.authorization {
            Some(_) => "with an account whose token HF_TOKEN holds".to_string(),
            None => format!("then set HF_TOKEN to a token of your account ({})", self.site.tokens()),
        };
        match (status, code) {
            (408 | 429 | 500.., _) => {
                let retry_after = header(response, "retry-after").and_then(retry::seconds);
                let host = address.host().unwrap_or("the hub");
                let text = format!("{host} answers {status}{words}: try again later");
                RequestError { error: Error::new(Kind::Io, text), again: Again::Later(retry_after) }
            }
            // Where the bytes lie, nobody knows terms and tokens; the hub makes an address anew for each request.
            _ if !self.site.owns(address) => {
                let text = format!("{} answers {status}{words}", address.host().unwrap_or("a server"));
                RequestError { error: Error::new(Kind::Io, text), again: Again::Later(None) }
            }
            (_, "GatedRepo") => {
                fail(Kind::Conflict, format!("{repo} is gated{words}: accept its terms at {page}, {token}"))
            }
            (_, "RevisionNotFound") => {
                fail(Kind::NotFound, format!("{repo} has no such revision: {page} lists its branches"))
            }
            (401, _) if self.authorization.is_some() && code.is_empty() => {
                fail(Kind::Conflict, format!("{page} refuses the token{words}: check HF_TOKEN"))
            }
            (401, _) => {
                let text = format!(
                    "there is no {page}, or it is not for everyone{words}: check the name; if it is private, set HF_TOKEN"
                );
                fail(Kind::NotFound, text)
            }
            (403, _) => {
                fail(Kind::Conflict, format!("{page} is not for you{words}: accept its terms there, {token}"))
            }
            (404 | 410, "EntryNotFound") => fail(Kind::NotFound, format!("{page} has no {}", address.path())),
            (404 | 410, _) => fail(Kind::NotFound, format!("there is no {page}{words}: check the name")),
            _ => fail(Kind::Conflict, format!("{page} answers {status}{words}: is it a hub?")),
        }
    }
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The first byte of a part, by `Content-Range: bytes 5-9/10`.
fn first(response: &Response<Body>) -> Result<u64, RequestError> {
    let range = header(response, "content-range").and_then(|range| range.strip_prefix("bytes "));
    let first = range.and_then(|range| range.split('-').next()).and_then(|first| first.trim().parse().ok());
    first.ok_or_else(|| Error::new(Kind::Corrupt, "the hub sends a part without saying which").into())
}

/// Why no answer came.
fn broken(error: &ureq::Error) -> RequestError {
    match error {
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => untrusted(error),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => untrusted(error),
        ureq::Error::RequireHttpsOnly(_) | ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Error::new(Kind::Conflict, format!("cannot be talked to ({error})")).into()
        }
        ureq::Error::HostNotFound => RequestError::passing("not found: is this machine online?".to_string()),
        other => RequestError::passing(format!("cannot be reached ({other})")),
    }
}

fn untrusted(error: &ureq::Error) -> RequestError {
    Error::new(Kind::Conflict, format!("cannot be trusted ({error}): check HF_ENDPOINT and the clock")).into()
}
