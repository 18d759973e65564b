//! placeholder until the kernel branch lands
/// Instruction sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// nothing assumed
    Portable,
    /// AVX2 and FMA
    Avx2,
    /// AVX-512 F, VL, BW, DQ
    Avx512,
    /// and BF16
    Avx512Bf16,
}
impl Isa {
    /// What this machine has.
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let v4 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq");
            if v4 && is_x86_feature_detected!("avx512bf16") {
                return Isa::Avx512Bf16;
            }
            if v4 {
                return Isa::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Isa::Avx2;
            }
        }
        Isa::Portable
    }
}
