//! The stream of events: those that are kept, from the database, then what happens, with nothing lost on the way.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tracing::warn;

use super::extract::Params;
use super::failure::Failure;
use super::router::Api;
use super::serve::{Stopping, stopped};
use seald_core::error::Result;
use seald_core::protocol::{EventView, Problem, ServerSentEvent};
use seald_store::EventRow;

/// Kept events that are read at a time.
const BATCH: usize = 256;
/// Silence after which a comment says that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Begin with the kept event after this number (0: with the oldest kept); with what happens from now on where it
    /// is left out. The header `Last-Event-ID` says the same and goes before it.
    after: Option<i64>,
    /// Begin with so many of the newest kept events, where neither `after` nor the header says where: a client that comes back to the same address goes on
    /// where it was.
    #[param(format = Int64, maximum = 4_294_967_295_u32)]
    last: Option<u32>,
    /// Whether to go on with what happens; else the stream ends with the newest kept event. True where it is left out.
    follow: Option<bool>,
}

/// Follows events: first the kept ones that are asked for, then what happens.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", params(After, ("Last-Event-ID" = Option<i64>, Header, description = "As `after`.")),
    responses((status = 200, description = "Server-sent events: `id` where it is kept, `event` its kind, `data` an EventView",
               content_type = "text/event-stream", body = ServerSentEvent),
              (status = "default", body = Problem, content_type = "application/problem+json", description = "An error"))
)]
pub(super) async fn follow(
    State(api): State<Api>,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
    Params(After { after, last, follow }): Params<After>,
) -> Result<Response, Failure> {
    let permit = api.followers.clone().try_acquire_owned().map_err(|_| {
        let text = "too many clients follow events already: close one, or try again";
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "busy", text)
    })?;
    let asked = match headers.get("last-event-id") {
        None => after,
        // What some clients send before the first event.
        Some(id) if matches!(id.as_bytes().trim_ascii(), b"" | b"null") => after,
        Some(id) => {
            let id = id.to_str().ok().and_then(|id| id.trim().parse().ok());
            Some(id.ok_or_else(|| Failure::invalid("`Last-Event-ID` is not the number of an event"))?)
        }
    };
    // Listening begins before reading, so that nothing falls between.
    let live = api.service.monitor.listen();
    let newest = api.service.read(|_, reading| reading.store.last_event()).await?;
    // A number above the newest is from a database that was here before.
    let after = asked.unwrap_or(newest.saturating_sub(last.unwrap_or(0).into())).clamp(0, newest);
    let ready = VecDeque::new();
    let follow = follow.unwrap_or(true);
    let feed = Feed { api, live, after, ready, more: true, follow, _permit: permit };
    let events = feed.events().map(|event| Ok::<_, Infallible>(wire(&event)));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(events.take_until(Box::pin(stopped(stopping)))).keep_alive(keep_alive).into_response())
}

/// What one client has yet to be told.
struct Feed {
    api: Api,
    live: Receiver<EventView>,
    /// Number of the last kept event that was told or is ready.
    after: i64,
    ready: VecDeque<EventView>,
    /// Whether the database may have more.
    more: bool,
    /// Whether it goes on when all that is kept was told.
    follow: bool,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    fn events(self) -> impl Stream<Item = EventView> + Send {
        stream::unfold(self, |mut feed| async move { feed.next().await.map(|event| (event, feed)) })
    }

    /// The next event; none at the end.
    async fn next(&mut self) -> Option<EventView> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.more {
                if let Err(e) = self.refill().await {
                    // The client comes back with the number of the last event that it saw.
                    warn!(error = %e, "a client's events could not be read");
                    return None;
                }
                continue;
            }
            if !self.follow {
                return None;
            }
            match self.live.recv().await {
                // Kept events come from the database alone, so that each comes once and in order.
                Ok(event) if event.kind == "logged" => self.more = true,
                Ok(event) => return Some(event),
                Err(RecvError::Lagged(_)) => self.more = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn refill(&mut self) -> Result<()> {
        let after = self.after;
        let rows = self.api.service.read(move |_, reading| reading.store.events_after(after, BATCH)).await?;
        self.more = !rows.is_empty();
        self.after = rows.last().map_or(after, |row| row.id);
        self.ready.extend(rows.into_iter().map(view));
        Ok(())
    }
}

fn view(row: EventRow) -> EventView {
    let EventRow { id, event } = row;
    EventView {
        id: Some(id),
        at: event.at,
        job: event.job,
        document: event.document,
        kind: event.kind,
        body: event.body,
    }
}

fn wire(event: &EventView) -> Event {
    // A line end would end the field; no kind has one.
    let kind = event.kind.replace(['\r', '\n'], " ");
    let data = serde_json::to_string(event).unwrap_or_default();
    let wire = Event::default().event(kind).data(data);
    match event.id {
        Some(id) => wire.id(id.to_string()),
        None => wire,
    }
}
