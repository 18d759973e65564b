//! How much memory training needs, found before it starts: a smaller pass or a refusal, never a killed process.

use std::fs;
use std::path::{Path, PathBuf};

use super::decoder::Decoder;
use super::train::Run;
use seald_core::error::{Error, Kind, Result};

/// What is left untouched of the available memory, for the rest of the machine.
const RESERVE: f64 = 0.1;

/// Memory that training would take on top of the loaded model, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Weights in the form that the backward pass reads, if not made yet.
    pub backward_weights: u64,
    /// Gradients, moments and new values of the adapters' matrices.
    pub adapters: u64,
    /// Activations that one pass keeps, and its largest temporaries.
    pub pass: u64,
    /// Logits of one chunk.
    pub logits: u64,
}

impl Estimate {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.backward_weights + self.adapters + self.pass + self.logits
    }
}

/// What training `runs` in passes of `pass_tokens` needs.
pub fn estimate(decoder: &Decoder, runs: &[&Run], pass_tokens: usize) -> Estimate {
    const F32: u64 = 4;
    let c = decoder.config();
    let (hidden, wide) = (c.hidden_size as u64, 2 * c.intermediate_size as u64);
    let (q, row) = (c.q_width() as u64, (c.q_width() + 2 * c.kv_width()) as u64);
    let ranks: u64 = runs
        .iter()
        .map(|run| run.adapter().matrices().map(|(_, _, m)| m.a.dims()[0] as u64).sum::<u64>())
        .max()
        .unwrap_or(0);
    let norms = if c.qk_norm { row } else { 0 };
    let kept =
        c.num_hidden_layers as u64 * (2 * hidden + row + norms + q + c.num_attention_heads as u64 + wide);
    // Backward through the feed-forward holds the most at a time: gate | up twice, its activation, and
    // the packed copies that the products read (half as wide).
    let temporary = 3 * wide + 4 * hidden + 2 * row;
    let tokens = pass_tokens as u64;
    let parameters: u64 = runs.iter().map(|run| run.adapter().parameters() as u64).sum();
    Estimate {
        backward_weights: decoder.backward_weight_bytes() as u64,
        adapters: 5 * F32 * parameters,
        pass: F32 * tokens * (kept + temporary + ranks + hidden),
        logits: F32 * 2 * (super::loss::chunk_rows(c.vocab_size) * c.vocab_size) as u64,
    }
}

/// The largest number of tokens a pass, at most `wanted`, with which training fits in `limit` bytes (or, without
/// one, in what the machine has free): halved until it does.
///
/// # Errors
/// [`Kind::Memory`] when not even the longest row fits alone, with the sizes.
pub fn fit(decoder: &Decoder, runs: &[&Run], wanted: usize, limit: Option<u64>) -> Result<usize> {
    let longest = runs.iter().map(|run| run.longest_row()).max().unwrap_or(1);
    let available = match limit {
        Some(limit) => limit,
        None => match available_bytes() {
            Some(bytes) => (bytes as f64 * (1.0 - RESERVE)) as u64,
            None => return Ok(wanted.max(longest)),
        },
    };
    let mut tokens = wanted.max(longest);
    loop {
        let needed = estimate(decoder, runs, tokens).total();
        if needed <= available {
            return Ok(tokens);
        }
        if tokens == longest {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let text = format!(
                "training on a row of {longest} tokens needs about {} MiB, {} MiB are available: \
                 use shorter rows, a lower rank or a smaller model",
                mib(needed),
                mib(available)
            );
            return Err(Error::new(Kind::Memory, text));
        }
        tokens = (tokens / 2).max(longest);
    }
}

/// Memory this process may still take: what the kernel calls available, or less where a control group
/// limits it. `None` where neither can be read.
pub fn available_bytes() -> Option<u64> {
    let free = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_available(&text));
    [free, control_group_bytes()].into_iter().flatten().min()
}

/// `MemAvailable` of `/proc/meminfo`, bytes.
fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// What is left below the limit of this process's control group, bytes. Memory that only caches files counts as free.
fn control_group_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    group_bytes(&groups, &|path| fs::read_to_string(path).ok())
}

/// Where a version of control groups keeps what we ask for.
struct Names {
    mount: &'static str,
    most: &'static str,
    used: &'static str,
    cache: &'static str,
}

const VERSION_1: Names = Names {
    mount: "/sys/fs/cgroup/memory",
    most: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: "total_inactive_file ",
};
const VERSION_2: Names =
    Names { mount: "/sys/fs/cgroup", most: "memory.max", used: "memory.current", cache: "inactive_file " };

/// The same, by `/proc/self/cgroup`: lines of `NUMBER:CONTROLLERS:PATH`, where version 2 has the number 0 and names no controllers.
fn group_bytes(groups: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let left = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let names = match controllers {
            "" => VERSION_2,
            several if several.split(',').any(|one| one == "memory") => VERSION_1,
            _ => return None,
        };
        // In a container the path may be the host's, and the group is the mount itself.
        let own = Path::new(names.mount).join(path.trim_start_matches('/'));
        let dir = [own, PathBuf::from(names.mount)]
            .into_iter()
            .find(|dir| read(&dir.join(names.most)).is_some())?;
        let number = |name: &str| read(&dir.join(name))?.trim().parse::<u64>().ok();
        let (most, used) = (number(names.most)?, number(names.used)?);
        let stat = read(&dir.join("memory.stat")).unwrap_or_default();
        let cache =
            stat.lines().find_map(|l| l.strip_prefix(names.cache)).and_then(|v| v.trim().parse().ok());
        Some(most.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
    });
    left.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_calls_available() {
        let text = "MemTotal:       24000000 kB\nMemFree:  1 kB\nMemAvailable:   20480 kB\n";
        assert_eq!(mem_available(text), Some(20 << 20));
        assert_eq!(mem_available("MemTotal: 1 kB"), None);
    }

    #[test]
    fn limits_of_control_groups_of_both_versions_are_seen() {
        let files = [
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/memory.current", "600\n"),
            ("/sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 100\n"),
            ("/sys/fs/cgroup/memory/b/memory.limit_in_bytes", "800\n"),
            ("/sys/fs/cgroup/memory/b/memory.usage_in_bytes", "700\n"),
            ("/sys/fs/cgroup/memory/b/memory.stat", "inactive_file 7\ntotal_inactive_file 50\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
            ("/sys/fs/cgroup/free/memory.max", "max\n"),
        ];
        let read = |path: &Path| {
            files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| text.to_string())
        };
        assert_eq!(group_bytes("0::/a\n", &read), Some(500));
        assert_eq!(group_bytes("4:memory:/b\n3:cpu,cpuacct:/b\n", &read), Some(150));
        assert_eq!(group_bytes("2:hugetlb,memory:/b\n0::/a\n", &read), Some(150), "the tighter one counts");
        assert!(
            group_bytes("4:memory:/docker/of-the-host\n", &read) > Some(1 << 60),
            "no limit is a huge one"
        );
        assert_eq!(group_bytes("0::/free\n3:cpu:/b\n", &read), None);
    }
}
