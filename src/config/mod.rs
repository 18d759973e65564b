//! Configuration: `seald.toml` as one [`Config`], composed of the option structs of those who use them.
//!
//! An option is a documented field; its range is checked by its struct, its default stands in `Default`. The example
//! file, the messages about wrong keys and `seald config` all follow from these structs.

mod answers;
mod api;
mod difference;
mod keys;
mod lines;
mod load;
mod log;
mod optional;
mod quiet;
mod render;
mod resources;
mod schedule;
mod size;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::endpoint::{EndpointOptions, ServingOptions};
use seald_core::error::{Error, Kind, Result};
use seald_engine::embedded::NANO;
use seald_ingest::Limits;
use seald_ingest::inbox::InboxOptions;
use seald_learn::consolidate::ConsolidateOptions;
use seald_learn::gate::GateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::writer::WriterOptions;

pub use answers::AnswersOptions;
pub use api::ApiOptions;
pub use load::{SYSTEM_FILE, default_root};
pub use log::{LogFormat, LogOptions};
pub use quiet::QuietHours;
pub use resources::ResourceOptions;
pub use schedule::ScheduleOptions;
pub use size::Size;

/// More threads than any machine needs: a typing error should not start them.
const MAX_THREADS: usize = 1024;

/// Everything that can be set, with the values in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file that this was read from; none where there was none.
    #[serde(skip)]
    pub source: Option<PathBuf>,
    /// Folder for what is learned (`adapters`) and remembered (`state`). Empty: /var/lib/seald for the file
    /// /etc/seald/seald.toml; else the current folder if it has both, else ~/.local/share/seald. `--root` goes before.
    #[schema(value_type = String)]
    pub root: PathBuf,
    /// Folder that documents are dropped into. Empty: `inbox` in the root.
    #[serde(with = "optional::text")]
    #[schema(value_type = String)]
    pub inbox_folder: Option<PathBuf>,
    /// The base model: a folder (config.json, tokenizer.json, *.safetensors), or "nano", the small model inside this
    /// program, which knows only a made-up world. A folder of that name is "./nano". Once something was learned,
    /// `sealctl models use` changes it, and this line only says where the model lies.
    #[schema(value_type = String)]
    pub model: PathBuf,
    /// Threads that compute, 1 to 1,024; 0: one on each core.
    #[serde(with = "optional::number")]
    #[schema(value_type = usize)]
    pub threads: Option<usize>,
    /// Precision of the frozen weights: "auto" (bf16 where this machine is fast at it), "f32" (exact) or "bf16" (half the
    /// memory).
    #[schema(value_type = String)]
    pub dtype: Dtype,
    /// vLLM servers that are to answer with the live generation: each is told when another goes live. One table each,
    /// `[[serve_to]]`, or in one line: [{ url = "http://127.0.0.1:8000" }].
    #[schema(value_type = Vec<Object>)]
    pub serve_to: Vec<ServingOptions>,
    /// The interface that `sealctl`, programs and browsers talk to.
    #[schema(value_type = Object)]
    pub api: ApiOptions,
    /// How questions and chats are answered.
    #[schema(value_type = Object)]
    pub answers: AnswersOptions,
    /// When a file in the inbox is taken.
    #[schema(value_type = Object)]
    pub inbox: InboxOptions,
    /// How documents are learned. What is learned depends on these; the defaults were measured.
    #[schema(value_type = Object)]
    pub learn: LearnOptions,
    /// Another model that writes the self-edits, behind an OpenAI-compatible endpoint. The text of every document that is
    /// learned is then sent there: it leaves this machine unless the endpoint is on it. Off while `url` is empty.
    #[schema(value_type = Object)]
    pub writer: EndpointOptions,
    /// What a candidate must prove before it goes live.
    #[schema(value_type = Object)]
    pub gate: GateOptions,
    /// When everything that was learned is trained anew in one adapter, and how.
    #[schema(value_type = Object)]
    pub consolidate: ConsolidateOptions,
    /// How the writer of self-edits learns from its winners.
    #[schema(value_type = Object)]
    pub writer_rounds: WriterOptions,
    /// How much of the machine the reading of one file may take. What passes a bound is refused, never cut short.
    #[schema(value_type = Object)]
    pub reading: Limits,
    /// What is done by the clock, in local time.
    #[schema(value_type = Object)]
    pub schedule: ScheduleOptions,
    /// Consideration for the other programs of this machine.
    #[schema(value_type = Object)]
    pub resources: ResourceOptions,
    /// What is written to the log, and how.
    #[schema(value_type = Object)]
    pub log: LogOptions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: None,
            root: PathBuf::new(),
            inbox_folder: None,
            model: PathBuf::from(NANO.name),
            threads: None,
            dtype: Dtype::Auto,
            serve_to: Vec::new(),
            api: ApiOptions::default(),
            answers: AnswersOptions::default(),
            inbox: InboxOptions::default(),
            learn: LearnOptions::default(),
            writer: EndpointOptions::default(),
            gate: GateOptions::default(),
            consolidate: ConsolidateOptions::default(),
            writer_rounds: WriterOptions::default(),
            reading: Limits::default(),
            schedule: ScheduleOptions::default(),
            resources: ResourceOptions::default(),
            log: LogOptions::default(),
        }
    }
}

/// Precision of the frozen weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// bf16 where this machine is fast at it, else f32.
    Auto,
    /// Exact.
    F32,
    /// Half the memory.
    Bf16,
}

impl Config {
    /// The folder that documents are dropped into.
    pub fn inbox_path(&self) -> PathBuf {
        self.inbox_folder.clone().unwrap_or_else(|| self.root.join("inbox"))
    }

    /// The socket of the interface.
    pub fn socket_path(&self) -> PathBuf {
        self.api.socket.clone().unwrap_or_else(|| self.root.join("state/seald.sock"))
    }

    /// Checks every range. No file is looked at.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        self.check()
            .map_err(|(section, error)| if section.is_empty() { error } else { error.context(section) })
    }

    /// As [`Self::validate`], with the section that is wrong: "" for the options above all sections. The message begins
    /// with the option's name.
    fn check(&self) -> Result<(), (&'static str, Error)> {
        self.check_top().map_err(|e| ("", e))?;
        self.api.validate().map_err(|e| ("api", e))?;
        self.answers.validate().map_err(|e| ("answers", e))?;
        self.inbox.validate().map_err(|e| ("inbox", e))?;
        self.learn.validate().map_err(|e| ("learn", e))?;
        self.writer.validate().map_err(|e| ("writer", e))?;
        self.gate.validate().map_err(|e| ("gate", e))?;
        self.consolidate.validate().map_err(|e| ("consolidate", e))?;
        self.writer_rounds.validate().map_err(|e| ("writer_rounds", e))?;
        self.reading.validate().map_err(|e| ("reading", e))?;
        self.schedule.validate().map_err(|e| ("schedule", e))?;
        self.resources.validate().map_err(|e| ("resources", e))?;
        self.log.validate().map_err(|e| ("log", e))
    }

    fn check_top(&self) -> Result<()> {
        if let Some(threads) = self.threads {
            in_range("threads", threads, 1, MAX_THREADS)?;
        }
        if self.model.as_os_str().is_empty() {
            return invalid(format!("model is empty: give a folder, or \"{}\"", NANO.name));
        }
        let folders = [("root", Some(&self.root)), ("inbox_folder", self.inbox_folder.as_ref())];
        for (name, folder) in folders.into_iter().chain([("model", Some(&self.model))]) {
            if let Some(folder) = folder.filter(|folder| folder.starts_with("~")) {
                let text = format!(
                    "{name} is {}: write the folder in full, `~` is not known here",
                    folder.display()
                );
                return invalid(text);
            }
        }
        self.check_serve_to()
    }

    fn check_serve_to(&self) -> Result<()> {
        for (at, server) in self.serve_to.iter().enumerate() {
            server.validate().map_err(|e| e.context(of_server(at)))?;
            let same = |other: &ServingOptions| (&other.url, &other.name) == (&server.url, &server.name);
            if self.serve_to[..at].iter().any(same) {
                return invalid(format!(
                    "{}: {} has the name {} already: give another name, or leave it out",
                    of_server(at),
                    server.url,
                    server.name
                ));
            }
        }
        Ok(())
    }
}

/// What a message about a server begins with; counted from 1.
fn of_server(at: usize) -> String {
    format!("serve_to, server {}", at + 1)
}

/// A refusal; the text begins with the option's name.
fn invalid<T>(text: String) -> Result<T> {
    Err(Error::new(Kind::Invalid, text))
}

/// Checks that `least <= value <= most`.
fn in_range<T: PartialOrd + std::fmt::Display>(name: &str, value: T, least: T, most: T) -> Result<()> {
    match value >= least && value <= most {
        true => Ok(()),
        false => invalid(format!("{name} is {value}: give {least} to {most}")),
    }
}

#[cfg(test)]
mod tests;
