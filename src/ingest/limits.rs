//! How much of a machine one document may take.

use serde::{Deserialize, Serialize};

/// Bounds of reading one file. What passes them is refused with a reason, never cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Size of the file, bytes.
    pub bytes: u64,
    /// Pages of a PDF.
    pub pages: usize,
    /// Documents in a `jsonl` file, and probes in a sidecar.
    pub rows: usize,
    /// What the parts of a ZIP archive (DOCX) may come to, unpacked, bytes.
    pub unpacked_bytes: u64,
    /// How many times larger than packed a part of a ZIP archive may be; judged for parts above 1 MiB.
    pub ratio: u64,
    /// Wall-clock and processor time, seconds.
    pub seconds: u64,
    /// Characters of title, text and questions, over all documents of the file.
    pub text_chars: usize,
    /// Memory that the reading process may add to what it starts with, bytes. Held by [`super::extract_in_child`] alone.
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

/// Elements within elements that HTML and XML may have: more than any page made to be read, and little enough to walk.
pub(super) const MOST_NESTED: usize = 512;

/// `12 bytes`, `32 MiB`, for reasons.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{:.0} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.0} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
