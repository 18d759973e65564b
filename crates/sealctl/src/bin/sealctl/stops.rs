//! The signals that end a program, for verbs that have something to say or to clear away first.

use seald_core::error::{Context, Error, Kind};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code of a program that a signal ended, less the signal's number.
pub(crate) const SIGNALLED: u8 = 128;

/// The signals that end a program, caught.
pub(crate) struct Stops {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Stops {
    /// From here on they are caught.
    ///
    /// # Errors
    /// [`Kind::Io`].
    pub(crate) fn new() -> Result<Self, Error> {
        let catch = |kind| signal(kind).doing(Kind::Io, || "cannot wait for signals".to_string());
        let (interrupt, terminate) = (catch(SignalKind::interrupt())?, catch(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, hangup: catch(SignalKind::hangup())? })
    }

    /// The number of the next one.
    pub(crate) async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.hangup.recv() => SignalKind::hangup(),
        };
        kind.as_raw_value() as u8
    }
}
