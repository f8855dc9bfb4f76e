//! What the server counts, for Prometheus.

use chunker_store::protocol::Engine;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Totals since the server started: its own, and those of the store and of the core.
#[derive(Debug)]
pub(crate) struct Totals {
    prometheus: PrometheusHandle,
    connections: Arc<AtomicU32>,
}

impl Totals {
    /// Starts to count in this process, or returns `None` if metrics are already being collected.
    pub(crate) fn install() -> Option<Self> {
        let recorder = PrometheusBuilder::new().build_recorder();
        let prometheus = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        Some(Self { prometheus, connections: Arc::default() })
    }

    /// Returns all totals in the format of Prometheus.
    pub(super) fn render(&self, engine: &Engine) -> String {
        gauge!("chunker_server_connections").set(self.connections.load(Ordering::Relaxed));
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
        gauge!("chunker_server_memory_taken_bytes").set(engine.memory_taken() as f64);
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
        gauge!("chunker_server_requests_waiting").set(engine.waiting() as f64);
        self.prometheus.run_upkeep();
        self.prometheus.render()
    }

    /// Counts a connection until the returned value is dropped.
    pub(super) fn connected(&self) -> Connected {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Connected(Arc::clone(&self.connections))
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connected(Arc<AtomicU32>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
