//! Servers that answer with our adapters: vLLM, which loads and unloads them while it runs.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::connection::{Address, ConnectionOptions, invalid};
use super::http::{HttpClient, HttpResponse};
use super::reply::Server;
use seald_core::error::{Error, Kind, Result};
use seald_core::retry::Again;

/// Routes of vLLM: its LoRA API and OpenAI's list of models.
const LOAD: &str = "/v1/load_lora_adapter";
const UNLOAD: &str = "/v1/unload_lora_adapter";
const MODELS: &str = "/v1/models";
/// How vLLM says that a name is taken, that it has no such name, and that it does not find an adapter's folder.
const TAKEN: &str = "already been loaded";
const UNKNOWN: &str = "cannot be found";
const NO_FOLDER: &str = "o adapter found";
/// The field of `in_place`, as a server names it that does not know it.
const IN_PLACE: &str = "load_inplace";
/// Characters that a name may have at most.
const MAX_NAME: usize = 128;

/// A server that is to answer with the live generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServingOptions {
    /// Where the server is reached, the address before `/v1`, for instance "http://127.0.0.1:8000".
    pub url: String,
    /// The name under which clients ask it for the live generation.
    pub name: String,
    /// Our folder `adapters` as the server sees it, for instance in a container. Empty: as we see it.
    #[schema(value_type = String)]
    pub path: PathBuf,
    /// Whether an adapter takes the earlier one's place at once (`load_inplace`), and not after that was unloaded, when for a
    /// moment nothing has the name. vLLM reads such an adapter from disk again at every step as long as its issue 33791 is
    /// open.
    pub in_place: bool,
    /// File with the key that the server wants to see: up to 4,096 characters, not readable by others. Empty: none is shown.
    #[schema(value_type = String)]
    pub api_key_file: PathBuf,
    /// Whether `url` may begin with http:// for another machine. The key can then be read on the way there.
    pub allow_plain_http: bool,
    /// File with the certificates (PEM) of those who vouch for the server. Empty: the public authorities that are built in.
    #[schema(value_type = String)]
    pub ca_file: PathBuf,
    /// Longest time for one request, loading included, seconds, 1 to 3,600.
    pub timeout_seconds: u64,
}

impl Default for ServingOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            name: "seald".into(),
            path: PathBuf::new(),
            in_place: false,
            api_key_file: PathBuf::new(),
            allow_plain_http: false,
            ca_file: PathBuf::new(),
            timeout_seconds: 60,
        }
    }
}

impl ServingOptions {
    /// Checks what can be checked without looking at files.
    ///
    /// # Errors
    /// [`Kind::Invalid`]; the message begins with the option's name.
    pub fn validate(&self) -> Result<()> {
        if !(1..=3_600).contains(&self.timeout_seconds) {
            return invalid(format!("timeout_seconds is {}: give 1 to 3600", self.timeout_seconds));
        }
        let length = self.name.chars().count();
        if !(1..=MAX_NAME).contains(&length)
            || self.name.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            let text = format!("name is {:?}: give 1 to {MAX_NAME} characters without spaces", self.name);
            return invalid(text);
        }
        if !self.path.as_os_str().is_empty() && !self.path.is_absolute() {
            let text =
                format!("path is {}: give the folder in full, as the server sees it", self.path.display());
            return invalid(text);
        }
        self.connection().address().map(drop)
    }

    /// Checks the files that are named.
    ///
    /// # Errors
    /// As [`super::EndpointOptions::check_files`].
    pub fn check_files(&self) -> Result<()> {
        self.connection().check_files()
    }

    fn connection(&self) -> ConnectionOptions<'_> {
        ConnectionOptions {
            url: &self.url,
            route: "/v1",
            example: "http://127.0.0.1:8000",
            api_key_file: &self.api_key_file,
            allow_plain_http: self.allow_plain_http,
            ca_file: &self.ca_file,
            timeout_seconds: self.timeout_seconds,
        }
    }
}

/// A server that answers with our adapters. Each call blocks, for up to three requests.
///
/// Errors say address and remedy: [`Kind::Io`] for what may pass by itself (not reachable, busy, broken, too slow),
/// [`Kind::Conflict`] where server, options and adapter do not fit.
pub struct Serving {
    options: ServingOptions,
    address: Address,
    key: Option<String>,
    line: HttpClient,
}

impl Serving {
    /// Gets ready to talk; nothing is sent yet.
    ///
    /// # Errors
    /// As [`ServingOptions::validate`] and [`ServingOptions::check_files`].
    pub fn open(options: &ServingOptions) -> Result<Self> {
        options.validate()?;
        let connection = options.connection();
        let (address, key) = (connection.address()?, connection.key()?);
        let line = HttpClient::new(&connection, &address, key.as_deref())?;
        Ok(Self { options: options.clone(), address, key, line })
    }

    /// What it was opened with.
    pub fn options(&self) -> &ServingOptions {
        &self.options
    }

    /// Lets the server answer with the adapter in the folder `adapter`, as the server sees it, in place of an earlier one.
    ///
    /// # Errors
    /// See [`Serving`]. The server may have no adapter of the name afterwards.
    pub fn load(&self, adapter: &str) -> Result<()> {
        let name = &self.options.name;
        let mut body = json!({ "lora_name": name, "lora_path": adapter });
        let plain = body.to_string();
        if self.options.in_place {
            body[IN_PLACE] = true.into();
        }
        let answer = self.post(LOAD, &body.to_string())?;
        let said = self.asked().said(&answer);
        // Versions that do not know the field ignore it, or refuse it.
        let taken = matches!(answer.status, 400 | 422) && (said.contains(TAKEN) || said.contains(IN_PLACE));
        if !taken {
            return self.loaded(adapter, &answer);
        }
        self.unload()?;
        self.loaded(adapter, &self.post(LOAD, &plain)?)
    }

    /// Lets the server answer without an adapter; nothing is wrong where it has none of the name.
    ///
    /// # Errors
    /// See [`Serving`].
    pub fn unload(&self) -> Result<()> {
        let answer = self.post(UNLOAD, &json!({ "lora_name": self.options.name }).to_string())?;
        let gone = answer.status == 404 && self.asked().said(&answer).contains(UNKNOWN);
        if answer.is_good() || gone { Ok(()) } else { Err(self.refused(&answer)) }
    }

    /// Whether the server still has what it was given: the adapter in the folder `adapter`, or none. It loses adapters when
    /// it is started again.
    ///
    /// # Errors
    /// See [`Serving`].
    pub fn has(&self, adapter: Option<&str>) -> Result<bool> {
        let answer = self.line.get(MODELS).map_err(|e| self.asked().broken(e).error)?;
        if !answer.is_good() {
            return Err(self.refused(&answer));
        }
        let list: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let Some(models) = list["data"].as_array() else {
            let what = format!("does not list its models{}", self.asked().words(&answer));
            return Err(self.conflict(what, "check url: it must be that of vLLM"));
        };
        let mut ours = models.iter().filter(|model| model["id"] == self.options.name.as_str());
        Ok(match adapter {
            Some(adapter) => {
                ours.any(|model| model["root"].as_str().is_none_or(|root| last(root) == last(adapter)))
            }
            // Only adapters have a parent.
            None => !ours.any(|model| !model["parent"].is_null()),
        })
    }

    fn post(&self, route: &str, body: &str) -> Result<HttpResponse> {
        self.line.post(route, body).map_err(|e| self.asked().broken(e).error)
    }

    fn asked(&self) -> Server<'_> {
        Server { connection: self.options.connection(), address: &self.address, key: self.key.as_deref() }
    }

    fn loaded(&self, adapter: &str, answer: &HttpResponse) -> Result<()> {
        if answer.is_good() {
            return Ok(());
        }
        let no_folder = self.asked().said(answer).contains(NO_FOLDER);
        if !no_folder {
            return Err(self.refused(answer));
        }
        let what = format!("finds no adapter in {adapter}: {}{}", answer.status, self.asked().words(answer));
        Err(self.conflict(
            what,
            "give our folder `adapters` as the server sees it as path, and let it read there",
        ))
    }

    /// Why an answer with a status of failure is one.
    fn refused(&self, answer: &HttpResponse) -> Error {
        let asked = self.asked();
        if let Some(failure) = asked.usual(answer) {
            return failure.error;
        }
        let (status, words) = (answer.status, asked.words(answer));
        match status {
            404 | 405 => self.conflict(
                format!("does not load adapters: {status}{words}"),
                "start vLLM with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True and --enable-lora, and check url",
            ),
            _ => self.conflict(
                format!("refuses the adapter: {status}{words}"),
                "see whether it runs our base model, with --enable-lora and a --max-lora-rank that is high enough",
            ),
        }
    }

    fn conflict(&self, what: String, remedy: &str) -> Error {
        self.asked().failure(Kind::Conflict, Again::No, what, remedy).error
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The last part of a path, which may be another system's.
fn last(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(options: ServingOptions) -> String {
        let error = options.validate().unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        error.to_string()
    }

    #[test]
    fn options_are_checked() {
        let good = || ServingOptions { url: "http://127.0.0.1:8000/".into(), ..ServingOptions::default() };
        assert!(good().validate().is_ok());
        for (options, words) in [
            (ServingOptions::default(), "url is \"\": give a whole address"),
            (ServingOptions { url: "http://gpu:8000".into(), ..good() }, "allow_plain_http = true"),
            (
                ServingOptions { url: "http://127.0.0.1:8000/v1".into(), ..good() },
                "leave out /v1, which is added",
            ),
            (ServingOptions { name: String::new(), ..good() }, "name is \"\": give 1 to 128"),
            (ServingOptions { name: "a b".into(), ..good() }, "without spaces"),
            (
                ServingOptions { path: "adapters".into(), ..good() },
                "path is adapters: give the folder in full",
            ),
            (ServingOptions { timeout_seconds: 0, ..good() }, "timeout_seconds is 0: give 1 to 3600"),
        ] {
            let said = refused(options);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn folders_are_compared_by_their_last_part() {
        assert_eq!(["/a/gen-000001", "gen-000001/", "", "/"].map(last), ["gen-000001", "gen-000001", "", ""]);
    }
}
