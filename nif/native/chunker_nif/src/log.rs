//! The core's log lines, which wait here until `Chunker.Log` fetches them for Elixir's Logger.
//!
//! Nothing is sent: a line may be written on a scheduler, on a thread of the pool, or while the VM stops.

use chunker::tracing_utils::set_tracing_enabled;
use rustler::{Atom, Error, NifResult, NifUnitEnum, Term};
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::{Registry, reload};

mod atoms {
    rustler::atoms! { ok }
}

/// Most lines to keep waiting; further ones are only counted.
const CAPACITY: usize = 1024;

static FILTER: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
static WAITING: Mutex<Waiting> =
    Mutex::new(Waiting { level: LogLevel::None, lines: VecDeque::new(), lost: 0 });

struct Waiting {
    level: LogLevel,
    lines: VecDeque<Line>,
    lost: u64,
}

/// Level, time in microseconds since 1970, and text.
type Line = (LogLevel, u64, String);

/// Levels by their names in Elixir; `All` has the chunks, which Logger gets as `Debug`.
#[derive(NifUnitEnum, Clone, Copy)]
enum LogLevel {
    None,
    Error,
    Warning,
    Info,
    Debug,
    All,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::None => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warning => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::All => Self::TRACE,
        }
    }
}

impl From<&Level> for LogLevel {
    fn from(level: &Level) -> Self {
        match *level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warning,
            Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

/// Lets lines up to a level be written; `none` is the level of a library that was just loaded.
#[rustler::nif]
fn set_log_level(level: Term<'_>) -> NifResult<Atom> {
    let level: LogLevel = level.decode().map_err(|_| Error::BadArg)?;
    let handle = FILTER.get_or_init(|| {
        let (filter, handle) = reload::Layer::new(LevelFilter::OFF);
        // The library is the VM's, so this `tracing` has no other subscriber.
        let _ =
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(Lines));
        handle
    });
    // Fails only without the subscriber, which is never dropped.
    let _ = handle.reload(LevelFilter::from(level));
    set_tracing_enabled(!matches!(level, LogLevel::None));
    waiting().level = level;
    Ok(atoms::ok())
}

/// Returns the level.
#[rustler::nif]
fn log_level() -> LogLevel {
    waiting().level
}

/// Takes the waiting lines, and returns them with the number of lines lost since the last call.
#[rustler::nif]
fn log_lines() -> (Vec<Line>, u64) {
    let mut waiting = waiting();
    let lost = std::mem::take(&mut waiting.lost);
    (waiting.lines.drain(..).collect(), lost)
}

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Turns every event into a line.
struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let mut waiting = waiting();
        if waiting.lines.len() < CAPACITY {
            waiting.lines.push_back((event.metadata().level().into(), micros, text.0));
        } else {
            waiting.lost += 1;
        }
    }
}

/// The message of an event and its fields: `error_returned code=size_exceeded`.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
