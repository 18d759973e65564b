//! Opening the base model and its adapter as the options say.

use std::path::{Path, PathBuf};

use candle_core::Device;
use seald_core::error::Result;
use seald_engine::adapter_files::LoadedAdapter;
use seald_engine::embedded::{self, NANO};
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::model::Model;

use crate::options::{self, Dtype};
use crate::output::say;
use crate::progress;

/// Which base model, and how to compute it.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Base model: a directory (config.json, tokenizer.json, *.safetensors), or nano, the small model inside this
    /// program, which knows only a made-up world (a directory of that name is ./nano) [default: nano]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// How to compute.
#[derive(Debug, clap::Args)]
pub(crate) struct ComputeArgs {
    /// Precision of the frozen weights; everything else is f32
    #[arg(long, value_enum, default_value_t = Dtype::Auto)]
    pub(crate) dtype: Dtype,
    /// Number of threads, 0 for one on each core
    #[arg(long, value_name = "N", value_parser = options::threads, default_value_t = 0)]
    pub(crate) threads: usize,
}

impl ModelArgs {
    /// Opens the model.
    pub(crate) fn open(&self) -> Result<Model> {
        if self.model.is_none() {
            say(format!(
                "No --model given: taking {}, the small model inside this program. For real texts, name a real one",
                NANO.name
            ));
        }
        open_model(self.name(), &self.compute.compute()?)
    }

    /// What `--model` says, or its default.
    pub(crate) fn name(&self) -> &Path {
        self.model.as_deref().unwrap_or(Path::new(NANO.name))
    }
}

impl ComputeArgs {
    /// The engine's device, precision and threads. A build with CUDA takes the first GPU it finds
    /// (`CUDA_VISIBLE_DEVICES=` hides them all).
    pub(crate) fn compute(&self) -> Result<Compute> {
        if cfg!(feature = "cuda")
            && let Ok(device) = Device::new_cuda(0)
        {
            let precision = if self.dtype == Dtype::F32 { Precision::F32 } else { Precision::Bf16 };
            return Compute::composite(device, precision);
        }
        match self.dtype {
            Dtype::Auto => Compute::best_cpu(self.threads),
            Dtype::F32 => Compute::cpu(Precision::F32, Isa::detect(), self.threads),
            Dtype::Bf16 => Compute::cpu(Precision::Bf16, Isa::detect(), self.threads),
        }
    }
}

/// Opens what `--model` names: a directory, or the embedded model.
pub(crate) fn open_model(name: &Path, compute: &Compute) -> Result<Model> {
    if let Some(embedded) = embedded::find(name)
        && name.join("config.json").exists()
    {
        let name = embedded.name;
        say(format!("note: {name} is the model inside this program; the directory here is ./{name}"));
    }
    let waiting = progress::waiting(format!("Opening {} ...", name.display()));
    let model = Model::open(name, compute);
    waiting.finish_and_clear();
    model
}

/// Opens the adapter that `--adapter` names, if it does.
pub(crate) fn open_adapter(model: &Model, dir: Option<&Path>) -> Result<Option<LoadedAdapter>> {
    let Some(dir) = dir else { return Ok(None) };
    let loaded = model.load_adapter(dir)?;
    let trained_with = loaded.manifest.as_ref().and_then(|m| m.chat_template_hash.as_ref());
    if let (Some(then), Some(now)) = (trained_with, model.adapter_meta().chat_template_hash)
        && *then != now
    {
        say(format!(
            "warning: {} was trained with another chat template than this model's directory has now",
            dir.display()
        ));
    }
    Ok(Some(loaded))
}
