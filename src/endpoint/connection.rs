//! The connection to a server, which all options that name one share: address, key, who vouches for it.

use std::net::IpAddr;
use std::path::Path;

use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, parse_pem};

use seald_core::error::{Error, Kind, Result};
use seald_core::files;

/// Characters that a key may have at most: it travels in a header.
const MAX_KEY: usize = 4096;

/// The options that say how a server is reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionOptions<'a> {
    /// What stands before the route.
    pub(super) url: &'a str,
    /// What is added to `url`, and does not belong into it.
    pub(super) route: &'static str,
    /// A good `url`.
    pub(super) example: &'static str,
    /// Empty: no key is shown.
    pub(super) api_key_file: &'a Path,
    /// Whether `url` may begin with http:// for another machine.
    pub(super) allow_plain_http: bool,
    /// Empty: the authorities that are built in.
    pub(super) ca_file: &'a Path,
    /// Longest time for one request.
    pub(super) timeout_seconds: u64,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// What every request's address begins with.
    pub(super) full: String,
    /// Whether it is on this machine.
    pub(super) local: bool,
    /// Whether what is sent is encrypted.
    pub(super) encrypted: bool,
}

impl ConnectionOptions<'_> {
    /// Checks the files that are named.
    pub(super) fn check_files(&self) -> Result<()> {
        self.key()?;
        self.certificates().map(drop)
    }

    /// The key to show; none where there is no file for it.
    pub(super) fn key(&self) -> Result<Option<String>> {
        let Some(path) = given(self.api_key_file) else { return Ok(None) };
        let key = files::read_secret(path).map_err(|e| e.context("api_key_file"))?;
        if !(1..=MAX_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return invalid(format!(
                "api_key_file {} holds no key: write the key alone into it, up to {MAX_KEY} letters, digits and signs",
                path.display()
            ));
        }
        Ok(Some(key))
    }

    /// The certificates of `ca_file`; none where the built-in ones count.
    pub(super) fn certificates(&self) -> Result<Option<Vec<Certificate<'static>>>> {
        let Some(path) = given(self.ca_file) else { return Ok(None) };
        let text = files::read(path).map_err(|e| e.context("ca_file"))?;
        let wrong = || {
            format!(
                "ca_file {} holds no certificate: give a file with BEGIN CERTIFICATE in it",
                path.display()
            )
        };
        let mut found = Vec::new();
        for item in parse_pem(&text) {
            let item = item.map_err(|e| Error::new(Kind::Invalid, wrong()).with_source(e))?;
            if let PemItem::Certificate(one) = item {
                found.push(one);
            }
        }
        if found.is_empty() { invalid(wrong()) } else { Ok(Some(found)) }
    }

    /// Where requests go, without the route.
    pub(super) fn address(&self) -> Result<Address> {
        let url = self.url.trim_end_matches('/');
        let wrong =
            |why: &str| invalid(format!("url is {:?}: {why}, for instance {:?}", self.url, self.example));
        if url.contains('@') {
            // Before it may stand a password, which does not belong into a message.
            return invalid(
                "url has a user name in it: leave that out, and put the key into api_key_file".into(),
            );
        }
        let uri = url.parse::<Uri>().unwrap_or_default();
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return wrong("give a whole address, with https:// or http://");
        };
        if url.contains(['?', '#']) {
            return wrong("leave out what begins with ? or #");
        }
        if url.ends_with(self.route) {
            return wrong(&format!("leave out {}, which is added", self.route));
        }
        let host = authority.host().trim_matches(['[', ']']);
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match scheme {
            "https" => {}
            "http" if local || self.allow_plain_http => {}
            "http" => {
                return invalid(format!(
                    "url is {:?}: what goes to another machine would not be encrypted: write https://, or set \
                     allow_plain_http = true",
                    self.url
                ));
            }
            _ => return wrong("it must begin with https:// or http://"),
        }
        Ok(Address { full: url.to_string(), local, encrypted: scheme == "https" })
    }
}

/// A path that is not empty.
fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

/// A refusal; the text begins with the option's name.
pub(super) fn invalid<T>(text: String) -> Result<T> {
    Err(Error::new(Kind::Invalid, text))
}
