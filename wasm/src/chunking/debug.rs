//! The debug module: what the default one does, as measures of User Timing and as lines on the console.

use crate::failure::Failure;
use chunker::tracing_utils::{set_spans_enabled, set_tracing_enabled};
use std::sync::OnceLock;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};
use tracing_wasm::{ConsoleConfig, WASMLayer, WASMLayerConfigBuilder};
use wasm_bindgen::prelude::*;

/// The layer that shows everything; `None` while nothing is shown.
static LAYER: OnceLock<reload::Handle<Option<WASMLayer>, Registry>> = OnceLock::new();

/// Shows spans and events up to `level`; events on the console too, if `console`. Later calls replace
/// earlier ones.
#[wasm_bindgen(js_name = setDebug)]
pub fn set_debug(level: &str, console: bool) -> Result<(), Failure> {
    let level: LevelFilter = level.parse().map_err(|_| Failure::argument("unknown level"))?;
    let shown = level.into_level().map(|level| {
        let console =
            if console { ConsoleConfig::ReportWithConsoleColor } else { ConsoleConfig::NoReporting };
        let mut config = WASMLayerConfigBuilder::new();
        WASMLayer::new(config.set_max_level(level).set_console_config(console).build())
    });
    set_tracing_enabled(shown.is_some());
    set_spans_enabled(level == LevelFilter::TRACE);
    // It fails only if the subscriber is gone, and nothing drops the global one.
    let _ = LAYER.get_or_init(install).reload(shown);
    Ok(())
}

fn install() -> reload::Handle<Option<WASMLayer>, Registry> {
    let (layer, handle) = reload::Layer::new(None);
    // It fails only if there is another subscriber, and nothing else in this module installs one.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    handle
}
