//! The CPU time of the process, as criterion measures.

use cpu_time::ProcessTime;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use std::time::Duration;

pub(crate) struct CpuTime {
    /// How much more time each measurement takes than it should, in per cent.
    slowdown: u32,
}

impl CpuTime {
    /// `BENCH_SLOWDOWN=10` makes everything slower by 10 %, so that one can see whether that is noticed.
    ///
    /// # Panics
    ///
    /// If the variable is not a number.
    pub(crate) fn from_environment() -> Self {
        let slowdown = std::env::var("BENCH_SLOWDOWN");
        Self {
            slowdown: slowdown.map_or(0, |per_cent| per_cent.parse().expect("BENCH_SLOWDOWN is in per cent")),
        }
    }
}

impl Measurement for CpuTime {
    type Intermediate = ProcessTime;
    type Value = Duration;

    fn start(&self) -> ProcessTime {
        ProcessTime::now()
    }

    fn end(&self, start: ProcessTime) -> Duration {
        let end = start.elapsed() * (100 + self.slowdown) / 100;
        while start.elapsed() < end {}
        start.elapsed()
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
