//! Base models as the API tells of them: the one in use, those before it, and one that is looked at.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::domain::calibration::Calibration;

/// Models that can answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelsView {
    /// The base model: its directory, or `nano`.
    pub base: String,
    /// Parameters of the base; none before it was opened.
    pub parameters: Option<u64>,
    /// Longest text it can take, tokens; none before it was opened.
    pub context: Option<usize>,
    /// Whether it is in memory now.
    pub loaded: bool,
    /// Names that `ask` takes: `base`, `live`, then the generations that stand on the base, newest first.
    pub names: Vec<String>,
    /// Base models that were used here, in the order in which they first were.
    pub lineages: Vec<LineageView>,
    /// What was measured of the base before it learned; none where that was not done yet. nano needs none.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// Models in the folder `models` of the root, which `sealctl models use` takes by their names.
    pub fetched: Vec<String>,
}

/// What was learned on one base model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineageView {
    /// The base model: its directory, or `nano`.
    pub model: String,
    /// When it was first used.
    pub begun_at: Timestamp,
    /// When another took its place; none for the present one.
    pub left_at: Option<Timestamp>,
    /// How many generations stand on it.
    pub generations: usize,
    /// The one that answers, or answered when it was left; none for the base.
    pub live: Option<String>,
}

/// A base model, looked at before it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BaseModelView {
    /// Its directory, or `nano`.
    pub model: String,
    /// Its family: `Qwen2`, `Qwen3` or `Llama`.
    pub architecture: String,
    /// Parameters.
    pub parameters: u64,
    /// Longest text it can take, tokens.
    pub context: usize,
    /// Bytes of its weights as they are stored.
    pub bytes: u64,
    /// Whether it has a chat template, as instruct models have.
    pub chat: bool,
    /// What its files say of the licence; none where they say nothing.
    pub licence: Option<String>,
}

/// Which base model to use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UseModelRequest {
    /// An absolute path, the name of a folder in `models` of the root, or `nano`.
    pub model: String,
    /// Only tell what would happen.
    #[serde(default)]
    pub preview: bool,
}

/// What a change of the base model does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UseModelView {
    /// The model.
    pub model: BaseModelView,
    /// What is used until then.
    pub from: String,
    /// Whether both have the same weights: then nothing changes but where they are read.
    pub same: bool,
    /// The generation that answers then; none for the model as it is.
    pub live: Option<String>,
    /// Documents that wait to be learned again.
    pub learned_again: usize,
    /// Documents that are known again.
    pub known_again: usize,
}
