//! SIGINT and SIGTERM: the first asks for an end at the next step, a second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use seald_core::Kind;
use seald_core::error::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::output::{say, watched};

/// A flag that a signal raises. For verbs that look at it; the others are ended by a signal as usual.
pub(crate) fn on_signals() -> Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let failed = || "cannot handle signals".to_string();
    for signal in [SIGINT, SIGTERM] {
        // In this order: the flag is looked at before it is raised, so only a second signal finds it up.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&cancel))
            .and_then(|_| flag::register(signal, Arc::clone(&cancel)))
            .doing(Kind::Io, failed)?;
    }
    // A step of a large model takes a while, in which nothing else would answer. The thread sleeps until a signal
    // or the end of the process.
    let mut signals = Signals::new([SIGINT, SIGTERM]).doing(Kind::Io, failed)?;
    let answer = move || {
        // In a log the same is said by a line of its own.
        if signals.forever().next().is_some() && watched() {
            say("\nStopping after this step; the same again stops at once.");
        }
    };
    std::thread::Builder::new().name("seald-signals".to_string()).spawn(answer).doing(Kind::Io, failed)?;
    Ok(cancel)
}
