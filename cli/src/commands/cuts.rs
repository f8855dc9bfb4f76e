//! `chunker cuts`: prints where a file is cut.

use crate::args::{Cuts, Global};
use crate::failure::Failure;
use crate::input::{Input, total_length};
use crate::progress::Progress;
use serde::Serialize;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::slice;

#[derive(Debug, Serialize)]
struct Cut {
    offset: u64,
    length: usize,
    hash: String,
}

pub(crate) fn run(global: &Global, options: &Cuts) -> Result<(), Failure> {
    let total = total_length(slice::from_ref(&options.file));
    let watched = !io::stdout().is_terminal();
    let progress =
        if watched { Progress::bytes(global.output(), "cutting", total) } else { Progress::hidden() };
    let mut lines = BufWriter::new(io::stdout());
    Input::new(&options.file).descriptors(options.cutting.profile(), &progress, |chunk| {
        let cut = Cut { offset: chunk.offset, length: chunk.length, hash: chunk.hash_hex() };
        let line = serde_json::to_string(&cut).map_err(io::Error::from);
        let written = line.and_then(|line| writeln!(lines, "{line}"));
        written.map_err(Failure::of_standard_output)
    })?;
    lines.flush().map_err(Failure::of_standard_output)?;
    progress.clear();
    Ok(())
}
