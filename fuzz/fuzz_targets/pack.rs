//! Footers of packs, from anybody.
#![no_main]

#[path = "../laws/pack.rs"]
mod law;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| law::check(input));
