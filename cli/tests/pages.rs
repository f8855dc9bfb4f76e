//! Help, manual and completions.

mod common;

use common::Sandbox;

const COMMANDS: [&str; 12] =
    ["put", "get", "ls", "rm", "gc", "check", "stats", "serve", "cuts", "dedup", "completions", "man"];

#[test]
fn help_names_every_command_and_every_exit_status() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(&["--help"]).succeeded();
    for command in COMMANDS {
        assert!(help.text().contains(&format!("\n  {command} ")), "{command}");
        sandbox.run(&[command, "--help"]).succeeded();
        sandbox.run(&[command, "-h"]).succeeded();
    }
    for status in ["0", "1", "2", "3", "4", "129, 130, 143", "141"] {
        assert!(help.text().contains(&format!("\n  {status} ")), "{status}");
    }
    assert_eq!(
        sandbox.run(&["--version"]).succeeded().text(),
        concat!("chunker ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let sandbox = Sandbox::new();
    let page = sandbox.run(&["man"]).succeeded();
    for section in ["NAME", "SYNOPSIS", "OPTIONS", "SUBCOMMANDS", "\"EXIT STATUS\"", "ERRORS", "ENVIRONMENT"]
    {
        assert!(page.text().contains(&format!("\n.SH {section}\n")), "{section}");
    }
    for command in COMMANDS {
        let page = sandbox.run(&["man", command]).succeeded();
        assert!(page.text().contains(&format!(".TH chunker-{command} 1")), "{}", page.text());
        assert!(page.text().contains("\n.SH OPTIONS\n"), "{command}");
    }
}

#[test]
fn every_shell_gets_completions() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.run(&["completions", shell]).succeeded();
        assert!(COMMANDS.iter().all(|command| script.text().contains(command)), "{shell}");
    }
}
