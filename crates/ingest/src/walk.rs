//! From the paths that a person names to the files that are documents.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::sidecar::{is_sidecar, sidecar_of};
use seald_core::error::{Error, Kind, Result};
use seald_core::files::io_error;

/// Folders within folders that are walked.
const MAX_FOLDERS_DEEP: usize = 64;
/// Endings of files that are not finished, or will not last.
const PASSING: &[&str] = &[
    ".part",
    ".partial",
    ".filepart",
    ".crdownload",
    ".opdownload",
    ".download",
    ".aria2",
    ".!qb",
    "~",
    ".tmp",
    ".temp",
    ".swp",
    ".swx",
];
/// What file managers leave beside documents.
const CLUTTER: &[&str] = &["thumbs.db", "desktop.ini"];

/// Whether the name is hidden, or that of a partial or temporary file.
pub fn is_passing(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let office = name.starts_with("~$") || (name.starts_with('#') && name.ends_with('#'));
    let clutter = CLUTTER.contains(&name.as_str());
    office || clutter || name.starts_with('.') || PASSING.iter().any(|ending| name.ends_with(ending))
}

/// The documents among `paths`: a file as it was given; of a folder every file beneath it, in the order of their names,
/// without hidden, temporary and partial ones and without sidecars. Each once. A sidecar that is named beside its document is none.
///
/// A symbolic link beneath a folder counts as what it points to, if that lies beneath the same folder.
///
/// # Errors
/// [`Kind::NotFound`] for a path that is not there; [`Kind::Unsupported`] for a link that leaves its folder, or points
/// nowhere, and for folders nested deeper than 64; [`Kind::Io`].
pub fn collect(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        // A trailing slash would follow a link.
        let seen = fs::symlink_metadata(path).map_err(|e| io_error("find", path, e))?;
        if seen.is_dir() {
            let root = fs::canonicalize(path).map_err(|e| io_error("find", path, e))?;
            walk(path, &root, 0, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    let mut seen = HashSet::new();
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    found.retain(|path| seen.insert(whole(path)));
    // `report.*` names the questions too, which are read with their document.
    let read: HashSet<_> =
        found.iter().filter_map(|path| sidecar_of(path)).map(|sidecar| whole(&sidecar)).collect();
    found.retain(|path| !(is_sidecar(path) && read.contains(&whole(path))));
    Ok(found)
}

fn walk(folder: &Path, root: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_FOLDERS_DEEP {
        let text = format!("{}: folders are nested deeper than {MAX_FOLDERS_DEEP}", folder.display());
        return Err(Error::new(Kind::Unsupported, text));
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(|e| io_error("read the folder", folder, e))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for sidecar in lonely(&entries) {
        tracing::warn!(
            "{}: no document beside it has this name, so nobody reads its questions",
            sidecar.display()
        );
    }
    for entry in entries {
        let path = entry.path();
        if is_passing(&path) {
            continue;
        }
        let kind = entry.file_type().map_err(|e| io_error("look at", &path, e))?;
        match () {
            _ if kind.is_dir() => walk(&path, root, depth + 1, found)?,
            _ if is_sidecar(&path) => {}
            _ if kind.is_symlink() => found.extend(within(&path, root)?),
            // What is no regular file either is refused with its reason when it is read.
            _ => found.push(path),
        }
    }
    Ok(())
}

/// Sidecars of no document: a letter in the name is wrong, mostly.
fn lonely(entries: &[fs::DirEntry]) -> Vec<PathBuf> {
    let (sidecars, others): (Vec<_>, Vec<_>) =
        entries.iter().map(fs::DirEntry::path).partition(|p| is_sidecar(p));
    let read: HashSet<_> =
        others.iter().filter(|path| !is_passing(path)).filter_map(|path| sidecar_of(path)).collect();
    sidecars.into_iter().filter(|path| !is_passing(path) && !read.contains(path)).collect()
}

/// The file that a link points to, if it lies beneath `root`. A folder there is walked at its own place.
fn within(link: &Path, root: &Path) -> Result<Option<PathBuf>> {
    let refuse =
        |why: &str| Error::new(Kind::Unsupported, format!("{}: is a symbolic link {why}", link.display()));
    let target = fs::canonicalize(link).map_err(|_| refuse("to nothing: remove it"))?;
    if !target.starts_with(root) {
        return Err(refuse("that leaves its folder: remove it, and name the file that it points to"));
    }
    Ok(target.is_file().then_some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_named_with_its_document_is_read_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let [a, questions, lonely] =
            ["a.md", "a.probes.jsonl", "b.probes.jsonl"].map(|name| dir.path().join(name));
        for path in [&a, &questions, &lonely] {
            fs::write(path, "text").unwrap();
        }
        assert_eq!(collect(&[questions.clone(), a.clone()]).unwrap(), [a]);
        // Alone it is refused when it is read, with what to do.
        assert_eq!(collect(&[questions.clone(), lonely.clone()]).unwrap(), [questions, lonely]);
    }

    #[test]
    fn sidecars_of_no_document_are_found() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "a.md",
            "a.probes.jsonl",
            "b.md",
            "b.md.probes.jsonl",
            "c.md",
            "C.probes.jsonl",
            ".d.probes.jsonl",
        ] {
            fs::write(dir.path().join(name), "text").unwrap();
        }
        let entries = fs::read_dir(dir.path()).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(lonely(&entries), [dir.path().join("C.probes.jsonl")]);
    }
}
