//! Another model as a writer of self-edits: what [`crate::endpoint`] offers in the terms of [`crate::learn`].

use std::sync::atomic::AtomicBool;

use super::worker::Worker;
use crate::endpoint::{Asking, Endpoint};
use crate::error::Result;
use crate::learn::author::{Author, Elsewhere};
use crate::learn::session::Writing;

impl Elsewhere for Endpoint {
    fn write(&self, prompts: &[String], writing: Writing, cancel: &AtomicBool) -> Result<Vec<String>> {
        let Writing { max_tokens, temperature, seed } = writing;
        Endpoint::write(self, prompts, Asking { max_tokens, temperature, seed }, cancel)
    }

    fn name(&self) -> String {
        Endpoint::name(self)
    }
}

impl Worker<'_> {
    /// Who writes the self-edits.
    pub(super) fn author(&self) -> Author<'_> {
        self.elsewhere.as_ref().map_or(Author::Model(None), |endpoint| Author::Elsewhere(endpoint))
    }
}
