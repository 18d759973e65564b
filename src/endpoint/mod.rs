//! Other servers: another model that writes for us, and servers that answer with our adapters. The only part of the
//! daemon that sends anything to other machines.

mod connection;
mod http;
mod options;
mod reply;
mod serving;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use connection::Address;
use http::HttpClient;
pub use options::EndpointOptions;
use reply::RequestError;
use seald_core::error::{Context, Error, Kind, Result};
pub use serving::{Serving, ServingOptions};

/// Between two looks at whether somebody asked to stop.
const BEAT: Duration = Duration::from_millis(100);

/// What every text of one [`Endpoint::write`] is asked with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WriteOptions {
    /// Most tokens of a text, as the server counts them.
    pub max_tokens: usize,
    /// 0 for the most probable text.
    pub temperature: f64,
    /// Where the server's random numbers come from. Text number n gets this plus n, cut to 31 bits: servers differ in what they take.
    pub seed: u64,
}

/// A model elsewhere. Each call blocks.
pub struct Endpoint {
    options: EndpointOptions,
    address: Address,
    key: Option<String>,
    line: Arc<HttpClient>,
}

impl Endpoint {
    /// Gets ready to ask; nothing is sent yet.
    ///
    /// # Errors
    /// As [`EndpointOptions::validate`] and [`EndpointOptions::check_files`]; [`Kind::Invalid`] where `url` is empty.
    pub fn open(options: &EndpointOptions) -> Result<Self> {
        options.validate()?;
        let address = options.address()?;
        let connection = options.connection();
        let key = connection.key()?;
        let line = Arc::new(HttpClient::new(&connection, &address, key.as_deref())?);
        Ok(Self { options: options.clone(), address, key, line })
    }

    /// Whether it is to set exams.
    pub fn sets_exams(&self) -> bool {
        self.options.exams
    }

    /// `MODEL at URL`, for records.
    pub fn name(&self) -> String {
        format!("{} at {}", self.options.model, self.options.url)
    }

    /// What the model writes after each prompt (a user's turn), without white space around it, several asked for side by side. A model that declines
    /// writes "". Once one request failed no further ones are begun.
    ///
    /// # Errors
    /// With address and remedy: [`Kind::Io`] for what may pass (not reachable, busy, broken, too slow), [`Kind::Conflict`] where server and
    /// options do not fit (the key, the model, the address, an answer in another form), [`Kind::Invalid`] where the server
    /// refuses this request, [`Kind::Cancelled`] within a moment after `cancel` is set.
    pub fn write(
        &self,
        prompts: &[String],
        asking: WriteOptions,
        cancel: &AtomicBool,
    ) -> Result<Vec<String>> {
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let ask_in_turn = || {
            let mut own = Vec::new();
            while !failed.load(Ordering::Relaxed) {
                let place = next.fetch_add(1, Ordering::Relaxed);
                let Some(prompt) = prompts.get(place) else { break };
                let text = self.write_one(prompt, place as u64, asking, cancel);
                failed.fetch_or(text.is_err(), Ordering::Relaxed);
                own.push((place, text));
            }
            own
        };
        let mut texts = thread::scope(|scope| -> Result<Vec<_>> {
            let mut others = Vec::new();
            for _ in 1..self.options.parallel_requests.min(prompts.len()) {
                let thread = thread::Builder::new().name("endpoint".into()).spawn_scoped(scope, ask_in_turn);
                others.push(thread.doing(Kind::Io, || "cannot start a thread".into())?);
            }
            let mut texts = ask_in_turn();
            for thread in others {
                let broke = |_| Error::new(Kind::Internal, "a thread that asks the endpoint broke");
                texts.extend(thread.join().map_err(broke)?);
            }
            Ok(texts)
        })?;
        texts.sort_by_key(|(place, _)| *place);
        texts.into_iter().map(|(_, text)| text).collect()
    }

    fn write_one(
        &self,
        prompt: &str,
        place: u64,
        asking: WriteOptions,
        cancel: &AtomicBool,
    ) -> Result<String> {
        let WriteOptions { max_tokens, temperature, seed } = asking;
        let seed = seed.wrapping_add(place) & 0x7fff_ffff;
        let body = json!({
            "model": self.options.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": false,
        })
        .to_string();
        let mut failures = 0;
        loop {
            let RequestError { error, again } = match self.attempt(&body, cancel)? {
                Ok(text) => return Ok(text),
                Err(failure) => failure,
            };
            failures += 1;
            let pause = match again.pause(failures) {
                Some(pause) if failures <= self.options.max_retries => pause,
                _ if failures > 1 => return Err(error.context(format!("given up after {failures} attempts"))),
                _ => return Err(error),
            };
            tracing::info!(%error, failures, pause_ms = pause.as_millis() as u64, "asking the endpoint again");
            wait(pause, cancel)?;
        }
    }

    /// Sends a request once. On a thread of its own, so that a stop need not wait for the server; left alone, that thread ends with the
    /// request, within `timeout_seconds`.
    fn attempt(&self, body: &str, cancel: &AtomicBool) -> Result<Result<String, RequestError>> {
        stop_if(cancel)?;
        let (done, waiting) = mpsc::channel();
        let (line, body) = (Arc::clone(&self.line), body.to_string());
        let call = move || {
            // Nobody waits any more after a stop.
            let _ = done.send(line.post("", &body));
        };
        let thread = thread::Builder::new().name("endpoint".into()).spawn(call);
        thread.doing(Kind::Io, || "cannot start a thread".into())?;
        let answer = loop {
            match waiting.recv_timeout(BEAT) {
                Ok(answer) => break answer,
                Err(RecvTimeoutError::Timeout) => stop_if(cancel)?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(Kind::Internal, "the thread that asks the endpoint broke"));
                }
            }
        };
        let asked = reply::Server {
            connection: self.options.connection(),
            address: &self.address,
            key: self.key.as_deref(),
        };
        Ok(match answer {
            Ok(answer) => asked.text(&answer, &self.options.model),
            Err(error) => Err(asked.broken(error)),
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("options", &self.options).finish_non_exhaustive()
    }
}

fn wait(pause: Duration, cancel: &AtomicBool) -> Result<()> {
    let end = Instant::now() + pause;
    loop {
        stop_if(cancel)?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(BEAT));
    }
}

fn stop_if(cancel: &AtomicBool) -> Result<()> {
    match cancel.load(Ordering::Relaxed) {
        true => Err(Error::new(Kind::Cancelled, "asking the endpoint was stopped")),
        false => Ok(()),
    }
}
