//! Notice of changes in the inbox. It may be late, doubled or lost: it only says that a scan is worth its while.

use std::fs;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Config, ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{DONE, FAILED};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Attempts while folders go away under our eyes.
const ATTEMPTS: usize = 3;

/// Watches an inbox until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    _system: RecommendedWatcher,
}

/// Calls `hint`, on a thread of its own, whenever something in the inbox or its subfolders may have changed, `done/` and
/// `failed/` left out. It should return at once.
///
/// # Errors
/// [`Kind::NotFound`] without the inbox; [`Kind::Io`] where the system does not watch it (its limit is reached, say): the
/// inbox has to be scanned from time to time then, as it should be in any case.
pub fn watch(inbox: &Path, hint: impl Fn() + Send + 'static) -> Result<Watcher> {
    let root = fs::canonicalize(inbox).map_err(|e| io_error("watch", inbox, e))?;
    let watched = root.clone();
    let handler = move |event: notify::Result<Event>| {
        if is_hint(&watched, &event) {
            hint();
        }
    };
    // A link in the inbox must not make us watch what it points to.
    let config = Config::default().with_follow_symlinks(false);
    let mut system = RecommendedWatcher::new(handler, config).map_err(|e| refused(&root, e))?;
    for attempt in 1.. {
        match system.watch(&root, RecursiveMode::Recursive) {
            Ok(()) => break,
            Err(e) if matches!(e.kind, ErrorKind::PathNotFound) && attempt < ATTEMPTS => {}
            // A subfolder that may not be read; the others are watched as far as they go.
            Err(e)
                if matches!(e.kind, ErrorKind::Io(_)) && !e.paths.is_empty() && !e.paths.contains(&root) =>
            {
                tracing::warn!("some folders of {} are not watched, only looked at: {e}", root.display());
                break;
            }
            Err(e) => return Err(refused(&root, e)),
        }
    }
    Ok(Watcher { _system: system })
}

/// Whether a scan may find something new. That files and folders were opened or read says nothing, and we do so ourselves:
/// a scan would call for the next one.
fn is_hint(root: &Path, event: &notify::Result<Event>) -> bool {
    let Ok(event) = event else { return true };
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    if event.need_rescan() {
        return true;
    }
    if matches!(event.kind, EventKind::Access(_)) && event.kind != written {
        return false;
    }
    let kept = |path: &PathBuf| [DONE, FAILED].iter().any(|name| path.starts_with(root.join(name)));
    event.paths.is_empty() || !event.paths.iter().all(kept)
}

fn refused(root: &Path, error: notify::Error) -> Error {
    let full = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(e) => e.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()),
        _ => false,
    };
    let remedy = if full {
        " (the system's limit is reached: raise fs.inotify.max_user_watches and max_user_instances)"
    } else {
        ""
    };
    Error::new(Kind::Io, format!("cannot watch {}{remedy}", root.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, Flag, ModifyKind, RenameMode};

    use super::*;

    fn told(kind: EventKind, paths: &[&str]) -> bool {
        let paths = paths.iter().map(PathBuf::from);
        is_hint(Path::new("/inbox"), &Ok(paths.fold(Event::new(kind), Event::add_path)))
    }

    #[test]
    fn changes_are_hints_and_reading_is_none() {
        let created = EventKind::Create(CreateKind::File);
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        assert!(told(created, &["/inbox/a.md"]) && told(created, &["/inbox/sub/done/a.md"]));
        assert!(told(EventKind::Access(AccessKind::Close(AccessMode::Write)), &["/inbox/a.md"]));
        assert!(told(moved, &["/inbox/done/a.md", "/inbox/a.md"]));
        assert!(!told(moved, &["/inbox/done/a.md"]) && !told(created, &["/inbox/failed/sub/a.md"]));
        for reading in [AccessKind::Open(AccessMode::Any), AccessKind::Close(AccessMode::Read)] {
            assert!(!told(EventKind::Access(reading), &["/inbox"]));
        }
    }

    #[test]
    fn lost_events_and_errors_are_hints() {
        let rescan = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(is_hint(Path::new("/inbox"), &Ok(rescan)));
        assert!(is_hint(Path::new("/inbox"), &Err(notify::Error::generic("lost"))));
    }
}
