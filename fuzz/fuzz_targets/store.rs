//! A store whose objects anybody may have written.
#![no_main]

#[path = "../laws/store.rs"]
mod law;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| law::check(input));
