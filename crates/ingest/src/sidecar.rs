//! Sidecars: `NAME.probes.jsonl` beside `NAME.ext` holds questions about it that the user supplies.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Limits, clean, source};
use seald_core::error::{Context, Error, Kind, Result};

/// What the names of sidecars end in.
pub(super) const ENDING: &str = ".probes.jsonl";
/// Longest question or answer, characters: it has to fit the model beside a passage.
const TEXT_CHARS: usize = 1000;
/// Most answers of one question.
const ANSWERS: usize = 32;

/// A question that the user supplies with its accepted answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Line")]
pub struct SuppliedProbe {
    /// The question, one line.
    pub question: String,
    /// Accepted answers, one line each; at least one.
    pub answers: Vec<String>,
}

/// A question as users write it: `{"question", "answer"}` or `{"question", "answers": [...]}`; other keys are theirs.
#[derive(Deserialize)]
struct Line {
    question: String,
    answer: Option<String>,
    #[serde(default)]
    answers: Vec<String>,
}

impl TryFrom<Line> for SuppliedProbe {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let fit = |what: &str, text: &str| match clean::one_line(text) {
            line if line.is_empty() => Err(format!("{what} is empty: write one, or leave the row out")),
            line if line.chars().count() > TEXT_CHARS => {
                Err(format!("{what} is longer than {TEXT_CHARS} characters: shorten it"))
            }
            line => Ok(line),
        };
        let question = fit("the question", &line.question)?;
        let answers = line.answer.iter().chain(&line.answers).map(|answer| fit("an answer", answer));
        let answers = answers.collect::<Result<Vec<_>, _>>()?;
        match answers.len() {
            0 => Err("there is no `answer` and no `answers`: give one of them".to_string()),
            1..=ANSWERS => Ok(Self { question, answers }),
            _ => Err(format!("there are more than {ANSWERS} answers: give fewer")),
        }
    }
}

/// Whether `path` is a sidecar by its name: no document.
pub fn is_sidecar(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase().ends_with(ENDING))
}

/// The sidecar of a document, if there is one: `NAME.probes.jsonl`, or `NAME.ext.probes.jsonl` where documents share
/// their stem (it goes first).
pub fn sidecar_of(path: &Path) -> Option<PathBuf> {
    if is_sidecar(path) {
        return None;
    }
    let names = sidecar_names(path)?.into_iter();
    names.map(|name| path.with_file_name(name)).find(|sidecar| sidecar.symlink_metadata().is_ok())
}

/// The names that a document's sidecar can have, the one that counts first. None for a path without a name.
pub(super) fn sidecar_names(document: &Path) -> Option<[OsString; 2]> {
    let with_ending = |name: &OsStr| {
        let mut name = name.to_os_string();
        name.push(ENDING);
        name
    };
    Some([with_ending(document.file_name()?), with_ending(document.file_stem()?)])
}

/// The probes of a sidecar, in its order.
///
/// # Errors
/// [`Kind::Invalid`] names file and line of a wrong row; [`Kind::Unsupported`] for too many rows; and those of reading a
/// file, as [`super::extract`].
pub fn read_probes(path: &Path, limits: &Limits) -> Result<Vec<SuppliedProbe>> {
    read_opened_probes(path, source::open(path, limits)?, limits)
}

/// The same of a file that was opened as `path`.
///
/// # Errors
/// As [`read_probes`].
pub fn read_opened_probes(path: &Path, file: File, limits: &Limits) -> Result<Vec<SuppliedProbe>> {
    let bytes = source::read_opened(path, file, limits)?;
    probes_in(&bytes, limits).map_err(|e| e.context(path.display()))
}

/// Looks at what is to be the file `name`, if that is a sidecar's name.
///
/// # Errors
/// As [`read_probes`]; [`Kind::Invalid`] too where there is no row.
pub fn check_probes(name: &str, bytes: &[u8], limits: &Limits) -> Result<()> {
    if !is_sidecar(Path::new(name)) {
        return Ok(());
    }
    let probes = probes_in(bytes, limits).map_err(|e| e.context(name))?;
    if probes.is_empty() {
        return Err(Error::new(
            Kind::Invalid,
            format!("{name} holds no row: give one question in each line"),
        ));
    }
    Ok(())
}

fn probes_in(bytes: &[u8], limits: &Limits) -> Result<Vec<SuppliedProbe>> {
    let rows = json_rows(bytes, limits.rows)?.into_iter();
    rows.map(|(line, text)| json_row(text, line, "{\"question\", \"answer\" or \"answers\"}")).collect()
}

/// A row as `shape` says it has to be.
pub(super) fn json_row<T: DeserializeOwned>(text: &str, line: usize, shape: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        // It counts lines within the row, which is one line: our own number is the file's.
        let words = e.to_string().replace("at line 1 column", "at column");
        Error::new(Kind::Invalid, format!("line {line} is no row of {shape}: {words}"))
    })
}

/// The lines of a `jsonl` file that are not blank, with their numbers from 1.
pub(super) fn json_rows(bytes: &[u8], most: usize) -> Result<Vec<(usize, &str)>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut rows = Vec::new();
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let number = index + 1;
        if rows.len() == most {
            let text = format!("has more than {most} rows: split it into parts");
            return Err(Error::new(Kind::Unsupported, text));
        }
        let text = std::str::from_utf8(line).doing(Kind::Invalid, || {
            format!("line {number} is not UTF-8, as JSON has to be: save the file as UTF-8")
        })?;
        rows.push((number, text));
    }
    Ok(rows)
}
