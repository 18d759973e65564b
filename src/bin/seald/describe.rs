//! A model and the machine in one line each.

use seald_engine::embedded;
use seald_engine::kernels::{Backend, Compute, Precision};
use seald_engine::model::Model;
use seald_engine::model_config::Architecture;

use crate::output::{bytes, count, rough};

/// `qwen2, 24 layers, 494 M parameters, bf16 (942 MiB), DIR`; the embedded model is `nano (embedded)`
pub(crate) fn model(model: &Model) -> String {
    let config = model.decoder.config();
    let parameters = config.parameter_count();
    format!(
        "{}, {}, {} parameters, {} ({}), {}{}",
        family(config.architecture),
        count(config.num_hidden_layers, "layer"),
        rough(parameters),
        model.decoder.compute().precision.name(),
        bytes(parameters * bytes_of_one(model.decoder.compute().precision)),
        model.path.display(),
        if embedded::find(&model.path).is_some() { " (embedded)" } else { "" }
    )
}

/// `2 threads, avx512bf16`
pub(crate) fn compute(compute: &Compute) -> String {
    match compute.backend {
        Backend::Fused => format!("{}, {}", count(compute.threads(), "thread"), compute.isa()),
        Backend::Composite => format!("{:?}", compute.device.location()),
    }
}

/// The family's name.
pub(crate) fn family(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
        Architecture::Llama => "llama",
    }
}

/// Bytes of one frozen weight.
pub(crate) fn bytes_of_one(precision: Precision) -> u64 {
    match precision {
        Precision::F32 => 4,
        Precision::Bf16 => 2,
    }
}
