//! The command `chunker`: keeps files in a deduplicating store.
//!
//! Arguments become a command of `commands`, which opens the store by `session` and reads inputs by
//! `input`; results go through `output`, failures through `failure`; `serve` has the sockets of a server.
//! `chunker-cdc` and `chunker-store` decide everything about chunks, stores and the protocol.

mod args;
mod commands;
mod failure;
mod input;
mod interrupt;
mod manual;
mod output;
mod progress;
mod roots;
mod serve;
mod session;
mod target;

use args::{Arguments, Command};
use clap::Parser as _;
use failure::Failure;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Threads allocate and free megabytes at a time. Many systems' allocators return such buffers to the kernel,
/// which clears every page again: 15 % of the CPU time of `get` with chunks of 1 MiB.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let json = arguments.global.json;
    if !matches!(arguments.command, Command::Serve(_)) {
        interrupt::listen(json); // a server stops in its own way
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            failure.into()
        }
    }
}

fn run(Arguments { global, command }: &Arguments) -> Result<(), Failure> {
    match command {
        Command::Put(options) => commands::put::run(global, options),
        Command::Get(options) => commands::get::run(global, options),
        Command::Ls(options) => commands::ls::run(global, options),
        Command::Rm(options) => commands::rm::run(global, options),
        Command::Gc(options) => commands::gc::run(global, options),
        Command::Check(options) => commands::check::run(global, options),
        Command::Stats(options) => commands::stats::run(global, options),
        Command::Serve(options) => commands::serve::run(global, options),
        Command::Cuts(options) => commands::cuts::run(global, options),
        Command::Dedup(options) => commands::dedup::run(global, options),
        Command::Completions(options) => commands::completions::run(options),
        Command::Man(options) => commands::man::run(options),
    }
}

/// Prints the requested help or version, or what is wrong with the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && json {
        failure::print_error("invalid_arguments", &summary(&error.to_string()), json);
    } else {
        drop(error.print()); // if it cannot be printed, it is lost
    }
    u8::try_from(error.exit_code()).unwrap_or(1).into()
}

/// Returns clap's error message in one line, without the tips and the usage, which follow a blank line.
fn summary(error: &str) -> String {
    let lines = error.lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}
