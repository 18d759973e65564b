//! How the inbox is looked at: every option with its unit and range.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use seald_core::error::{Error, Kind, Result};

/// Options of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InboxOptions {
    /// How long a file has to lie unchanged before it is taken, seconds, 0 to 3,600. 0 takes a file while it is written.
    pub settle_seconds: u64,
    /// Longest time between two looks at the folder, seconds, 1 to 86,400: notice of changes can be lost.
    pub poll_seconds: u64,
}

impl Default for InboxOptions {
    fn default() -> Self {
        Self { settle_seconds: 2, poll_seconds: 30 }
    }
}

impl InboxOptions {
    /// Checks every range.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let ranges = [
            ("settle_seconds", self.settle_seconds, 0, 3_600),
            ("poll_seconds", self.poll_seconds, 1, 86_400),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::new(Kind::Invalid, format!("{name} is {value}: give {least} to {most}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_its_range() {
        let given = |settle_seconds, poll_seconds| InboxOptions { settle_seconds, poll_seconds }.validate();
        assert!(InboxOptions::default().validate().is_ok());
        assert!(given(0, 1).is_ok() && given(3_600, 86_400).is_ok());
        for (settle, poll, name) in
            [(3_601, 30, "settle_seconds"), (2, 0, "poll_seconds"), (2, 86_401, "poll_seconds")]
        {
            let error = given(settle, poll).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
