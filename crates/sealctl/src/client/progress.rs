//! Reading the progress that an event of the stream carries.

use serde::Deserialize;

use seald_core::domain::progress::Progress;
use seald_core::protocol::EventView;

/// The progress that an event tells of; none for other events, and for progress that a newer daemon made up.
pub fn progress(event: &EventView) -> Option<Progress> {
    Progress::deserialize(&event.body).ok()
}
