//! How much memory training needs, found before it starts: a smaller pass or a refusal, never a killed process.

use std::fs;

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

/// What is left below `memory.max` of this process's control group (version 2), bytes. Memory that only caches
/// files counts as free.
fn control_group_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|l| l.strip_prefix("0::"))?;
    let dir = std::path::Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/'));
    let number = |name: &str| fs::read_to_string(dir.join(name)).ok()?.trim().parse::<u64>().ok();
    let (max, used) = (number("memory.max")?, number("memory.current")?);
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let cache = stat
        .lines()
        .find_map(|l| l.strip_prefix("inactive_file "))
        .and_then(|v| v.trim().parse::<u64>().ok());
    Some(max.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
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
}
