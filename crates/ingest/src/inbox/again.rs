//! After a start: which files that an earlier process took are still looked at, because they were taken a moment ago or were written to since.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::listing::DoneListing;
use super::settle::Signature;
use super::taken::{Taken, WATCHED_SECONDS};
use super::{DONE, FAILED, Inbox, inside, names, note};
use seald_core::clock::Timestamp;

/// Seconds for which a file that was taken is still looked at at a start: longer than anybody writes at one, and than a machine is off on the way.
pub const LOOKED_AT_AGAIN_SECONDS: i64 = 86_400;
/// Numbers that are tried to tell a name that was given from one that was free.
const MAX_NUMBERS: usize = 100;

/// A file in `done` that an earlier process took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenEarlier {
    /// Its path beneath `done`.
    pub path: PathBuf,
    /// The name of what was made of it.
    pub name: String,
    /// When it was taken.
    pub at: Timestamp,
}

impl Inbox {
    /// Takes up again what an earlier process was looking at ([`Self::take_back`]): what it took in the last minutes, and what was written to since it was
    /// taken, in `done` and, by the times of their notes, in `failed`. What is older than a day is left alone: somebody may put a file right where it lies.
    pub fn watch_again(&mut self, done: &[TakenEarlier], now: Timestamp) {
        for one in done {
            let beneath = Path::new(DONE).join(&one.path);
            let lies = one.path.file_name().unwrap_or_default();
            let given = OsStr::new(&one.name);
            let numbered = (2..=MAX_NUMBERS).any(|number| names::numbered(given, number) == lies);
            let name = if numbered { given } else { lies };
            self.look_again(&beneath, &inside(&one.path).join(name), one.at, now);
        }
        let failed = self.path.join(FAILED);
        // What cannot be looked at is left out.
        let Ok(listing) = DoneListing::of(&failed) else { return };
        for path in listing.flatten() {
            if let Some(refused) = note::written(&failed.join(&path)) {
                self.look_again(&Path::new(FAILED).join(&path), &path, modified(&refused), now);
            }
        }
    }

    fn look_again(&mut self, beneath: &Path, relative: &Path, taken: Timestamp, now: Timestamp) {
        let Ok(found) = self.path.join(beneath).symlink_metadata() else { return };
        let age = |seconds| taken.plus_seconds(seconds) > now && taken <= now;
        if !found.is_file() || !age(LOOKED_AT_AGAIN_SECONDS) {
            return;
        }
        // A time to come says nothing.
        let written_since = modified(&found) > taken && modified(&found) <= now;
        if written_since || age(WATCHED_SECONDS) {
            self.taken.take_up(Taken {
                beneath: beneath.to_path_buf(),
                relative: relative.to_path_buf(),
                read: (!written_since).then(|| Signature::of(&found)),
                seen: None,
                until: taken.plus_seconds(WATCHED_SECONDS),
            });
        }
    }
}

fn modified(found: &Metadata) -> Timestamp {
    Timestamp(found.mtime().saturating_mul(1000).saturating_add(found.mtime_nsec() / 1_000_000))
}
