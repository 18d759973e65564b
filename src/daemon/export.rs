//! Exports on their way out. The base model is not loaded for them: what they need of it is read where it lies.

use std::path::PathBuf;
use std::time::Instant;

use crate::api::Export;
use crate::export;
use crate::pipeline::Root;

/// Exports generations of `root`, whose base is `model`.
pub(super) fn exporter(root: Root, model: PathBuf) -> Export {
    Box::new(move |id, format| {
        let started = Instant::now();
        let archive = export::prepare(&id.folder(), &root.generation(id), format, &model)?;
        Ok(Box::new(move |out| {
            let files = archive.write(out)?.files;
            let bytes: u64 = files.iter().map(|file| file.bytes).sum();
            let duration_ms = started.elapsed().as_millis() as u64;
            tracing::info!(generation = id.folder(), %format, bytes, duration_ms, "exported a generation");
            Ok(())
        }))
    })
}
