//! Prints the kernel that a build with `--cfg chunker_scan="…"` uses, and fails if it is not the fastest one
//! allowed. `make test-rust` compiles this with each value. It contains only the kernels, so that rustc alone
//! compiles it in less than a second.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "the crate uses the rest")]

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
