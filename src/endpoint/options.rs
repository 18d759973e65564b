//! Where another model is reached: every option with its unit and range.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::connection::{Address, ConnectionOptions, invalid};
use seald_core::error::Result;

/// What is added to `url`.
const ROUTE: &str = "/chat/completions";

/// Options of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointOptions {
    /// Where the other model is reached, the address before `/chat/completions`, for instance "http://127.0.0.1:8080/v1".
    /// Empty: off; the model writes for itself and nothing is sent.
    pub url: String,
    /// The model's name there, as the server knows it; `url` needs it.
    pub model: String,
    /// File with the key that the server wants to see: up to 4,096 characters, not readable by others. Empty: none is shown.
    #[schema(value_type = String)]
    pub api_key_file: PathBuf,
    /// Whether `url` may begin with http:// for another machine. Documents and key can then be read on the way there.
    pub allow_plain_http: bool,
    /// File with the certificates (PEM) of those who vouch for the server, in place of the public authorities that are
    /// built in. Empty: the built-in ones.
    #[schema(value_type = String)]
    pub ca_file: PathBuf,
    /// Whether it also sets the exams that decide what was learned: a stronger model asks better questions. The base still checks each with the
    /// passage in sight.
    pub exams: bool,
    /// Requests that are sent side by side, 1 to 64: servers answer several in little more than the time of one.
    pub parallel_requests: usize,
    /// Longest time for one text, from connecting to its last byte, seconds, 1 to 3,600.
    pub timeout_seconds: u64,
    /// Times that a text is asked for again, with growing pauses, while the server is busy, broken or not there, 0 to 20.
    pub max_retries: u32,
}

impl Default for EndpointOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: String::new(),
            api_key_file: PathBuf::new(),
            allow_plain_http: false,
            ca_file: PathBuf::new(),
            exams: false,
            parallel_requests: 4,
            timeout_seconds: 120,
            max_retries: 5,
        }
    }
}

impl EndpointOptions {
    /// Whether there is an endpoint.
    pub fn is_on(&self) -> bool {
        !self.url.is_empty()
    }

    /// Checks what can be checked without looking at files.
    ///
    /// # Errors
    /// [`seald_core::Kind::Invalid`]; the message begins with the option's name.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("timeout_seconds", self.timeout_seconds, 1, 3_600),
            ("max_retries", self.max_retries.into(), 0, 20),
            ("parallel_requests", self.parallel_requests as u64, 1, 64),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return invalid(format!("{name} is {value}: give {least} to {most}"));
            }
        }
        if !self.is_on() {
            return Ok(());
        }
        self.address()?;
        match self.model.trim().is_empty() {
            true => invalid(format!(
                "url is {:?}, but there is no model: give the name by which the server knows it",
                self.url
            )),
            false => Ok(()),
        }
    }

    /// Checks the files that are named.
    ///
    /// # Errors
    /// [`seald_core::Kind::Invalid`] for a key that others may read or that is none, and for a `ca_file` without certificates; from
    /// reading them. The message begins with the option's name; the key is never part of it.
    pub fn check_files(&self) -> Result<()> {
        self.connection().check_files()
    }

    /// How the server is reached.
    pub(super) fn connection(&self) -> ConnectionOptions<'_> {
        ConnectionOptions {
            url: &self.url,
            route: ROUTE,
            example: "https://api.example.com/v1",
            api_key_file: &self.api_key_file,
            allow_plain_http: self.allow_plain_http,
            ca_file: &self.ca_file,
            timeout_seconds: self.timeout_seconds,
        }
    }

    /// Where requests go.
    pub(super) fn address(&self) -> Result<Address> {
        let Address { full, local, encrypted } = self.connection().address()?;
        Ok(Address { full: full + ROUTE, local, encrypted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::error::Kind;

    fn options(url: &str) -> EndpointOptions {
        EndpointOptions { url: url.into(), model: "m".into(), ..EndpointOptions::default() }
    }

    fn refused(options: &EndpointOptions) -> String {
        let error = options.validate().unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        error.to_string()
    }

    #[test]
    fn it_is_off_unless_an_address_is_given() {
        let off = EndpointOptions::default();
        assert!(!off.is_on() && off.validate().is_ok());
        assert!(EndpointOptions { model: "m".into(), ..off }.validate().is_ok());
        assert!(
            refused(&EndpointOptions { model: " ".into(), ..options("https://a/v1") })
                .contains("there is no model")
        );
    }

    #[test]
    fn what_is_not_encrypted_stays_on_this_machine_unless_allowed() {
        for good in
            ["https://a.example/v1", "http://127.0.0.1:1/v1", "http://[::1]:80", "http://localhost/v1/"]
        {
            assert!(options(good).validate().is_ok(), "{good}");
        }
        for bad in [
            "http://a.example/v1",
            "http://192.168.1.5:8080/v1",
            "http://localhost.example/v1",
            "http://0.0.0.0/v1",
        ] {
            let words = refused(&options(bad));
            assert!(words.starts_with("url is") && words.contains("allow_plain_http = true"), "{words}");
            assert!(EndpointOptions { allow_plain_http: true, ..options(bad) }.validate().is_ok(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_whole_and_holds_no_secret() {
        let full = |url: &str| options(url).address().unwrap().full;
        assert_eq!(full("https://a/v1"), "https://a/v1/chat/completions");
        assert_eq!(full("https://a/v1/"), "https://a/v1/chat/completions");
        for (url, words) in [
            ("a.example/v1", "whole address"),
            ("https://", "whole address"),
            ("https://a b/v1", "whole address"),
            ("ftp://a/v1", "begin with https://"),
            ("https://a/v1?x=1", "leave out what begins with ?"),
            ("https://a/v1/chat/completions", "leave out /chat/completions"),
        ] {
            let said = refused(&options(url));
            assert!(said.starts_with("url is") && said.contains(words), "{said}");
        }
        let said = refused(&options("https://me:secret@a/v1"));
        assert!(said.starts_with("url has") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn each_number_has_its_range() {
        let given = |timeout_seconds, max_retries| EndpointOptions {
            timeout_seconds,
            max_retries,
            ..options("https://a")
        };
        assert!(given(1, 0).validate().is_ok() && given(3_600, 20).validate().is_ok());
        assert!(refused(&given(0, 0)).starts_with("timeout_seconds is 0: give 1 to 3600"));
        assert!(refused(&given(3_601, 0)).starts_with("timeout_seconds is 3601"));
        assert!(refused(&given(1, 21)).starts_with("max_retries is 21: give 0 to 20"));
    }
}
