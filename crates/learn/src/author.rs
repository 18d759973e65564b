//! Who writes the texts of self-edits: the model itself, or another one elsewhere.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::session::{Session, Writing};
use seald_core::error::{Error, Kind, Result};
use seald_engine::lora::Adapter;

/// A writer that is not the model of the session: how it is reached is its own affair.
pub trait RemoteModel: fmt::Debug {
    /// What it writes after each prompt (a user's turn): as many texts, in their order.
    ///
    /// # Errors
    /// Its own; [`Kind::Cancelled`] soon after `cancel` is set.
    fn write(&self, prompts: &[String], writing: Writing, cancel: &AtomicBool) -> Result<Vec<String>>;

    /// Who it is, for records.
    fn name(&self) -> String;
}

/// Who writes.
#[derive(Debug, Clone, Copy)]
pub enum Author<'a> {
    /// The session's model: the base, or with a writer adapter.
    Model(Option<&'a Adapter>),
    /// Another model. It writes texts alone: directives are still chosen by the base.
    Remote(&'a dyn RemoteModel),
}

impl<'a> Author<'a> {
    /// The adapter that chooses directives; none for the base.
    pub fn adapter(self) -> Option<&'a Adapter> {
        match self {
            Self::Model(adapter) => adapter,
            Self::Remote(_) => None,
        }
    }

    /// Who writes elsewhere, for records; none where the model itself does.
    pub fn name(self) -> Option<String> {
        match self {
            Self::Model(_) => None,
            Self::Remote(other) => Some(other.name()),
        }
    }

    /// How each text goes on, which is no turn of a chat, up to one of the texts in `stops`. To another model the text is what a user says: its answer
    /// goes on from the examples in it as well.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn complete(
        self,
        session: &Session<'_>,
        texts: &[String],
        writing: Writing,
        stops: &[&str],
    ) -> Result<Vec<String>> {
        match self {
            Self::Model(adapter) => session.complete(texts, writing, stops, adapter),
            Self::Remote(_) => self.write(session, texts, writing),
        }
    }

    /// What is written after each prompt (a user's turn).
    ///
    /// # Errors
    /// As [`Session::write`]; those of [`RemoteModel::write`].
    pub fn write(self, session: &Session<'_>, prompts: &[String], writing: Writing) -> Result<Vec<String>> {
        let other = match self {
            Self::Model(adapter) => return session.write(prompts, writing, adapter),
            Self::Remote(other) => other,
        };
        let started = Instant::now();
        let texts = other.write(prompts, writing, session.cancel)?;
        session.count(|t| t.generation_seconds += started.elapsed().as_secs_f64());
        if texts.len() != prompts.len() {
            let (name, found, asked) = (other.name(), texts.len(), prompts.len());
            return Err(Error::new(
                Kind::Internal,
                format!("{name} wrote {found} texts for {asked} prompts"),
            ));
        }
        Ok(texts)
    }
}
