//! What Miri runs: `make miri`, `make miri-concurrent`. Threads run without it, too.

#[cfg(feature = "rayon")]
mod concurrent;
#[cfg(all(miri, feature = "nix"))]
mod safe;
#[cfg(miri)]
mod scan;
