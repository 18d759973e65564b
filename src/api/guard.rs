//! The door on TCP: a bearer token, and only names that are this machine's own, so that no web page can reach it
//! through a name that it made point here.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;
use tracing::info;

use super::failure::Failure;
use super::openai;
use super::serve::Peer;
use seald_core::error::{Error, Kind, Result};

/// Fewest characters of a token.
const SHORTEST: usize = 16;

/// What a client on TCP has to show. It is never printed.
#[derive(Clone)]
pub struct Token(blake3::Hash);

impl Token {
    /// A token of at least 16 visible ASCII characters; space and line ends around it do not count.
    ///
    /// # Errors
    /// [`Kind::Invalid`] where it is shorter, or holds other characters.
    pub fn new(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let text = format!(
                "the token is not {SHORTEST} or more visible ASCII characters: make one with `openssl rand -hex 32`"
            );
            return Err(Error::new(Kind::Invalid, text));
        }
        Ok(Self(blake3::hash(text.as_bytes())))
    }

    /// Compared by hashes, in a time that tells nothing of either.
    fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(blake3::hash(shown).as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Who may pass.
#[derive(Debug)]
pub(super) struct Guard {
    /// What has to be shown.
    pub(super) token: Token,
    /// Where we listen.
    pub(super) listen: IpAddr,
}

/// In the answer to a request that showed the token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admitted;

/// Lets a request pass, or answers it. `/healthz` is open: it says nothing but whether the daemon lives.
pub(super) async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    if request.uri().path() == "/healthz" {
        return next.run(request).await;
    }
    let admitted = guard.admit_host(request.uri(), request.headers());
    match admitted.and_then(|()| guard.admit_token(request.headers())) {
        Ok(()) => {
            let mut response = next.run(request).await;
            response.extensions_mut().insert(Admitted);
            response
        }
        Err(failure) => {
            let peer = request.extensions().get::<Peer>();
            info!(method = %request.method(), path = request.uri().path(), ?peer, "turned a request away");
            if openai::is_spoken_at(request.uri().path()) {
                return openai::Refusal::from(failure).into_response();
            }
            failure.into_response()
        }
    }
}

impl Guard {
    fn admit_token(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
        let token = shown.and_then(|value| match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Some(token.trim_ascii()),
            _ => None,
        });
        if token.is_some_and(|token| self.token.is(token)) {
            return Ok(());
        }
        let text = "send the header `Authorization: Bearer TOKEN` with the token of the daemon's token file";
        Err(Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", text))
    }

    fn admit_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Failure> {
        // Of two, proxies and we might each believe another one (RFC 9112, 3.2).
        if headers.get_all(header::HOST).iter().count() > 1 {
            return Err(Error::new(Kind::Invalid, "the request has several Host headers: send one").into());
        }
        let named = headers.get(header::HOST).map(|value| value.to_str().unwrap_or(""));
        let hosts: Vec<&str> = uri.authority().map(|a| a.as_str()).into_iter().chain(named).collect();
        if !hosts.is_empty() && hosts.iter().all(|host| self.is_ours(host)) {
            return Ok(());
        }
        let text = format!("the Host header names another machine: use {} or localhost", self.listen);
        Err(Failure::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", text))
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host);
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() else {
            return false;
        };
        // A page cannot choose the address of its own name's machine, so that any address will do where we listen on
        // all of them.
        address.is_loopback() || address == self.listen || self.listen.is_unspecified()
    }
}

fn without_port(host: &str) -> &str {
    if host.parse::<Ipv6Addr>().is_ok() {
        return host;
    }
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_are_ours() {
        let guard = |listen: &str| Guard {
            token: Token::new("0123456789abcdef").unwrap(),
            listen: listen.parse().unwrap(),
        };
        let local = guard("127.0.0.1");
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8765", "[::1]", "[::1]:8765", "127.1.2.3"]
        {
            assert!(local.is_ours(host), "{host}");
        }
        for host in
            ["", "evil.example", "localhost.evil.example:80", "10.0.0.7", "127.0.0.1.evil.example", "a@b:c"]
        {
            assert!(!local.is_ours(host), "{host}");
        }
        assert!(guard("10.0.0.7").is_ours("10.0.0.7:8765") && !guard("10.0.0.7").is_ours("10.0.0.8"));
        assert!(guard("0.0.0.0").is_ours("10.0.0.8") && !guard("0.0.0.0").is_ours("evil.example"));
    }

    #[test]
    fn of_two_hosts_neither_is_believed() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "localhost".parse().unwrap());
        let uri: Uri = "/v1/status".parse().unwrap();
        let guard = Guard { token: Token::new("0123456789abcdef").unwrap(), listen: [127, 0, 0, 1].into() };
        assert!(guard.admit_host(&uri, &headers).is_ok());
        headers.append(header::HOST, "evil.example".parse().unwrap());
        assert_eq!(guard.admit_host(&uri, &headers).unwrap_err().status().as_u16(), 400);
    }

    #[test]
    fn tokens_are_compared_whole_and_never_printed() {
        let token = Token::new(" 0123456789abcdef\n").unwrap();
        assert!(token.is(b"0123456789abcdef") && !token.is(b"0123456789abcde") && !token.is(b""));
        assert_eq!(format!("{token:?}"), "Token(..)");
        assert_eq!(Token::new("short").unwrap_err().kind(), Kind::Invalid);
        assert_eq!(Token::new("0123456789 abcdef").unwrap_err().kind(), Kind::Invalid);
    }
}
