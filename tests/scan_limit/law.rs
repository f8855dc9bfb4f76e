//! The law of `chunker_scan`, for the suite of tests and for the program of each limit.

/// Asserts that `detected` is the fastest of the available kernels, which come in order, that the build allows.
pub(crate) fn assert_fastest_allowed(available: impl Iterator<Item = &'static str>, detected: &str) {
    let limits = [
        ("portable", cfg!(chunker_scan = "portable")),
        ("scalar", cfg!(chunker_scan = "scalar")),
        ("avx2", cfg!(chunker_scan = "avx2")),
        ("avx512", true),
    ];
    let limit = limits.iter().position(|(_, applies)| *applies).expect("the last one always applies");
    let allowed = |name: &&str| limits[..=limit].iter().any(|(kernel, _)| kernel == name);
    assert_eq!(available.filter(allowed).last(), Some(detected));
}
