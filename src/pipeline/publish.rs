//! Publishing: an accepted adapter becomes a generation. Files first, then the row that names them, then the link for people.

use std::path::Path;

use super::crash::{self, Place};
use super::generation_files::refuse_unusable;
use super::root::Root;
use super::stages::CANDIDATE;
use super::worker::{Tell, Worker};
use seald_core::clock::Timestamp;
use seald_core::domain::document::Document;
use seald_core::domain::ids::{GenerationId, JobId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::progress::Progress;
use seald_core::error::Result;
use seald_core::files::{self, StagedDir};
use seald_store::{Dropped, Lesson, NewGeneration, RolledBack, Store};

impl Worker<'_> {
    pub(super) fn publish(&mut self, job: &Job, document: &Document, tell: Tell<'_>) -> Result<Job> {
        let accepted = self.root.job(job.id).join(CANDIDATE);
        if !accepted.is_dir() {
            return Err(self.missing("the accepted adapter", job));
        }
        let adapter = self.session.load_adapter(&accepted)?;
        let id = self.store.next_generation_id()?;
        let staged = StagedDir::replacing(&self.root.adapters(), &id.folder())?;
        staged.write("README.md", self.card(id, document)?.as_bytes())?;
        let adapter_hash = self.session.write_adapter(&adapter, &staged)?;
        staged.publish()?;
        crash::point(Stage::Publish, Place::AfterFiles);
        let generation = NewGeneration {
            id,
            parent: self.live_id(),
            base_fingerprint: self.session.model.fingerprint.clone(),
            adapter_hash,
            created_at: self.clock.now(),
        };
        let next = self.store.finish_publish(job, &generation)?;
        point_live(&self.root, id)?;
        self.live = Some((id, adapter));
        tell(Progress::Live { generation: id.folder() });
        Ok(next)
    }

    /// The beginning of an adapter's card: what it is.
    pub(super) fn card_head(&self, name: &str, what: &str) -> String {
        let (model, fingerprint) = (self.session.model.path.display(), &self.session.model.fingerprint);
        format!(
            "---\nlibrary_name: peft\nbase_model: {model}\ntags: [lora, seald]\n---\n\n# {name}\n\nA LoRA adapter that seald made for {model} \
             (fingerprint {fingerprint}). {what}\n"
        )
    }

    /// The card of a consolidated adapter.
    pub(super) fn consolidated_card(&self, id: GenerationId, lessons: &[Lesson]) -> Result<String> {
        use std::fmt::Write as _;
        let what =
            format!("It was trained from the base model and took the place of {}.", self.live_id().folder());
        let mut text = self.card_head(&id.folder(), &what);
        text.push_str("\n## Learned\n\n");
        for lesson in lessons {
            let document = self.store.document(lesson.document)?;
            let _ = writeln!(text, "- {} (`{}`)", document.title, document.short_hash());
        }
        Ok(text)
    }

    /// The adapter's card: what it is, what it learned from which documents, and how it was judged.
    fn card(&self, id: GenerationId, document: &Document) -> Result<String> {
        use std::fmt::Write as _;
        let parent = match self.live_id() {
            GenerationId::BASE => "the base model".into(),
            live => live.folder(),
        };
        let mut text = self.card_head(&id.folder(), &format!("It continues {parent}."));
        text.push_str("\n## Learned\n\n");
        let earlier = self.store.chain(self.live_id())?;
        for one in earlier.iter().flat_map(|g| &g.documents) {
            let one = self.store.document(*one)?;
            let _ = writeln!(text, "- {} (`{}`)", one.title, one.short_hash());
        }
        let _ = writeln!(text, "- {} (`{}`), new", document.title, document.short_hash());
        if let Some(decision) = self.store.decision(document.id)? {
            text.push_str("\n## Why it was accepted\n\n");
            for finding in decision.findings {
                let _ = writeln!(text, "- {}: {}", finding.rule, finding.words);
            }
        }
        Ok(text)
    }
}

/// Makes another generation live, or the base: row and link. For where no worker is open.
///
/// # Errors
/// As [`Store::roll_back`]; [`seald_core::Kind::NotFound`] where the generation's files are gone; [`seald_core::Kind::Corrupt`] where they are damaged.
pub fn roll_back(
    root: &Root,
    store: &mut Store,
    to: GenerationId,
    why: &str,
    now: Timestamp,
) -> Result<RolledBack> {
    refuse_unusable(root, store, to)?;
    let done = store.roll_back(to, Dropped::Rejected, why, now)?;
    point_live(root, to)?;
    Ok(done)
}

/// Makes `adapters/live` point at a generation, in one step; at none for the base.
pub(super) fn point_live(root: &Root, id: GenerationId) -> Result<()> {
    let link = root.live();
    if id == GenerationId::BASE {
        return match std::fs::remove_file(&link) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(files::io_error("remove", &link, e)),
            Ok(()) => {
                tracing::info!("the base model is live");
                Ok(())
            }
        };
    }
    if std::fs::read_link(&link).is_ok_and(|target| target == Path::new(&id.folder())) {
        return Ok(());
    }
    let fresh = root.adapters().join(".live-new");
    let _ = std::fs::remove_file(&fresh);
    std::os::unix::fs::symlink(id.folder(), &fresh).map_err(|e| files::io_error("create", &fresh, e))?;
    std::fs::rename(&fresh, &link).map_err(|e| files::io_error("replace", &link, e))?;
    tracing::info!(generation = id.folder(), "is live");
    Ok(())
}

/// Removes a finished job's folder. What cannot be removed now goes at the next start.
pub(super) fn clear(root: &Root, job: JobId) {
    let dir = root.job(job);
    if let Err(error) = std::fs::remove_dir_all(&dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %dir.display(), %error, "cannot remove a finished job's folder");
    }
}
