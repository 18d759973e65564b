//! Whether and when a request to another machine that failed is sent again.

use std::time::Duration;

/// After the first failure; each next pause is twice as long.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause. A server that asks for more has to be asked by the next attempt at the whole job.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether it helps to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The answer would be the same.
    No,
    /// It may pass. The server may have said after how many seconds.
    Later(Option<u64>),
}

impl Again {
    /// How long to wait after so many failures, 1 or more; none: give up.
    pub fn pause(self, failures: u32) -> Option<Duration> {
        match self {
            Self::No => None,
            Self::Later(Some(seconds)) => {
                Some(Duration::from_secs(seconds)).filter(|asked| *asked <= LONGEST)
            }
            Self::Later(None) => {
                Some(FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST))
            }
        }
    }
}

/// The seconds of a `Retry-After` header. A date, the header's other form, counts as none.
pub fn seconds(header: &str) -> Option<u64> {
    header.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        let millis = |failures| Again::Later(None).pause(failures).map(|p| p.as_millis());
        assert_eq!([1, 2, 3, 8].map(millis), [500, 1_000, 2_000, 60_000].map(Some));
        assert_eq!(millis(u32::MAX), Some(60_000));
    }

    #[test]
    fn a_server_is_believed_within_bounds() {
        let asked = |seconds| Again::Later(Some(seconds)).pause(1).map(|p| p.as_secs());
        assert_eq!([0, 7, 60, 61].map(asked), [Some(0), Some(7), Some(60), None]);
        assert_eq!(Again::No.pause(1), None);
        assert_eq!([" 5 ", "-1", "Sun, 06 Nov 1994 08:49:37 GMT"].map(seconds), [Some(5), None, None]);
    }
}
