//! Names the kernel that `--cfg chunker_scan="…"` leaves, and fails if it is not the fastest that is allowed.
//! `make test-rust` compiles this with each value. It holds nothing but the kernels, so that rustc alone
//! compiles it in seconds.

#![allow(dead_code, unreachable_pub, reason = "the crate uses the rest")]

extern crate alloc;

#[path = "../../src/gear/mod.rs"]
mod gear;
mod law;
#[path = "../../src/scan/mod.rs"]
mod scan;

use scan::Scanner;

fn main() {
    let detected = Scanner::detect().name();
    law::assert_fastest_allowed(Scanner::available().map(Scanner::name), detected);
    println!("{detected}");
}
