//! The database, on real files: what is stored, what is refused, what a kill leaves.

#[path = "store/documents.rs"]
mod documents;
#[path = "store/files.rs"]
mod files;
#[path = "store/jobs.rs"]
mod jobs;
#[path = "store/knowledge.rs"]
mod knowledge;
#[path = "store/lineages.rs"]
mod lineages;
#[path = "store/made_up.rs"]
mod made_up;
#[path = "store/service.rs"]
mod service;
#[path = "store/stages.rs"]
mod stages;
#[path = "store/upkeep.rs"]
mod upkeep;
