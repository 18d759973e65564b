//! Golden folders made by PyTorch, transformers and PEFT (`tools/golden/engine.py`), and comparisons with them.
#![allow(dead_code, unreachable_pub, reason = "each test crate uses a part")]

use std::collections::HashMap;
use std::path::PathBuf;

use crate::repository::repository;
use candle_core::{Device, Tensor};
use seald_engine::batch::Batch;
use seald_engine::decoder::Decoder;
use seald_engine::kernels::cpu::Isa;
use seald_engine::kernels::{Compute, Precision};
use seald_engine::lora::{Adapter, LoraConfig, LoraMatrices};
use seald_engine::loss::Target;
use seald_engine::model_config::{ModelConfig, module_name};
use seald_engine::weights::Weights;

/// Every golden model.
pub const MODELS: [&str; 5] = ["qwen2", "qwen2_untied", "qwen3", "llama", "llama_bias"];

/// One golden folder.
pub struct Golden {
    pub dir: PathBuf,
    pub arrays: HashMap<String, Tensor>,
    pub json: serde_json::Value,
    pub config: ModelConfig,
}

/// One row of token ids with its loss mask.
pub struct Row {
    pub ids: Vec<u32>,
    pub mask: Vec<bool>,
}

impl Golden {
    pub fn open(name: &str) -> Self {
        let dir = repository().join("tests/golden/engine").join(name);
        let arrays = candle_core::safetensors::load(dir.join("golden.safetensors"), &Device::Cpu).unwrap();
        let json = serde_json::from_slice(&std::fs::read(dir.join("golden.json")).unwrap()).unwrap();
        let config = ModelConfig::from_dir(&dir).unwrap();
        Self { dir, arrays, json, config }
    }

    pub fn decoder(&self, compute: &Compute) -> Decoder {
        Decoder::load(&self.config, &Weights::open(&self.dir).unwrap(), compute).unwrap()
    }

    pub fn adapter(&self, device: &Device) -> Adapter {
        self.adapter_with(LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() }, device)
    }

    pub fn adapter_with(&self, config: LoraConfig, device: &Device) -> Adapter {
        let path = self.dir.join("adapter/adapter_model.safetensors");
        let tensors = candle_core::safetensors::load(path, device).unwrap();
        let mut adapter = Adapter::init(&config, &self.config, 0, device).unwrap();
        let scale = config.scale(config.rank, config.alpha);
        for (layer, projection, name) in self.config.modules() {
            let get = |which: &str| tensors[&format!("base_model.model.{name}.lora_{which}.weight")].clone();
            adapter.layers[layer][projection as usize] =
                Some(LoraMatrices { a: get("A"), b: get("B"), scale });
        }
        adapter
    }

    pub fn rows(&self) -> Vec<Row> {
        (0..4)
            .map(|i| Row {
                ids: self.u32s(&format!("row{i}.ids")),
                mask: self.u32s(&format!("row{i}.mask")).into_iter().map(|m| m == 1).collect(),
            })
            .collect()
    }

    pub fn u32s(&self, name: &str) -> Vec<u32> {
        self.arrays[name].to_dtype(candle_core::DType::U32).unwrap().to_vec1().unwrap()
    }

    pub fn array(&self, name: &str) -> &Tensor {
        self.arrays.get(name).unwrap_or_else(|| panic!("no {name} in {}", self.dir.display()))
    }

    pub fn number(&self, name: &str) -> f64 {
        self.json[name].as_f64().unwrap_or_else(|| panic!("no number {name}"))
    }

    pub fn numbers(&self, name: &str) -> Vec<f64> {
        self.json[name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }
}

/// The name of a LoRA matrix in PEFT's files; `which` is "A" or "B".
pub fn peft_name(layer: usize, projection: seald_engine::lora::Projection, which: &str) -> String {
    format!("base_model.model.{}.lora_{which}.weight", module_name(layer, projection))
}

/// Exact f32 on all the instruction sets this machine has, and the candle composite.
pub fn f32_computes() -> Vec<(String, Compute)> {
    let mut all = vec![("composite".into(), Compute::composite(Device::Cpu, Precision::F32).unwrap())];
    for isa in Isa::ALL.into_iter().filter(|isa| *isa <= Isa::supported()) {
        all.push((format!("fused {isa}"), Compute::cpu(Precision::F32, isa, 2).unwrap()));
    }
    all
}

/// Runs `check(name, golden, decoder, adapter)` for every golden model on every one of [`f32_computes`]; the name says
/// which.
pub fn on_every_golden(check: impl Fn(&str, &Golden, &Decoder, &Adapter)) {
    for (name, compute) in f32_computes() {
        for model in MODELS {
            let golden = Golden::open(model);
            check(
                &format!("{name} {model}"),
                &golden,
                &golden.decoder(&compute),
                &golden.adapter(&Device::Cpu),
            );
        }
    }
}

/// bf16 as this machine does it; `None` where it cannot.
pub fn bf16_compute() -> Option<Compute> {
    let isa = Isa::supported();
    isa.has_bf16().then(|| Compute::cpu(Precision::Bf16, isa, 2).unwrap())
}

pub fn fused_f32() -> Compute {
    Compute::cpu(Precision::F32, Isa::supported(), 2).unwrap()
}

/// All rows packed into one batch, with the targets of their masks; each target weighs `weight(row)`.
pub fn pack_rows<'a>(rows: &[Row], weight: impl Fn(usize) -> f32) -> (Batch, Vec<Target<'a>>) {
    let mut batch = Batch::new();
    let mut targets = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let start = batch.len();
        batch.push(&row.ids, 0, Some(0)).unwrap();
        for t in (1..row.ids.len()).filter(|&t| row.mask[t]) {
            targets.push(Target {
                row: (start + t - 1) as u32,
                token: row.ids[t],
                weight: weight(i),
                soft: None,
            });
        }
    }
    (batch, targets)
}

pub fn flat(t: &Tensor) -> Vec<f32> {
    t.to_device(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference relative to the largest magnitude of the expected tensor.
pub fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (f, e) = (flat(found), flat(expected));
    let scale = e.iter().fold(0f32, |m, v| m.max(v.abs()));
    let worst = f
        .iter()
        .zip(&e)
        .fold(0f32, |m, (a, b)| if a.is_nan() { f32::INFINITY } else { m.max((a - b).abs()) });
    f64::from(worst / scale)
}

/// Euclidean norm of the difference relative to that of the expected tensor: for bf16, whose rounding
/// errors are random, the largest single one says more about the draw than about the kernel.
pub fn norm_error(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let (f, e) = (flat(found), flat(expected));
    let square = |x: f32| f64::from(x) * f64::from(x);
    let difference: f64 = f.iter().zip(&e).map(|(a, b)| square(a - b)).sum();
    (difference / e.iter().map(|&b| square(b)).sum::<f64>()).sqrt()
}
