//! How much of a machine one document may take.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use seald_core::error::{Error, Kind, Result};

/// Bounds of reading one file. What passes them is refused with a reason, never cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Size of the file, bytes, 1 to 4,294,967,296 (4 GiB).
    pub bytes: u64,
    /// Pages of a PDF, 1 to 1,000,000.
    pub pages: usize,
    /// Documents in a `jsonl` file, and probes in a sidecar, 1 to 1,000,000.
    pub rows: usize,
    /// What the parts of a ZIP archive (DOCX) may come to, unpacked, bytes, 1 to 68,719,476,736 (64 GiB).
    pub unpacked_bytes: u64,
    /// How many times larger than packed a part of a ZIP archive may be, 1 to 100,000; judged for parts above 1 MiB.
    pub ratio: u64,
    /// Wall-clock and processor time, seconds, 1 to 86,400.
    pub seconds: u64,
    /// Characters of title, text and questions, over all documents of the file, 1 to 1,073,741,824.
    pub text_chars: usize,
    /// Memory that the reading process may add to what it starts with, bytes, 16,777,216 (16 MiB) to
    /// 1,099,511,627,776 (1 TiB).
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            pages: 2_000,
            rows: 10_000,
            unpacked_bytes: 256 << 20,
            ratio: 200,
            seconds: 60,
            text_chars: 4 << 20,
            memory: 1 << 30,
        }
    }
}

impl Limits {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let Self { bytes, pages, rows, unpacked_bytes, ratio, seconds, text_chars, memory } = *self;
        let ranges = [
            ("bytes", bytes, 1, 4 << 30),
            ("pages", pages as u64, 1, 1_000_000),
            ("rows", rows as u64, 1, 1_000_000),
            ("unpacked_bytes", unpacked_bytes, 1, 64 << 30),
            ("ratio", ratio, 1, 100_000),
            ("seconds", seconds, 1, 86_400),
            ("text_chars", text_chars as u64, 1, 1 << 30),
            ("memory", memory, 16 << 20, 1 << 40),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                let text = format!("{name} is {value}: give {least} to {most}");
                return Err(Error::new(Kind::Invalid, text));
            }
        }
        Ok(())
    }
}

/// Elements within elements that HTML and XML may have: more than any page made to be read, and little enough to walk.
pub(super) const MAX_NESTED: usize = 512;

/// `12 bytes`, `32 MiB`, for reasons.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.0} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
