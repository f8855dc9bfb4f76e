//! The instructions that this process uses: for logs, bug reports and benchmarks.

use crate::scan::Scanner;
use core::fmt;

/// The implementations chosen for this CPU; its `Display` is one line.
///
/// ```
/// println!("{}", chunker::Acceleration::detect()); // scan avx512, SHA-256 sha-ni, BLAKE3 avx512
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceleration {
    /// The scan kernel: see [`Scanner::name`].
    pub scan: &'static str,
    /// The SHA-256 implementation: `sha-ni`, `sha2`, `simd128` or `portable`.
    pub sha256: &'static str,
    /// The BLAKE3 implementation: `avx512`, `avx2`, `sse4.1`, `sse2`, `neon`, `simd128` or `portable`.
    pub blake3: &'static str,
}

impl Acceleration {
    /// Returns what this process uses. The hash libraries choose by the same CPU features.
    #[must_use]
    pub fn detect() -> Self {
        Self { scan: Scanner::detect().name(), sha256: target::sha256(), blake3: target::blake3() }
    }
}

impl fmt::Display for Acceleration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scan {}, SHA-256 {}, BLAKE3 {}", self.scan, self.sha256, self.blake3)
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod target {
    use std::is_x86_feature_detected as has;

    pub(super) fn sha256() -> &'static str {
        if has!("sha") && has!("ssse3") && has!("sse4.1") { "sha-ni" } else { "portable" }
    }

    pub(super) fn blake3() -> &'static str {
        if has!("avx512f") && has!("avx512vl") {
            "avx512"
        } else if has!("avx2") {
            "avx2"
        } else if has!("sse4.1") {
            "sse4.1"
        } else if has!("sse2") {
            "sse2"
        } else {
            "portable"
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod target {
    pub(super) fn sha256() -> &'static str {
        if std::arch::is_aarch64_feature_detected!("sha2") { "sha2" } else { "portable" }
    }

    pub(super) fn blake3() -> &'static str {
        if cfg!(target_endian = "little") { "neon" } else { "portable" }
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
mod target {
    const SIMD: bool = cfg!(all(target_family = "wasm", target_feature = "simd128"));

    pub(super) fn sha256() -> &'static str {
        if SIMD { "simd128" } else { "portable" }
    }

    pub(super) fn blake3() -> &'static str {
        if SIMD && cfg!(feature = "wasm-simd") { "simd128" } else { "portable" }
    }
}

#[cfg(test)]
mod tests {
    use super::Acceleration;
    use std::format;
    use std::string::ToString;

    #[test]
    fn blake3_is_what_its_library_chose() {
        let platform = format!("{:?}", blake3::platform::Platform::detect());
        let name = match platform.as_str() {
            "AVX512" => "avx512",
            "AVX2" => "avx2",
            "SSE41" => "sse4.1",
            "SSE2" => "sse2",
            "NEON" => "neon",
            "WASM32_SIMD" => "simd128",
            _ => "portable",
        };
        assert_eq!(Acceleration::detect().blake3, name);
    }

    #[test]
    fn a_report_names_what_each_part_uses() {
        let report = Acceleration { scan: "avx2", sha256: "sha-ni", blake3: "sse4.1" };
        assert_eq!(report.to_string(), "scan avx2, SHA-256 sha-ni, BLAKE3 sse4.1");
    }
}
