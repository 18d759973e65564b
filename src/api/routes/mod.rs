//! The handlers, by what they are about.

pub(super) mod ask;
pub(super) mod backups;
pub(super) mod control;
pub(super) mod documents;
pub(super) mod export;
pub(super) mod metrics;
pub(super) mod models;
pub(super) mod overview;
pub(super) mod page;
pub(super) mod upkeep;
pub(super) mod why;
