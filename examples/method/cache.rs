//! What is measured once for all trainings of a model: a folder of JSON files.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use seald_core::error::Result;

/// What a file of the cache holds; made and kept there the first time.
pub(crate) fn kept_in<T: Serialize + DeserializeOwned>(
    cache: &Path,
    name: &str,
    make: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let place = cache.join(name);
    if let Ok(bytes) = fs::read(&place) {
        return Ok(serde_json::from_slice(&bytes).unwrap());
    }
    let made = make()?;
    fs::create_dir_all(cache).unwrap();
    fs::write(&place, serde_json::to_vec(&made).unwrap()).unwrap();
    Ok(made)
}
