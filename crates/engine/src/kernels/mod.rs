//! The operations a decoder is made of, forward and backward, each in two forms: fused loops for
//! the CPU, and a composite of candle operations that serves CUDA and is the reference in tests.

pub(crate) mod adam;
pub mod adapted;
pub mod attention;
pub mod attention_backward;
pub mod bf16;
pub mod cpu;
mod dense;
pub mod dropout;
mod fastest;
pub mod linear;
pub mod norm;
pub mod outer;
#[cfg(target_arch = "x86_64")]
mod register_tiles;
pub mod rope;
pub mod rows;
pub(crate) mod sgemm;
mod simd;
pub mod softmax;
pub mod swiglu;

use std::cell::RefCell;
use std::ops::{Deref, Range};
use std::sync::Arc;

use candle_core::{CpuStorage, Device, InplaceOp1, Layout, Storage, StorageRef, Tensor};
use serde::{Deserialize, Serialize};

use cpu::Isa;
use seald_core::error::{Context, Error, Kind, Result};

/// How the frozen weights are kept and multiplied. Everything else is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// f32 weights and products: exact, what the parity tests use.
    F32,
    /// bf16 weights, activations rounded to bf16 for the product, sums in f32.
    Bf16,
}

impl Precision {
    /// As `--dtype` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Which form of each operation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Our own loops over CPU memory.
    Fused,
    /// Candle operations, on any device.
    Composite,
}

/// Where and how tensors are computed; cheap to clone.
#[derive(Debug, Clone)]
pub struct Compute {
    /// Where the tensors live.
    pub device: Device,
    /// Which form of each operation runs.
    pub backend: Backend,
    // Private: the kernels rely on it being an instruction set that this processor has.
    isa: Isa,
    /// How frozen weights are kept.
    pub precision: Precision,
    pool: Arc<rayon::ThreadPool>,
}

impl Compute {
    /// Computing on the CPU with `threads` threads (0: one for each core). An `isa` that this processor lacks
    /// is lowered to the best it has.
    ///
    /// # Errors
    /// [`Kind::Unsupported`] for bf16 on a CPU without AVX512-BF16; [`Kind::Io`] if no threads can be started.
    pub fn cpu(precision: Precision, isa: Isa, threads: usize) -> Result<Self> {
        let isa = isa.at_most_supported();
        if precision == Precision::Bf16 && isa != Isa::Avx512Bf16 {
            return Err(Error::new(
                Kind::Unsupported,
                "bf16 on the CPU needs AVX512-BF16, which this machine lacks: use dtype f32",
            ));
        }
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("seald-engine-{i}"))
            .build()
            .doing(Kind::Io, || "cannot start the engine's threads".to_string())?;
        Ok(Self { device: Device::Cpu, backend: Backend::Fused, isa, precision, pool: Arc::new(pool) })
    }

    /// Computing with candle operations alone, on `device`.
    ///
    /// # Errors
    /// [`Kind::Io`] if no threads can be started.
    pub fn composite(device: Device, precision: Precision) -> Result<Self> {
        let base = Self::cpu(Precision::F32, Isa::Portable, 0)?;
        Ok(Self { device, backend: Backend::Composite, precision, ..base })
    }

    /// The best way this machine's CPU offers: bf16 where it has AVX512-BF16 and a product is not clearly faster in f32, which takes some 20 ms to find
    /// out, else f32.
    ///
    /// # Errors
    /// [`Kind::Io`] if no threads can be started.
    pub fn best_cpu(threads: usize) -> Result<Self> {
        let isa = Isa::detect();
        Self::cpu(fastest::fastest(isa, threads)?, isa, threads)
    }

    /// Runs `work` on the engine's threads.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.pool.install(work)
    }

    /// The instruction set that the fused loops use, one that this processor has.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// How many threads the engine has.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    pub(crate) fn fused(&self) -> bool {
        self.backend == Backend::Fused
    }
}

/// The products and attention write through raw pointers, so what they are given must fit.
pub(crate) fn check_fit(fits: bool, what: &str, shapes: &[&Tensor]) -> Result<()> {
    if fits {
        return Ok(());
    }
    let shapes: Vec<_> = shapes.iter().map(|t| t.dims()).collect();
    Err(Error::new(Kind::Internal, format!("{what}: the shapes {shapes:?} do not fit")))
}

/// A contiguous f32 tensor in CPU memory, read as a slice.
pub(crate) struct Slice<'a> {
    storage: StorageRef<'a>,
    range: Range<usize>,
}

impl<'a> Slice<'a> {
    /// Borrows the data of `tensor`, which must be f32, contiguous and on the CPU.
    pub(crate) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let (start, end) = layout.contiguous_offsets().ok_or_else(|| {
            Error::new(Kind::Internal, format!("tensor {:?} is not contiguous", layout.shape()))
        })?;
        match &*storage {
            Storage::Cpu(CpuStorage::F32(_)) => Ok(Self { storage, range: start..end }),
            _ => Err(Error::new(Kind::Internal, "expected an f32 tensor in CPU memory")),
        }
    }
}

impl Deref for Slice<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(data)) => &data[self.range.clone()],
            _ => &[],
        }
    }
}

/// Runs `change` over the data of a contiguous f32 CPU tensor, in place.
///
/// Every tensor that shares the memory sees the change, so this is for tensors that the caller owns.
pub(crate) fn update_in_place<R>(tensor: &Tensor, change: impl FnOnce(&mut [f32]) -> R) -> Result<R> {
    struct Update<F, R>(RefCell<(Option<F>, Option<R>)>);
    impl<R, F: FnOnce(&mut [f32]) -> R> InplaceOp1 for Update<F, R> {
        fn name(&self) -> &'static str {
            "update-in-place"
        }
        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
            let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
                candle_core::bail!("expected a contiguous f32 tensor");
            };
            let (change, result) = &mut *self.0.borrow_mut();
            *result = change.take().map(|change| change(&mut data[start..end]));
            Ok(())
        }
    }
    let update = Update(RefCell::new((Some(change), None)));
    tensor.inplace_op1(&update)?;
    update.0.into_inner().1.ok_or_else(|| Error::new(Kind::Internal, "an update did not run"))
}

/// Memory that parallel tasks write to, each its own part.
#[derive(Clone, Copy)]
pub(crate) struct Disjoint(*mut f32);

// SAFETY: the tasks that share one write to parts that do not overlap; each use says why.
unsafe impl Send for Disjoint {}
// SAFETY: as above.
unsafe impl Sync for Disjoint {}

impl Disjoint {
    pub(crate) fn of(data: &mut [f32]) -> Self {
        Self(data.as_mut_ptr())
    }

    /// A pointer to element `offset`.
    ///
    /// # Safety
    /// `offset` must lie within the data that [`Self::of`] was given, which must still be alive.
    pub(crate) unsafe fn at(self, offset: usize) -> *mut f32 {
        // SAFETY: by the contract above.
        unsafe { self.0.add(offset) }
    }
}

/// A vector of `len` floats whose content is arbitrary: zeroing large outputs costs as much as
/// writing them.
///
/// Private to the kernels: each writes every element before it reads any.
#[expect(
    clippy::uninit_vec,
    reason = "f32 has no invalid bit pattern, and every kernel writes before it reads"
)]
pub(crate) fn uninit(len: usize) -> Vec<f32> {
    let mut v = Vec::with_capacity(len);
    // SAFETY: the capacity is `len`, and callers overwrite all elements before reading them.
    unsafe { v.set_len(len) };
    v
}

/// Wraps `data` as a (rows, columns) tensor on the CPU.
pub(crate) fn matrix(data: Vec<f32>, rows: usize, columns: usize) -> Result<Tensor> {
    Ok(Tensor::from_vec(data, (rows, columns), &Device::Cpu)?)
}
