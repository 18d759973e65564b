//! Numbers of rows, each of its own type.

/// A newtype over the number of a row.
macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}

ids! {
    /// A document.
    DocumentId,
    /// A passage of a document.
    PassageId,
    /// A probe.
    ProbeId,
    /// A self-edit.
    SelfEditId,
    /// A trial.
    TrialId,
    /// A generation: `adapters/gen-000007` is number 7. Number 0 is the pristine base and has no row.
    GenerationId,
    /// A job.
    JobId,
    /// A lineage.
    LineageId,
    /// A writer: `adapters/writer-000002` is number 2. Number 0 is the base, which writes before any round.
    WriterId,
}

impl GenerationId {
    /// The base model without any adapter.
    pub const BASE: Self = Self(0);

    /// Name of its folder beneath `adapters`; `the base`, which has none, in words.
    pub fn folder(self) -> String {
        if self == Self::BASE { "the base".into() } else { format!("gen-{:06}", self.0) }
    }
}

impl WriterId {
    /// The base model without any adapter.
    pub const BASE: Self = Self(0);

    /// Name of its folder beneath `adapters`.
    pub fn folder(self) -> String {
        format!("writer-{:06}", self.0)
    }
}
