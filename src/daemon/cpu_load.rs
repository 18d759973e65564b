//! How busy other programs keep the processors: all time that was worked, less what this process and its children worked.

use std::fs;

/// A reading of the counters, in clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    /// All processors together, idle or not.
    all: u64,
    /// Of that, worked.
    worked: u64,
    /// Of that, by this process and the children that it waited for.
    ours: u64,
}

/// Compares the counters with those of the last look.
#[derive(Debug, Default)]
pub(super) struct CpuLoad {
    last: Option<Ticks>,
}

impl CpuLoad {
    /// The share of all processors that other programs used since the last look, per cent; none at the first look, or
    /// where the system does not say.
    pub(super) fn share(&mut self) -> Option<u8> {
        let now = read()?;
        let last = self.last.replace(now)?;
        between(last, now)
    }
}

fn between(last: Ticks, now: Ticks) -> Option<u8> {
    let all = now.all.checked_sub(last.all).filter(|all| *all > 0)?;
    let others = now.worked.saturating_sub(last.worked).saturating_sub(now.ours.saturating_sub(last.ours));
    Some((others * 100 / all).min(100) as u8)
}

fn read() -> Option<Ticks> {
    let (all, worked) = of_all(&fs::read_to_string("/proc/stat").ok()?)?;
    Some(Ticks { all, worked, ours: of_process(&fs::read_to_string("/proc/self/stat").ok()?)? })
}

/// All ticks, and those that were worked, from the first line of `/proc/stat`: user, nice, system, idle, iowait, irq,
/// softirq, steal (proc_stat(5)).
fn of_all(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|f| f.parse().ok())
        .take(8)
        .collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields[..] else { return None };
    let worked = user + nice + system + irq + softirq + steal;
    Some((worked + idle + iowait, worked))
}

/// utime, stime, cutime and cstime of `/proc/self/stat` (proc_pid_stat(5), fields 14 to 17). The name, field 2, may hold
/// blanks and brackets.
fn of_process(text: &str) -> Option<u64> {
    let after_name = &text[text.rfind(')')? + 1..];
    let fields: Vec<u64> =
        after_name.split_whitespace().skip(11).take(4).map_while(|f| f.parse().ok()).collect();
    (fields.len() == 4).then(|| fields.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_what_is_worked_and_not_by_us() {
        let (all, worked) = of_all("cpu  100 20 30 800 50 5 5 10 0 0\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!((all, worked), (1020, 170));
        let stat = "77 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 40 6 3 1 20 0";
        assert_eq!(of_process(stat), Some(50));
        let last = Ticks { all: 1000, worked: 100, ours: 40 };
        let now = Ticks { all: 1200, worked: 250, ours: 90 };
        assert_eq!(between(last, now), Some(50));
        assert_eq!(between(now, now), None);
    }

    #[test]
    fn this_system_tells() {
        assert!(read().is_some_and(|ticks| ticks.all > ticks.worked && ticks.worked > 0));
    }
}
