//! Speed as the median of ratios of rounds that are run in turn.

use std::hint::black_box;
use std::time::Duration;

/// How often each of the two runs.
pub const ROUNDS: usize = 9;

/// Returns the median of the time of `base` / the time of `other`. `start` starts a clock, which returns the time
/// since then.
///
/// # Panics
/// Panics if `base` and `other` return different values.
pub fn ratio<C: FnOnce() -> Duration>(
    start: impl Fn() -> C,
    base: impl Fn() -> usize,
    other: impl Fn() -> usize,
) -> f64 {
    assert_eq!(base(), other(), "both give the same");
    let time = |run: &dyn Fn() -> usize| {
        let elapsed = start();
        black_box(run());
        elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..ROUNDS).map(|_| time(&base) / time(&other)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[ROUNDS / 2]
}
