//! Checksums: SHA-256 for large files, and what git calls a file's own SHA-1 for the others.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// What the hub says that a file's bytes come to, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checksum {
    /// Of the bytes.
    Sha256(String),
    /// Of `blob SIZE`, a zero byte, and the bytes: the name under which git keeps the file.
    GitSha1(String),
}

impl Checksum {
    /// A checksum of 64 digits.
    pub(super) fn sha256(text: &str) -> Option<Self> {
        hexadecimal(text, 64).map(Self::Sha256)
    }

    /// A checksum of 40 digits.
    pub(super) fn git(text: &str) -> Option<Self> {
        hexadecimal(text, 40).map(Self::GitSha1)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(f, "sha256 {digits}"),
            Self::GitSha1(digits) => write!(f, "git sha1 {digits}"),
        }
    }
}

fn hexadecimal(text: &str, digits: usize) -> Option<String> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_ascii_lowercase())
}

/// A checksum that is being computed.
#[derive(Clone)]
pub(super) enum Running {
    /// See [`Checksum::Sha256`].
    Sha256(Sha256),
    /// See [`Checksum::GitSha1`].
    GitSha1(Sha1),
}

impl Running {
    /// Of the kind of `wanted`, for a file of so many bytes.
    pub(super) fn new(wanted: &Checksum, bytes: u64) -> Self {
        match wanted {
            Checksum::Sha256(_) => Self::Sha256(Sha256::new()),
            Checksum::GitSha1(_) => Self::GitSha1(Sha1::new().chain_update(format!("blob {bytes}\0"))),
        }
    }

    pub(super) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(piece),
            Self::GitSha1(hash) => hash.update(piece),
        }
    }

    pub(super) fn finish(self) -> Checksum {
        match self {
            Self::Sha256(hash) => Checksum::Sha256(format!("{:x}", hash.finalize())),
            Self::GitSha1(hash) => Checksum::GitSha1(format!("{:x}", hash.finalize())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wanted: &Checksum, pieces: &[&[u8]]) -> Checksum {
        let mut running = Running::new(wanted, pieces.iter().map(|p| p.len() as u64).sum());
        pieces.iter().for_each(|piece| running.update(piece));
        running.finish()
    }

    #[test]
    fn they_are_gits_and_sha256sums() {
        // `printf 'hello\n' | git hash-object --stdin` and `| sha256sum`.
        let git = Checksum::git("CE013625030BA8DBA906F756967F9E9CA394464A").unwrap();
        let sha256 =
            Checksum::sha256("5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03").unwrap();
        for wanted in [git, sha256] {
            assert_eq!(of(&wanted, &[b"hel", b"", b"lo\n"]), wanted);
        }
        // `git hash-object /dev/null`.
        let empty = Checksum::git("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391").unwrap();
        assert_eq!(of(&empty, &[]), empty);
        assert_eq!([Checksum::git("ce01"), Checksum::sha256(&"g".repeat(64))], [None, None]);
    }
}
