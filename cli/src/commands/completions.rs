//! `chunker completions`: prints completions for a shell.

use crate::args::{Arguments, Completions};
use crate::failure::Failure;
use clap::CommandFactory as _;
use std::io::{self, Write as _};

pub(crate) fn run(options: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Arguments::command(), "chunker", &mut script);
    io::stdout().write_all(&script).map_err(Failure::of_standard_output)
}
