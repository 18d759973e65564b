//! The client: what `sealctl` asks of a daemon, over HTTP on a Unix socket or on loopback.

mod connection;
mod failure;
mod place;
mod progress;
pub mod routes;
mod sse;

use std::marker::PhantomData;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Response};
use serde::de::{DeserializeOwned, IgnoredAny};

use connection::{Body, Driver};
pub use failure::Failure;
pub use place::{Around, Place, Wanted};
pub use progress::progress;
use seald_core::error::{Error, Kind};
use seald_core::protocol::{AskEvent, AskRequest, EventView, Problem};
pub use sse::Splitter;

/// Seconds that a question about the state may take. The daemon answers in milliseconds; one that hangs is found out.
const PATIENCE: Duration = Duration::from_secs(20);

/// A daemon at a place. Each request has a connection of its own.
#[derive(Debug, Clone)]
pub struct Client {
    place: Place,
}

impl Client {
    /// For the daemon at `place`; nothing is sent yet.
    pub fn new(place: Place) -> Self {
        Self { place }
    }

    /// Where the daemon is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The JSON that a route answers, word for word.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] also where no answer comes in time; [`Failure::Problem`]; [`Failure::Other`] for an answer
    /// that is not JSON.
    pub async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        let answer = async {
            let (response, _driver) = self.send(Method::GET, path, Body::Empty).await?;
            collect(response, &self.place).await
        };
        let late = |_| Failure::late(&self.place, PATIENCE);
        let bytes = tokio::time::timeout(PATIENCE, answer).await.map_err(late)??;
        parse::<IgnoredAny>(&bytes, path).map(|_| bytes)
    }

    /// What a route answers.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parse(&self.get(path).await?, path)
    }

    /// Whether the daemon says of itself that it works: `/healthz`. Else its words.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn health(&self) -> Result<Result<(), String>, Failure> {
        let answer = async {
            let (response, _driver) =
                connection::send(&self.place, Method::GET, "/healthz", Body::Empty).await?;
            let well = response.status().is_success();
            let bytes = collect(response, &self.place).await?;
            Ok(if well { Ok(()) } else { Err(String::from_utf8_lossy(&bytes).trim().to_string()) })
        };
        tokio::time::timeout(PATIENCE, answer).await.map_err(|_| Failure::late(&self.place, PATIENCE))?
    }

    /// Asks for something to be done; `body` is JSON. The answer is JSON, or empty. It may take as long as it takes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn post(&self, path: &str, body: &impl serde::Serialize) -> Result<Bytes, Failure> {
        self.act(path, Body::json(body)?).await
    }

    /// Hands in a file's bytes.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn upload(&self, path: &str, bytes: Vec<u8>) -> Result<Bytes, Failure> {
        self.act(path, Body::Bytes(bytes.into())).await
    }

    /// Everything that happens from now on; with `after`, first what is kept of what happened after that event.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn events(&self, after: Option<i64>) -> Result<Stream<EventView>, Failure> {
        self.stream(&routes::events(after)).await
    }

    /// The newest kept events, oldest of them first; then what happens, or the end.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn newest_events(&self, last: u32, follow: bool) -> Result<Stream<EventView>, Failure> {
        self.stream(&routes::newest_events(last, follow)).await
    }

    async fn stream(&self, path: &str) -> Result<Stream<EventView>, Failure> {
        let send = self.send(Method::GET, path, Body::Empty);
        let late = |_| Failure::late(&self.place, PATIENCE);
        let (response, driver) = tokio::time::timeout(PATIENCE, send).await.map_err(late)??;
        Ok(Stream::new(response, driver, self.place.clone()))
    }

    /// Puts a question; the answer comes in pieces.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn ask(&self, request: &AskRequest) -> Result<Stream<AskEvent>, Failure> {
        let (response, driver) = self.send(Method::POST, routes::ASK, Body::json(request)?).await?;
        Ok(Stream::new(response, driver, self.place.clone()))
    }

    /// What a route answers, in pieces as they come.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn download(&self, path: &str) -> Result<Download, Failure> {
        let (response, driver) = self.send(Method::GET, path, Body::Empty).await?;
        Ok(Download { body: response.into_body(), place: self.place.clone(), _driver: driver })
    }

    async fn act(&self, path: &str, body: Body) -> Result<Bytes, Failure> {
        let (response, _driver) = self.send(Method::POST, path, body).await?;
        let bytes = collect(response, &self.place).await?;
        if !bytes.is_empty() {
            parse::<IgnoredAny>(&bytes, path)?;
        }
        Ok(bytes)
    }

    /// Sends a request; an answer that is no success is an error.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Body,
    ) -> Result<(Response<Incoming>, Driver), Failure> {
        let (response, driver) = connection::send(&self.place, method, path, body).await?;
        let status = response.status();
        if status.is_success() {
            return Ok((response, driver));
        }
        let bytes = collect(response, &self.place).await?;
        let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem {
            kind: "about:blank".into(),
            title: status.canonical_reason().unwrap_or("error").into(),
            status: status.as_u16(),
            detail: format!("{} answers {status} to {path}", self.place),
        });
        Err(Failure::Problem(Problem { status: status.as_u16(), ..problem }))
    }
}

/// Reads an answer.
///
/// # Errors
/// [`Failure::Other`] where it is not what it should be.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], path: &str) -> Result<T, Failure> {
    serde_json::from_slice(bytes).map_err(|e| {
        let text = format!(
            "cannot read what the daemon answers to {path}: is it seald, and of this version ({})?",
            env!("CARGO_PKG_VERSION")
        );
        Failure::Other(Error::new(Kind::Invalid, text).with_source(e))
    })
}

async fn collect(response: Response<Incoming>, place: &Place) -> Result<Bytes, Failure> {
    let body = response.into_body().collect().await;
    body.map(|body| body.to_bytes()).map_err(|e| Failure::lost(place, e))
}

/// Bytes as they come.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    place: Place,
    _driver: Driver,
}

impl Download {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] where the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(Failure::lost(&self.place, e)),
                // Only trailers are no data.
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }
}

/// Events as they come.
#[derive(Debug)]
pub struct Stream<T> {
    body: Incoming,
    splitter: Splitter,
    place: Place,
    _driver: Driver,
    of: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Stream<T> {
    fn new(response: Response<Incoming>, driver: Driver, place: Place) -> Self {
        Self {
            body: response.into_body(),
            splitter: Splitter::default(),
            place,
            _driver: driver,
            of: PhantomData,
        }
    }

    /// The next one with the JSON that it was read from; none when the daemon closes the stream. Nothing is lost if the
    /// future is dropped.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] where the connection breaks; [`Failure::Other`] for what cannot be read.
    pub async fn next(&mut self) -> Result<Option<(T, String)>, Failure> {
        loop {
            if let Some(data) = self.splitter.next()? {
                return parse(data.as_bytes(), "an event stream").map(|event| Some((event, data)));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(e)) => return Err(Failure::lost(&self.place, e)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.splitter.push(bytes);
                    }
                }
            }
        }
    }
}
