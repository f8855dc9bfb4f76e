//! Whether this CPU has the instructions.

/// Proves that the CPU has the instructions of these kernels: AVX-512 F, BW, VBMI and VNNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scan) struct Kernel(());

impl Kernel {
    pub(in crate::scan) fn detect() -> Option<Self> {
        (std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx512bw")
            && std::is_x86_feature_detected!("avx512vbmi")
            && std::is_x86_feature_detected!("avx512vnni"))
        .then_some(Self(()))
    }
}
