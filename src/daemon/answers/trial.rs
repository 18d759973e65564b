//! Whether a schema can be compiled at all, tried in a process of its own: its compiler cannot be interrupted, and takes what time and memory it likes.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use serde_json::Value;

use seald_core::confined::{Bounds, Confined, Ended, READY, confine};
use seald_core::error::{Context, Error, Kind, Result};
use seald_engine::grammar::{Vocabulary, compiler_stack};

/// The verb of `seald` that is the child.
const VERB: &str = "try-schema";
/// Seconds of a processor that a schema may take to be compiled. What the daemon compiles then takes as long again.
const CPU_SECONDS: u64 = 3;
/// Longest that the child may take by the clock, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(15);
/// Memory that a schema may take to be compiled, bytes.
const MEMORY: u64 = 512 << 20;
/// Most bytes of a refusal.
const OUTPUT: u64 = 64 << 10;
/// What the child writes of a schema that can be compiled.
const FINE: &[u8] = b"fine";

/// Has a child process, which is `program try-schema`, compile a schema. It is ended as soon as `wanted` says no.
///
/// # Errors
/// [`Kind::Invalid`] for a schema that is wrong or takes too much, with what to do; [`Kind::Cancelled`] where nobody wants it any more; [`Kind::Io`] where the child
/// cannot be started or bounded.
pub(super) fn try_schema(program: &Path, schema: &Value, wanted: impl Fn() -> bool) -> Result<()> {
    let doing = || format!("cannot start {} to try a schema", program.display());
    let text = serde_json::to_vec(schema).doing(Kind::Internal, doing)?;
    let input = in_memory(&text).doing(Kind::Io, doing)?;
    let child = Confined::start(Command::new(program).arg(VERB).stdin(input)).doing(Kind::Io, doing)?;
    let ended = child.watch(OUTPUT, PATIENCE, wanted).doing(Kind::Io, doing)?;
    judge(&ended, text.len())
}

fn judge(ended: &Ended, schema_bytes: usize) -> Result<()> {
    let refuse = |reason: &str| {
        // What takes so much may be meant to: whoever looks after this machine should see it.
        tracing::warn!(schema_bytes, reason, "a request was refused for its schema");
        Err(Error::new(Kind::Invalid, format!("the schema cannot be used: {reason}")))
    };
    let remedy = "give fewer patterns, properties and choices, and smaller values of multipleOf";
    let status = ended.status;
    if ended.unwanted {
        return Err(Error::new(Kind::Cancelled, "nobody waits for the answer"));
    }
    let Some(said) = ended.work() else {
        let last = ended.last_words();
        let text = format!("the process that tries schemas cannot begin its work ({status}): {last}");
        return Err(Error::new(Kind::Io, text));
    };
    if ended.is_late() {
        return refuse(&format!("to compile it takes more than {CPU_SECONDS} s: {remedy}"));
    }
    if ended.is_out_of_memory() {
        return refuse(&format!("to compile it takes more than {} MiB of memory: {remedy}", MEMORY >> 20));
    }
    match said {
        FINE if status.success() => Ok(()),
        said if status.success() => Err(Error::new(Kind::Invalid, String::from_utf8_lossy(said))),
        _ => refuse(&format!("its compiler met a defect ({status}): {remedy}")),
    }
}

/// A file that exists in memory alone, at its beginning.
fn in_memory(bytes: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("seald-schema", MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// The child: bounds this process for good, compiles the schema that `input` holds, and writes `fine` or why not to `out`.
///
/// # Errors
/// [`Kind::Io`] if the process cannot be bounded or the answer not be written.
pub fn serve(mut input: impl Read, out: &mut impl Write) -> Result<()> {
    // The stack is mapped as a whole, and touched as far as the schema is deep.
    let bounds = Bounds { memory: MEMORY + compiler_stack(), cpu_seconds: CPU_SECONDS };
    confine(bounds).doing(Kind::Io, || "cannot bound the process that tries schemas".to_string())?;
    let doing = || "cannot write the answer".to_string();
    out.write_all(READY).and_then(|()| out.flush()).doing(Kind::Io, doing)?;
    let mut text = Vec::new();
    input.read_to_end(&mut text).doing(Kind::Io, || "cannot read the schema".to_string())?;
    let schema: Value = serde_json::from_slice(&text).doing(Kind::Invalid, || "the schema".to_string())?;
    let said = match Vocabulary::bytes()?.json(&schema) {
        Ok(_) => FINE.to_vec(),
        Err(error) => error.to_string().into_bytes(),
    };
    out.write_all(&said).and_then(|()| out.flush()).doing(Kind::Io, doing)
}
