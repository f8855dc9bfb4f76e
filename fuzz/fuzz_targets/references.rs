//! References of Nix.
#![no_main]
#![allow(dead_code)] // one law of all

#[path = "../laws/mod.rs"]
mod laws;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| laws::references::check(input));
