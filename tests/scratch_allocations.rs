//! A warm [`CompressionScratch`] allocates nothing. In a process of its own: the allocator counts.
//!
//! LZ4 is in Rust; the C library of zstd allocates through Rust in tests, by a feature of `zstd-safe`
//! that `the_counter_counts` makes sure of.

#![allow(unsafe_code)] // a global allocator is unsafe to implement

use chunker::compression::{Codec, CompressionScratch, DecompressionLimits};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn a_warm_scratch_allocates_nothing() {
    let inputs: Vec<Vec<u8>> = (1..5)
        .map(|n| (0..n * 100_000u32).map(|i| (i.wrapping_mul(i) >> 5).to_le_bytes()[0]).collect())
        .collect();
    for codec in [Codec::Zstd, Codec::Lz4] {
        let mut scratch = CompressionScratch::new();
        let compressed: Vec<Vec<u8>> =
            inputs.iter().map(|data| scratch.compress(codec, data, None).unwrap().to_vec()).collect();
        let compressing = allocations(|| {
            for data in &inputs {
                scratch.compress(codec, data, None).unwrap();
            }
        });
        assert_eq!(compressing, 0, "compressing by {codec}");
        if codec == Codec::Zstd {
            let mut decompress = || {
                for (data, compressed) in inputs.iter().zip(&compressed) {
                    let limits = DecompressionLimits::default();
                    assert!(scratch.decompress(codec, compressed, limits).unwrap() == data);
                }
            };
            decompress();
            assert_eq!(allocations(decompress), 0, "decompressing by {codec}");
        }
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
    let context = allocations(|| drop(std::hint::black_box(zstd_safe::CCtx::create())));
    assert!(context > 0, "allocations of the C library are counted");
}
