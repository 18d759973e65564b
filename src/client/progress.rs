//! Reading the progress that an event of the stream carries.

use serde::Deserialize;

use crate::domain::progress::Progress;
use crate::protocol::EventView;

/// The progress that an event tells of; none for other events, and for progress that a newer daemon made up.
pub fn progress(event: &EventView) -> Option<Progress> {
    Progress::deserialize(&event.body).ok()
}
