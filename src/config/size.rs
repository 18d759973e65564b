//! Amounts of memory as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use seald_core::error::{Error, Kind, Result};

/// An amount of memory: `8GiB`, `800M`, `1.5g`; units are powers of 1024.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    written: String,
    bytes: u64,
}

impl Size {
    /// In bytes, 1 or more.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl FromStr for Size {
    type Err = Error;

    /// # Errors
    /// [`Kind::Invalid`] where it is no number above 0 with a unit.
    fn from_str(written: &str) -> Result<Self> {
        let wrong = || Error::new(Kind::Invalid, "give a size with its unit, for instance 8GiB or 800MiB");
        let text = written.trim().to_ascii_lowercase();
        let digits = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => return Err(wrong()),
        };
        let value: f64 = number.trim().parse().map_err(|_| wrong())?;
        let bytes = (value * (1u64 << shift) as f64) as u64;
        let good = value.is_finite() && bytes > 0;
        if good { Ok(Self { written: written.trim().to_string(), bytes }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TryFrom<String> for Size {
    type Error = Error;

    fn try_from(written: String) -> Result<Self> {
        written.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let bytes = |text: &str| text.parse::<Size>().map(|size| size.bytes()).ok();
        assert_eq!(
            ["8GiB", "800m", "512 kB", "12B"].map(bytes),
            [8 << 30, 800 << 20, 512 << 10, 12].map(Some)
        );
        assert_eq!(["8", "GiB", "-1G", "1q", "0.1B", "nan g", "1iii"].map(bytes), [None; 7]);
    }

    #[test]
    fn a_size_is_shown_as_it_was_written() {
        assert_eq!(" 1.5 GiB".parse::<Size>().unwrap().to_string(), "1.5 GiB");
    }
}
