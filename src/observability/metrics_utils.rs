//! Counters and histograms, for any recorder of the [`metrics`](https://docs.rs/metrics) facade.
//!
#![doc = include_str!("metrics.md")]
//!
//! Totals are exact. Every input collects its numbers and delivers them every 16 chunks and at its end, so
//! threads do not wait for each other, and none holds numbers back. [`init_metrics`] delivers what was
//! counted before it ran: counters exactly, values of histograms within 1 %.
//!
//! Without the feature `metrics`, the functions here do nothing.

pub use super::metrics::*;
