//! Where the repository lies, whichever package a test belongs to.

use std::path::Path;

/// The root of the repository: the nearest folder above the package that holds the lock file.
pub(crate) fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file())
        .expect("a lock file above the package")
}
