//! Where `--json` writes: found out before an hour of learning, not after it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use seald_core::error::{Context, Error, Kind, Result};
use seald_core::files;
use seald_core::protocol::OnceReport;

use crate::output;

/// A place that was seen to take the report.
#[derive(Debug)]
pub(crate) enum JsonFile {
    /// `-`: stdout, which then carries nothing else.
    Stdout,
    /// A device or a pipe: written to as it is.
    Device(PathBuf),
    /// A file: replaced as a whole.
    File(PathBuf),
}

impl JsonFile {
    /// Looks whether `path` can be written; nothing is, yet.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a folder that is not there; [`Kind::Invalid`] for a folder; [`Kind::Io`].
    pub(crate) fn check(path: &Path) -> Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let wrong = |text: String| Err(Error::new(Kind::Invalid, text));
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                wrong(format!("--json: {} is a folder: name a file in it", path.display()))
            }
            Ok(found) if !found.is_file() => Ok(Self::Device(path.to_path_buf())),
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(cannot(path, e)),
            _ => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                // Gone again at once.
                tempfile::tempfile_in(parent.unwrap_or(Path::new("."))).map_err(|e| cannot(path, e))?;
                Ok(Self::File(path.to_path_buf()))
            }
        }
    }

    /// Writes the report.
    ///
    /// # Errors
    /// [`Kind::Io`] naming the place.
    pub(crate) fn write(&self, report: &OnceReport) -> Result<()> {
        let text = serde_json::to_string_pretty(report);
        let text = text.doing(Kind::Internal, || "cannot write JSON".to_string())? + "\n";
        match self {
            Self::Stdout => output::text(&text),
            Self::Device(path) => OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut device| device.write_all(text.as_bytes()))
                .map_err(|e| cannot(path, e)),
            Self::File(path) => files::write_atomic(path, text.as_bytes()),
        }
    }
}

fn cannot(path: &Path, e: io::Error) -> Error {
    files::io_error("write what --json asks for to", path, e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_found_first() {
        let dir = tempfile::tempdir().unwrap();
        let kind = |path: &Path| JsonFile::check(path).unwrap_err().kind();
        assert_eq!(kind(&dir.path().join("missing/x.json")), Kind::NotFound);
        assert_eq!(kind(dir.path()), Kind::Invalid);
        assert_eq!(kind(Path::new("/proc/x.json")), Kind::NotFound, "a place where nobody can create files");
        JsonFile::check(&dir.path().join("x.json")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "looking leaves nothing behind");
    }

    #[test]
    fn devices_are_written_to_and_stay_devices() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("out");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let place = JsonFile::check(&link).unwrap();
        place.write(&OnceReport::default()).unwrap();
        assert!(matches!(place, JsonFile::Device(_)) && fs::read_link(&link).is_ok());
        let file = dir.path().join("x.json");
        JsonFile::check(&file).unwrap().write(&OnceReport::default()).unwrap();
        assert!(serde_json::from_slice::<OnceReport>(&fs::read(&file).unwrap()).is_ok());
    }
}
