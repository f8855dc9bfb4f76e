//! The law of `chunker_scan`, for the test suite and for the program that is built with each limit.

/// Asserts that `detected` is the fastest kernel that the build allows. `available` has the slowest one first.
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
