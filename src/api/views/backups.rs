//! Backups of the database.

use std::path::{Path, PathBuf};

use crate::pipeline::{BackupFile, Root, list_backups};
use seald_core::error::Result;
use seald_core::protocol::{BackupView, BackupsView};

/// Every backup, newest first.
pub(in crate::api) fn backups(root: &Path) -> Result<BackupsView> {
    let root = Root::at(root);
    let backups = list_backups(&root)?.into_iter().map(view).collect();
    Ok(BackupsView { folder: root.backups().display().to_string(), backups })
}

/// The one that lies there.
pub(in crate::api) fn backup(path: PathBuf) -> Result<BackupView> {
    BackupFile::look(path).map(view)
}

fn view(BackupFile { path, at, bytes, holds }: BackupFile) -> BackupView {
    let path = path.display().to_string();
    match holds {
        Ok(holds) => BackupView {
            path,
            at,
            bytes,
            documents: Some(holds.documents.len()),
            generations: Some(holds.generations.len()),
            events: Some(holds.events),
            error: None,
        },
        Err(error) => BackupView {
            path,
            at,
            bytes,
            documents: None,
            generations: None,
            events: None,
            error: Some(error.to_string()),
        },
    }
}
