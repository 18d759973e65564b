//! How long what waits will take; `pipeline::pace` says where the estimates come from.

use super::super::service::{Foretold, Reading};
use crate::pipeline::monitor::Now;
use crate::pipeline::{BYTES_A_TOKEN, Course, REMEMBERED, kept_calibration, seconds_a_byte};
use seald_core::clock::Timestamp;
use seald_core::domain::progress::Work;
use seald_core::error::Result;
use seald_core::protocol::{Activity, Calibrating, Learning, TimeLeft};

/// The time until the document under way is done, and until all that wait are.
pub(super) fn time_left(
    reading: &mut Reading,
    doing: &Now,
    longest: u64,
    now: Timestamp,
) -> Result<TimeLeft> {
    let Foretold { waiting, seconds_a_byte, .. } = foretold(reading, longest)?;
    let seconds_since = |since: Timestamp| now.0.saturating_sub(since.0).max(0) as f64 / 1000.0;
    let step = doing.work.as_ref().and_then(Work::seconds_left);
    let Activity::Learning(Learning { document, since, seconds, stage, .. }) = &doing.activity else {
        let each = seconds_a_byte.or_else(|| Some(doing.seconds_a_token? / BYTES_A_TOKEN as f64));
        let before = match &doing.activity {
            Activity::Calibrating(Calibrating { since, seconds, .. }) => {
                seconds.map_or(0.0, |whole| (whole - seconds_since(*since)).max(0.0)).max(step.unwrap_or(0.0))
            }
            _ => 0.0,
        };
        let all = each.filter(|_| waiting > 0).map(|each| before + each * waiting as f64);
        return Ok(TimeLeft { document: None, all });
    };
    let bytes = reading.store.bytes_of(*document)?;
    // What the learner foretold knows the tokens of the text; of the others only their length is known.
    let whole = seconds.or_else(|| Some(seconds_a_byte? * bytes as f64));
    let course = Course {
        stage: *stage,
        gone: seconds_since(*since),
        in_stage: doing.stage_since.map(seconds_since),
        foretold: whole,
        step,
    };
    let left = course.left();
    // Where nothing foretold it, the others take as long as this one is seen to take.
    let seen = whole.or_else(|| Some(left? + course.gone));
    let each = seconds_a_byte.or_else(|| Some(seen? / bytes.max(1) as f64));
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
