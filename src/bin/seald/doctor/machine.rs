//! What this machine is and has.

use std::fs;
use std::path::Path;

use candle_core::Device;
use seald_engine::kernels::cpu::{Isa, measure_peak};
use seald_engine::memory;
use serde::Serialize;

use crate::open::ComputeArgs;

/// The machine.
#[derive(Serialize)]
pub(super) struct Machine {
    pub(super) processor: Option<String>,
    /// What the kernels use.
    pub(super) instruction_set: &'static str,
    pub(super) meaning: &'static str,
    pub(super) threads: usize,
    /// Of one thread.
    pub(super) peak_gflops: f64,
    pub(super) memory_total_bytes: Option<u64>,
    /// Control groups counted.
    pub(super) memory_available_bytes: Option<u64>,
    pub(super) control_group_limit_bytes: Option<u64>,
    pub(super) cuda_build: bool,
    pub(super) cuda_device: bool,
    pub(super) allocator: &'static str,
}

/// Looks at it.
pub(super) fn machine(compute: &ComputeArgs) -> Machine {
    let isa = Isa::detect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Machine {
        processor: field("/proc/cpuinfo", "model name")
            .map(|name| name.trim_start_matches(':').trim().to_string()),
        instruction_set: isa.name(),
        meaning: isa.description(),
        threads: if compute.threads == 0 { cores } else { compute.threads },
        peak_gflops: measure_peak(isa),
        memory_total_bytes: field("/proc/meminfo", "MemTotal:").and_then(|text| kilobytes(&text)),
        memory_available_bytes: memory::available_bytes(),
        control_group_limit_bytes: control_group_limit(),
        cuda_build: cfg!(feature = "cuda"),
        cuda_device: cfg!(feature = "cuda") && Device::new_cuda(0).is_ok(),
        allocator: "mimalloc",
    }
}

/// The rest of the first line of `file` that begins with `name`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_string())
}

fn kilobytes(text: &str) -> Option<u64> {
    Some(text.strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// `memory.max` of this process's control group (version 2), if it sets one.
fn control_group_limit() -> Option<u64> {
    let group = field("/proc/self/cgroup", "0::")?;
    let path = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/')).join("memory.max");
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
