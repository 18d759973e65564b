//! About how long what waits will take.

use super::super::service::{Foretold, Reading};
use crate::pipeline::{REMEMBERED, kept_calibration, seconds_a_byte};
use seald_core::clock::Timestamp;
use seald_core::error::Result;
use seald_core::protocol::{Activity, Learning, TimeLeft};

/// The time until the document under way is done, and until all that wait are.
pub(super) fn time_left(
    reading: &mut Reading,
    activity: &Activity,
    longest: u64,
    now: Timestamp,
) -> Result<TimeLeft> {
    let Foretold { waiting, seconds_a_byte, .. } = foretold(reading, longest)?;
    let Activity::Learning(Learning { document, since, seconds, .. }) = activity else {
        let all = seconds_a_byte.filter(|_| waiting > 0).map(|each| each * waiting as f64);
        return Ok(TimeLeft { document: None, all });
    };
    let bytes = reading.store.bytes_of(*document)?;
    // What the learner foretold knows the tokens of the text; of the others only their length is known.
    let whole = seconds.or_else(|| Some(seconds_a_byte? * bytes as f64));
    let each = seconds_a_byte.or_else(|| Some((*seconds)? / bytes.max(1) as f64));
    let gone = now.0.saturating_sub(since.0).max(0) as f64 / 1000.0;
    let left = whole.map(|whole| (whole - gone).max(0.0));
    let counted = if bytes <= longest { bytes } else { 0 };
    let others = waiting.saturating_sub(counted) as f64;
    let all = left.zip(each).map(|(left, each)| left + each * others);
    Ok(TimeLeft { document: left, all })
}

/// What waits and how long each byte of it takes: as read before, where the database has not changed.
fn foretold(reading: &mut Reading, longest: u64) -> Result<Foretold> {
    let changes = reading.store.changes()?;
    if let Some(known) = reading.foretold.filter(|known| (known.changes, known.longest) == (changes, longest))
    {
        return Ok(known);
    }
    let store = &reading.store;
    let waiting = store.bytes_waiting(longest)?;
    let calibration = match store.lineage()? {
        Some(present) => kept_calibration(store, &present.base_fingerprint)?,
        None => None,
    };
    let seconds_a_byte = seconds_a_byte(&store.learning_times(REMEMBERED)?, calibration.as_ref());
    let known = Foretold { changes, longest, waiting, seconds_a_byte };
    reading.foretold = Some(known);
    Ok(known)
}
