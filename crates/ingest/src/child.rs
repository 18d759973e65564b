//! Reading a document in a process of its own, which may be killed: what a file does to a parser, it does to that process.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};

use super::extract::{Extracted, extract_opened};
use super::limits::{Limits, size};
use super::source;
use seald_core::confined::{Bounds, Confined, Ended, READY, confine};
use seald_core::error::{Context, Error, Kind, Result};

/// The verb of `seald` that is the child.
const VERB: &str = "extract-document";
/// Bytes of JSON that one character can come to.
const BYTES_PER_CHAR: u64 = 6;
/// Room in the child's output for names and punctuation, bytes.
const OUTPUT_FRAME: u64 = 4 << 20;

/// What the child writes on stdout.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Documents(Vec<Extracted>),
    Refused { kind: String, message: String },
}

/// The kinds that reading a file can end in, by the words that cross the pipe.
const KINDS: &[(Kind, &str)] = &[
    (Kind::Invalid, "invalid"),
    (Kind::NotFound, "not_found"),
    (Kind::Unsupported, "unsupported"),
    (Kind::Corrupt, "corrupt"),
    (Kind::Io, "io"),
    (Kind::Memory, "memory"),
    (Kind::Internal, "internal"),
];

/// As [`super::extract`], in a child process ([`extract_opened_in_child`]).
///
/// # Errors
/// As [`super::extract`] and [`extract_opened_in_child`].
pub fn extract_in_child(program: &Path, path: &Path, limits: &Limits) -> Result<Vec<Extracted>> {
    extract_opened_in_child(program, path, source::open(path, limits)?, limits)
}

/// Reads a file that was opened as `path` in a child process, which gets it as its input: what has that name by now is not looked at. `program` (`seald` itself) is started as
/// `program extract-document PATH` with an empty environment, and killed after `limits.seconds`. Whatever becomes of it, this process goes on.
///
/// # Errors
/// As [`super::extract`]; further [`Kind::Unsupported`] if it took too long or wrote too much, [`Kind::Memory`] if it needed too
/// much memory, [`Kind::Corrupt`] if it crashed over the file, [`Kind::Conflict`] if it could not be started or bounded now, which says nothing of
/// the document.
pub fn extract_opened_in_child(
    program: &Path,
    path: &Path,
    file: File,
    limits: &Limits,
) -> Result<Vec<Extracted>> {
    let settings =
        serde_json::to_string(limits).doing(Kind::Internal, || "cannot write limits".to_string())?;
    let mut command = Command::new(program);
    command.arg(VERB).arg("--limits").arg(settings).arg("--").arg(path).stdin(file);
    let cannot = || format!("cannot start {} to read {}", program.display(), path.display());
    let child = Confined::start(&mut command).doing(Kind::Conflict, cannot)?;
    let most = (limits.text_chars as u64).saturating_mul(BYTES_PER_CHAR).saturating_add(OUTPUT_FRAME);
    let ended = child
        .watch(most, Duration::from_secs(limits.seconds), || true)
        .doing(Kind::Conflict, || format!("cannot watch the reading of {}", path.display()))?;
    judge(&ended, limits).map_err(|e| {
        // The child's own refusals name the file already.
        let named = path.display().to_string();
        if e.to_string().contains(&named) { e } else { e.context(named) }
    })
}

fn judge(ended: &Ended, limits: &Limits) -> Result<Vec<Extracted>> {
    let refuse = |kind, text: String| Err(Error::new(kind, text));
    let (status, last) = (ended.status, ended.last_words());
    let Some(output) = ended.work() else {
        let text = format!("the process that reads documents cannot begin its work ({status}): {last}");
        return refuse(Kind::Conflict, text);
    };
    if ended.is_late() {
        let text =
            format!("took longer than {} s to read: split it into parts, or give its text", limits.seconds);
        return refuse(Kind::Unsupported, text);
    }
    if !status.success() {
        if ended.is_out_of_memory() {
            let text =
                format!("needs more than {} of memory to read: split it into parts", size(limits.memory));
            return refuse(Kind::Memory, text);
        }
        let text = format!(
            "reading it crashed ({status}): it may be damaged; give its text in another format. {last}"
        );
        return refuse(Kind::Corrupt, text.trim_end().to_string());
    }
    let answer = serde_json::from_slice(output).doing(Kind::Unsupported, || {
        "its text came out too long or broken: split it into parts, or give its text".to_string()
    })?;
    match answer {
        Answer::Documents(documents) => Ok(documents),
        Answer::Refused { kind, message } => {
            let kind = KINDS.iter().find(|(_, word)| *word == kind).map_or(Kind::Internal, |(kind, _)| *kind);
            refuse(kind, message)
        }
    }
}

/// The child: bounds this process for good, reads `file`, which was opened as `path`, and writes the answer, a refusal as well, to `out` as JSON.
///
/// # Errors
/// [`Kind::Io`] if the process cannot be bounded or the answer not be written.
pub fn serve(path: &Path, file: File, limits: &Limits, out: &mut impl Write) -> Result<()> {
    let bounds = Bounds { memory: limits.memory, cpu_seconds: limits.seconds };
    confine(bounds).map_err(|e| unbounded(e, limits))?;
    let cannot_write = || "cannot write the answer".to_string();
    out.write_all(READY).and_then(|()| out.flush()).doing(Kind::Io, cannot_write)?;
    let answer = match extract_opened(path, file, limits) {
        Ok(documents) => Answer::Documents(documents),
        Err(e) => {
            let kind = KINDS.iter().find(|(kind, _)| *kind == e.kind()).map_or("internal", |(_, word)| word);
            Answer::Refused { kind: kind.to_string(), message: e.to_string() }
        }
    };
    let written = serde_json::to_writer(&mut *out, &answer).map_err(std::io::Error::from);
    written.and_then(|()| out.flush()).doing(Kind::Io, cannot_write)
}

/// The error of a process that cannot be bounded.
fn unbounded(error: std::io::Error, limits: &Limits) -> Error {
    let remedy = match (error.kind(), getrlimit(Resource::As).maximum) {
        (std::io::ErrorKind::PermissionDenied, Some(most)) => format!(
            ": whoever started seald allows {} of address space, and reading is to have {}; raise that (ulimit -v, LimitAS= of the unit), or lower `memory` in [reading]",
            size(most),
            size(limits.memory)
        ),
        _ => String::new(),
    };
    Error::new(Kind::Io, format!("cannot bound the process that reads documents{remedy}")).with_source(error)
}
