//! The tests of the crate, a module a subject: one program, which is linked once. Those of whole processes,
//! such as of their heap, have programs of their own.

#[cfg(all(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
mod compression;
#[cfg(feature = "std")]
#[path = "../conformance/cases.rs"]
mod conformance;
#[cfg(all(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2", feature = "nix"))]
#[path = "../conformance/codecs.rs"]
mod conformance_codecs;
#[cfg(all(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
mod edge_cases;
#[cfg(feature = "zstd")]
#[path = "../fixtures/mod.rs"]
#[expect(unreachable_pub, reason = "as the design document writes it")]
mod fixtures;
#[cfg(all(
    feature = "serde",
    feature = "zstd",
    feature = "lz4",
    feature = "xz",
    feature = "bzip2",
    feature = "nix"
))]
mod fuzz_seeds;
#[cfg_attr(not(target_family = "wasm"), path = "harness/native.rs")]
#[cfg_attr(target_family = "wasm", path = "harness/wasm.rs")]
mod harness;
#[cfg(feature = "std")]
mod hashing;
#[cfg(feature = "std")]
#[path = "../conformance/inputs.rs"]
mod inputs;
#[cfg(feature = "std")]
mod manifest;
#[cfg(feature = "nix")]
mod nix;
#[cfg(feature = "nix")]
mod nix_references;
#[cfg(feature = "std")]
#[path = "../noise/mod.rs"]
mod noise;
#[cfg(all(feature = "flamegraph", feature = "metrics", feature = "zstd"))]
mod observability;
mod oracle;
#[cfg(feature = "rayon")]
mod parallel;
#[cfg(feature = "rayon")]
mod pipeline;
#[cfg(all(feature = "zstd", feature = "lz4", feature = "xz", feature = "bzip2"))]
mod push_decoder;
#[cfg(feature = "std")]
mod read_slice_cap;
#[cfg(all(feature = "nix", feature = "zstd"))]
mod real_nars;
#[cfg(feature = "alloc")]
mod remote_execution;
#[path = "../scan_limit/law.rs"]
mod scan_limit;
mod scan_tiers;
#[cfg(feature = "signing")]
mod signing;
#[cfg(feature = "std")]
mod streams;
