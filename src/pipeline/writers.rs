//! Who writes the self-edits: another model elsewhere (what [`crate::endpoint`] offers in the terms of [`seald_learn`]), a trained writer, or the base.

use std::sync::atomic::AtomicBool;

use super::worker::Worker;
use crate::endpoint::{Endpoint, WriteOptions};
use seald_core::domain::ids::WriterId;
use seald_core::error::{Kind, Result};
use seald_learn::Adapter;
use seald_learn::author::{Author, RemoteModel};
use seald_learn::session::Writing;

/// The adapter that writes self-edits.
#[derive(Debug)]
pub(super) struct LoadedWriter {
    pub(super) id: WriterId,
    /// Content hash of its folder, which self-edits record.
    hash: String,
    pub(super) adapter: Adapter,
}

impl RemoteModel for Endpoint {
    fn write(&self, prompts: &[String], writing: Writing, cancel: &AtomicBool) -> Result<Vec<String>> {
        let Writing { max_tokens, temperature, top_p: _, seed } = writing;
        Endpoint::write(self, prompts, WriteOptions { max_tokens, temperature, seed }, cancel)
    }

    fn name(&self) -> String {
        Endpoint::name(self)
    }
}

impl Worker<'_> {
    /// Loads the writer. One whose files are gone or damaged gives way to the base, which is said aloud: the next round trains another.
    pub(super) fn load_writer(&mut self) -> Result<()> {
        self.writer = None;
        let Some(writer) = self.store.writer()? else { return Ok(()) };
        match self.session.load_adapter(&self.root.writer(writer.id)) {
            Ok(adapter) => {
                self.writer = Some(LoadedWriter { id: writer.id, hash: writer.adapter_hash, adapter });
                Ok(())
            }
            Err(error) if matches!(error.kind(), Kind::NotFound | Kind::Corrupt) => {
                let why =
                    format!("{} cannot be used ({error}): the base writes in its place", writer.id.folder());
                tracing::error!(writer = writer.id.0, "{why}");
                self.store.set_writer(WriterId::BASE)
            }
            Err(error) => Err(error),
        }
    }

    /// Who writes the self-edits.
    pub(super) fn author(&self) -> Author<'_> {
        let own = Author::Model(self.writer.as_ref().map(|writer| &writer.adapter));
        self.remote.as_ref().map_or(own, |endpoint| Author::Remote(endpoint))
    }

    /// Who sets the exams: the base, or where that is asked for the model elsewhere.
    pub(super) fn examiner(&self) -> Author<'_> {
        match &self.remote {
            Some(endpoint) if endpoint.sets_exams() => Author::Remote(endpoint),
            _ => Author::Model(None),
        }
    }

    /// Who that is, for records; none for the base.
    pub(super) fn author_name(&self) -> Option<String> {
        self.author().name().or_else(|| self.writer.as_ref().map(|writer| writer.hash.clone()))
    }
}
