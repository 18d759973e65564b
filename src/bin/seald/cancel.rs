//! SIGINT and SIGTERM: the first asks for an end at the next step, a second one ends the process at once.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use seald::Kind;
use seald::error::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A flag that a signal raises.
pub(crate) fn on_signals() -> Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the flag is looked at before it is raised, so only a second signal finds it up.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&cancel))
            .and_then(|_| flag::register(signal, Arc::clone(&cancel)))
            .doing(Kind::Io, || format!("cannot handle signal {signal}"))?;
    }
    Ok(cancel)
}
