//! Wire types: what `seald once --json`, the daemon's API and `sealctl` say, in one place. Keys keep their names and
//! meanings once they are published (`docs/architecture.md`, "Outside surface"); new ones may be added.
//!
//! Shares and rates are numbers from 0 to 1, times are seconds, gains and losses are natural logarithms ("nats").
//! A number that was not measured is `null`, never 0.

/// The schema of a type that is written as another: that of the other, under the type's own name.
macro_rules! wire_schema {
    ($view:ident, $wire:ident) => {
        impl utoipa::PartialSchema for $view {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                <$wire as utoipa::PartialSchema>::schema()
            }
        }

        impl utoipa::ToSchema for $view {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($view).into()
            }

            fn schemas(known: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
                <$wire as utoipa::ToSchema>::schemas(known);
            }
        }
    };
}

mod adapters;
mod ask;
mod backups;
mod control;
mod documents;
mod forgetting;
mod models;
mod once;
pub mod openai;
mod share;
mod status;
mod upkeep;
mod why;
mod writer;

pub use adapters::{AdaptersView, GenerationView};
pub use ask::{AskEvent, AskRequest, AskView, Source, Turn, Unlearned};
pub use backups::{BackupView, BackupsView};
pub use control::{
    AddView, EventView, PauseRequest, Problem, ReplayView, RollbackRequest, RollbackView, ServerSentEvent,
};
pub use documents::{
    DocumentLine, DocumentView, DocumentsPage, GivenAnswer, JobView, ProbeView, SelfEditView, SelfEditsView,
};
pub use forgetting::{Cell, Column, ForgettingView, Measures, Tally};
pub use models::{BaseModelView, LineageView, ModelsView, UseModelRequest, UseModelView};
pub use once::{DocumentReport, OnceReport, ProbeCounts, SelfEditCounts, TimeShares, TrialReport};
pub use share::{Accuracies, Share};
pub use status::{
    Activity, Calibrating, DocumentCounts, Fading, Held, KnowledgeView, Learning, ModelState, NextRun,
    RefusedFile, RefusedFiles, ServingView, StatusView, Tending, TimeLeft, TrialProgress, UnreadablePlace,
};
pub use upkeep::{
    ComparisonView, ConsolidationView, ConsolidationsView, ForgetRequest, ForgottenView, JobOutcome,
    JobStarted,
};
pub use why::{DocumentShare, Weighed, WhyDocument, WhyProbe, WhyRow, WhyView};
pub use writer::{RoundStory, RoundView, WriterChoice, WriterExample, WriterText, WriterView};
