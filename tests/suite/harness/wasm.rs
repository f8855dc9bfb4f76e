//! Tests run by wasm-bindgen-test, in Node or in a page: `make test-wasm`.
//!
//! It runs what is marked by this [`test`]; what libtest's marks is compiled, and needs threads or programs.

pub(crate) use wasm_bindgen_test::{console_log as println, wasm_bindgen_test as test};

/// Where the tests run.
pub(crate) const PLACE: &str = "wasm32";
