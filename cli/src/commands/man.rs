//! `chunker man`: the manual, in roff.

use crate::args::{Arguments, Man};
use crate::failure::Failure;
use crate::manual;
use clap::{Command, CommandFactory as _};
use std::io::{self, Write as _};

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
    let roff = render(page).map_err(Failure::StandardOutput)?;
    io::stdout().write_all(&roff).map_err(Failure::of_standard_output)
}

fn render(command: Command) -> io::Result<Vec<u8>> {
    let has_commands = command.has_subcommands();
    let page = clap_mangen::Man::new(command);
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    if has_commands {
        page.render_subcommands_section(&mut roff)?;
    }
    roff.write_all(manual::sections().as_bytes())?;
    Ok(roff)
}
