//! `chunker man`: the manual, in roff.

use crate::args::{Arguments, Man};
use crate::failure::Failure;
use clap::CommandFactory as _;
use std::io;

pub(crate) fn run(options: &Man) -> Result<(), Failure> {
    let mut command = Arguments::command();
    command.build();
    let page = match &options.command {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name).cloned();
            found.ok_or_else(|| Failure::NoSuchCommand { name: name.clone() })?
        }
    };
    clap_mangen::Man::new(page).render(&mut io::stdout()).map_err(Failure::of_standard_output)
}
