//! Bodies of requests while they come in: how slow they may be, and what becomes of a body that nobody read to its end.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Bytes, HttpBody};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Sleep, sleep_until, timeout_at};

use super::places::Place;

/// Bytes a second that a body has to bring on average.
const SLOWEST: u32 = 1000;
/// How long it may bring less.
const GRACE: Duration = Duration::from_secs(60);
/// Bytes of a body that are read although nobody wants them: as many as the largest document that is taken may have. Many clients read no answer before they
/// have sent all.
const READ_AWAY: usize = 64 << 20;

/// The body of a request, from its socket.
#[derive(Debug)]
pub(super) struct Arriving(Option<Coming>);

/// What of a body has not come yet.
#[derive(Debug)]
struct Coming {
    body: Incoming,
    pace: Pace,
    too_slow: Pin<Box<Sleep>>,
    place: Arc<Place>,
    rests: UnboundedSender<Rest>,
    /// Whether the client sends it only when it is told to, and was not.
    held_back: bool,
}

/// The rest of a body that nobody reads.
#[derive(Debug)]
pub(super) struct Rest(Incoming, Pace);

/// Why a body did not come.
#[derive(Debug)]
pub(super) enum Cut {
    /// Too slowly.
    Slow,
    /// Its place was needed, and it was the slowest.
    Displaced,
    /// The client broke it off, or sent what is no HTTP.
    Broken(hyper::Error),
}

/// How long a body is waited for: each byte prolongs it.
#[derive(Debug, Clone, Copy)]
struct Pace {
    until: Instant,
}

impl Pace {
    fn begin(now: Instant) -> Self {
        Self { until: now + GRACE }
    }

    /// So many bytes came. What came fast is no reason to wait long afterwards.
    fn came(&mut self, bytes: usize, now: Instant) {
        let prolonged = Duration::from_secs_f64(bytes as f64 / f64::from(SLOWEST)).min(GRACE);
        self.until = (self.until + prolonged).min(now + GRACE);
    }
}

impl Arriving {
    /// The body that comes in at `place`. What nobody reads of it goes to `rests`. A client that `expects` to be told sends nothing before somebody reads.
    pub(super) fn new(
        body: Incoming,
        expects: bool,
        place: Arc<Place>,
        rests: UnboundedSender<Rest>,
    ) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        let pace = Pace::begin(Instant::now());
        place.body_until(Some(pace.until));
        let too_slow = Box::pin(sleep_until(pace.until.into()));
        Self(Some(Coming { body, pace, too_slow, place, rests, held_back: expects }))
    }

    /// Nothing more is read.
    fn end(&mut self) -> Option<Coming> {
        let coming = self.0.take()?;
        coming.place.body_until(None);
        Some(coming)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(coming) = self.end()
            && !coming.held_back
            && !coming.body.is_end_stream()
        {
            // Where nobody takes it the connection has gone.
            let _ = coming.rests.send(Rest(coming.body, coming.pace));
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(coming) = &mut self.0 else { return Poll::Ready(None) };
        coming.held_back = false;
        let cut = if coming.place.is_displaced(context) {
            Cut::Displaced
        } else {
            match Pin::new(&mut coming.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    coming.came(frame.data_ref().map_or(0, Bytes::len));
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Err(e))) => Cut::Broken(e),
                Poll::Ready(None) => {
                    self.end();
                    return Poll::Ready(None);
                }
                Poll::Pending if coming.too_slow.as_mut().poll(context).is_pending() => {
                    return Poll::Pending;
                }
                Poll::Pending => Cut::Slow,
            }
        };
        self.end();
        Poll::Ready(Some(Err(cut)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|coming| coming.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |coming| coming.body.size_hint())
    }
}

impl Coming {
    fn came(&mut self, bytes: usize) {
        self.pace.came(bytes, Instant::now());
        self.too_slow.as_mut().reset(self.pace.until.into());
        self.place.body_until(Some(self.pace.until));
    }
}

impl Rest {
    /// Reads it to its end, or as much of it as is worth it, and drops it. Without this the connection would be closed upon a client that still writes, and the
    /// system would take the answer back that lies there.
    pub(super) async fn read_away(self) {
        let Self(mut body, mut pace) = self;
        let mut bytes = 0;
        while bytes < READ_AWAY
            && let Ok(Some(Ok(frame))) = timeout_at(pace.until.into(), body.frame()).await
        {
            let came = frame.data_ref().map_or(0, Bytes::len);
            pace.came(came, Instant::now());
            bytes += came;
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow => write!(
                f,
                "the body came too slowly: send it again, {SLOWEST} bytes a second or more on average of {} seconds",
                GRACE.as_secs()
            ),
            Self::Displaced => f.write_str(
                "every connection was taken, and of all bodies that were waited for this one came slowest: send it again, in one go",
            ),
            Self::Broken(e) => write!(f, "the body broke off: {e}"),
        }
    }
}

impl std::error::Error for Cut {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_line_is_waited_for_and_a_trickle_is_not() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        // 2 kB/s, in pieces that come every half minute.
        let mut pace = Pace::begin(began);
        for seconds in (30..3_000).step_by(30) {
            assert!(at(seconds) < pace.until, "{seconds}");
            pace.came(60_000, at(seconds));
        }
        // A byte each second does not keep it alive, and a megabyte at first for no longer than a minute.
        for first in [1, 1 << 20] {
            let mut pace = Pace::begin(began);
            pace.came(first, began);
            for seconds in 1..60 {
                pace.came(1, at(seconds));
            }
            assert!(pace.until < at(61), "{first}");
        }
    }
}
