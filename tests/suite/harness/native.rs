//! Tests run by libtest, natively.

pub(crate) use core::prelude::v1::test;
pub(crate) use std::println;

/// Where the tests run.
pub(crate) const PLACE: &str = "native";
