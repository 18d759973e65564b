//! The hidden verb `try-schema`: the process in which a schema is compiled first, started by `seald` itself.

use std::io;
use std::process::ExitCode;

use seald_core::error::Result;

/// Compiles the schema on standard input, and prints `fine` or why it cannot be used.
pub(crate) fn run() -> Result<ExitCode> {
    seald::daemon::try_schema(io::stdin().lock(), &mut io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
