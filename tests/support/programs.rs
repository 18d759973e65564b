//! The programs under test.

use std::path::{Path, PathBuf};

/// `seald`.
pub(crate) fn seald() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_seald"))
}

/// `sealctl`, which belongs to another package: Cargo puts it beside `seald`, but builds it only when asked.
pub(crate) fn sealctl() -> PathBuf {
    let program = seald().with_file_name("sealctl");
    assert!(
        program.is_file(),
        "no {}: run `cargo build -p sealctl`, or `cargo test` for the whole workspace",
        program.display()
    );
    program
}
