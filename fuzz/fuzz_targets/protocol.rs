//! Requests of the protocol, from anybody.
#![no_main]

#[path = "../laws/protocol.rs"]
mod law;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| law::check(input));
