//! Whether a file has lain unchanged for long enough, by its own times where they can be believed, else by what was seen.

use std::collections::HashMap;
use std::fs::Metadata;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use seald_core::clock::Timestamp;

/// Which file stands under a name, and when it last changed: seconds and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Signature {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Every change of content, name, links or permissions.
    pub(super) changed: (i64, i64),
}

impl Signature {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether it is the same file with the same content, whatever its name is now.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        let content = |one: &Self| (one.device, one.inode, one.size, one.modified);
        content(self) == content(other)
    }

    /// Whether both have the same size and time of writing, in whatever file.
    pub(super) fn same_text(&self, other: &Self) -> bool {
        (self.size, self.modified) == (other.size, other.modified)
    }

    /// When it last changed, by its own times.
    fn last(&self) -> Timestamp {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        Timestamp(seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000))
    }
}

/// What is remembered of one path.
#[derive(Debug, Clone)]
struct Entry {
    signature: u64,
    since: Timestamp,
    round: u64,
    left: bool,
}

/// What was seen in the inbox, a few dozen bytes for each file that lies there.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    hasher: RandomState,
    entries: HashMap<u64, Entry>,
    round: u64,
}

/// A file as a scan finds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// Since when it has been as it is.
    pub(super) since: Timestamp,
    /// Whether it is to be left where it is ([`Seen::leave`]).
    pub(super) left: bool,
}

impl Seen {
    /// Notes a file as it is now. A path is relative to the inbox.
    ///
    /// A file seen first is as old as its own times say, unless they lie in the future. One that changed meanwhile counts
    /// from now, and so does one first seen in what is now the future: the clock has jumped back.
    pub(super) fn look(&mut self, path: &Path, signature: &Signature, now: Timestamp) -> Sight {
        let hash = self.hasher.hash_one(signature);
        let first = || {
            let last = signature.last();
            let since = if last > now { now } else { last };
            Entry { signature: hash, since, round: 0, left: false }
        };
        let entry = self.entries.entry(self.hasher.hash_one(path)).or_insert_with(first);
        if entry.signature != hash {
            *entry = Entry { signature: hash, since: now, round: 0, left: false };
        }
        entry.since = entry.since.min(now);
        entry.round = self.round;
        Sight { since: entry.since, left: entry.left }
    }

    /// Leaves what lies there alone until it changes.
    pub(super) fn leave(&mut self, path: &Path) {
        if let Some(entry) = self.entries.get_mut(&self.hasher.hash_one(path)) {
            entry.left = true;
        }
    }

    /// Starts a scan.
    pub(super) fn begin(&mut self) {
        self.round += 1;
    }

    /// Ends a scan: what it did not see is forgotten.
    pub(super) fn end(&mut self) {
        let round = self.round;
        self.entries.retain(|_, entry| entry.round == round);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(size: u64, changed: i64) -> Signature {
        Signature { device: 1, inode: 1, size, modified: (changed, 0), changed: (changed, 0) }
    }

    fn since(seen: &mut Seen, signature: &Signature, now: i64) -> i64 {
        seen.look(Path::new("a"), signature, Timestamp(now * 1000)).since.0 / 1000
    }

    #[test]
    fn a_file_is_as_old_as_its_times_until_it_changes_under_our_eyes() {
        let mut seen = Seen::default();
        assert_eq!(since(&mut seen, &signature(1, 100), 500), 100);
        assert_eq!(since(&mut seen, &signature(1, 100), 501), 100);
        // A server whose clock is slow says so: ours counts.
        assert_eq!(since(&mut seen, &signature(2, 200), 502), 502);
        assert_eq!(since(&mut seen, &signature(2, 200), 503), 502);
    }

    #[test]
    fn times_in_the_future_count_from_now() {
        let mut seen = Seen::default();
        assert_eq!(since(&mut seen, &signature(1, 9000), 500), 500);
        assert_eq!(since(&mut seen, &signature(1, 9000), 502), 500);
        // The clock jumps back.
        assert_eq!(since(&mut seen, &signature(1, 9000), 30), 30);
        assert_eq!(since(&mut seen, &signature(1, 9000), 32), 30);
    }

    #[test]
    fn what_is_left_stays_so_until_it_changes_and_what_went_is_forgotten() {
        let mut seen = Seen::default();
        let path = Path::new("a");
        let left = |seen: &mut Seen, size| seen.look(path, &signature(size, 100), Timestamp(500_000)).left;
        seen.begin();
        assert!(!left(&mut seen, 1));
        seen.leave(path);
        assert!(left(&mut seen, 1));
        assert!(!left(&mut seen, 2));
        seen.leave(path);
        seen.begin();
        seen.end();
        assert!(!left(&mut seen, 2));
    }
}
