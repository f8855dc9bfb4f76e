//! What is left when the process is stopped in the middle.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::{Run, Sandbox, noise, wait_until};
use std::fs;
use std::io::Write as _;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Starts to put standard input, gives it half of `input`, and waits until packs were written.
fn put_half(sandbox: &Sandbox, input: &[u8]) -> Child {
    let mut child = sandbox.start(&["put", "-"]);
    let pipe = child.stdin.as_mut().unwrap();
    pipe.write_all(&input[..input.len() / 2]).unwrap();
    wait_until(|| !sandbox.packs().is_empty());
    child
}

#[test]
fn an_interrupted_put_leaves_no_file_and_can_be_repeated() {
    let input = noise(64_000_000, 1);
    for (name, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let sandbox = Sandbox::new();
        let child = put_half(&sandbox, &input);
        let start = Instant::now();
        signal(&child, name);
        let line = Run::new(child.wait_with_output().unwrap()).failed(status);
        assert_eq!(line, format!("error: interrupted by SIG{name}"));
        assert!(start.elapsed() < Duration::from_secs(20), "at once, though it waits for input");
        assert_eq!(sandbox.run(&["ls"]).succeeded().text(), "");
        sandbox.run(&["check", "--read-data"]).succeeded();
        let again = sandbox.run_with_input(&["put", "--json", "-"], &input).succeeded().json();
        assert!(
            again[0]["new_bytes"].as_u64() < again[0]["size"].as_u64(),
            "what was stored is not stored again"
        );
    }
}

#[test]
fn a_killed_put_leaves_no_file_and_can_be_repeated() {
    let input = noise(64_000_000, 2);
    let sandbox = Sandbox::new();
    let mut child = put_half(&sandbox, &input);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(sandbox.run(&["ls"]).succeeded().text(), "");
    sandbox.run(&["check", "--read-data"]).succeeded();
    let again = sandbox.run_with_input(&["put", "--json", "-"], &input).succeeded().json();
    assert!(
        again[0]["new_bytes"].as_u64() < again[0]["size"].as_u64(),
        "what was stored is not stored again"
    );
    assert_eq!(sandbox.get(again[0]["root"].as_str().unwrap()), input);
}

#[test]
fn an_interrupted_get_leaves_the_output_as_it_was() {
    let sandbox = Sandbox::new();
    let input = noise(64_000_000, 3);
    let root = sandbox.put(&sandbox.file("input", &input));
    let names = sandbox.names();
    let partial = || sandbox.names().iter().any(|name| name.ends_with(".part"));
    let mut interrupted = 0;
    for arguments in
        [&["get", &root, "-o", "output"][..], &["get", &root, "-o", "output", "--reuse", "input"]].repeat(5)
    {
        let mut child = sandbox.start(arguments);
        wait_until(|| partial() || sandbox.path("output").exists());
        signal(&child, "INT");
        match child.wait().unwrap().code() {
            Some(130) => interrupted += 1,
            // It was faster.
            status => {
                assert_eq!(status, Some(0));
                assert_eq!(fs::read(sandbox.path("output")).unwrap(), input);
                fs::remove_file(sandbox.path("output")).unwrap();
            }
        }
        assert_eq!(sandbox.names(), names);
    }
    assert!(interrupted > 0);
}

#[test]
fn a_get_that_waits_for_its_reader_can_be_interrupted() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("input", &noise(3_000_000, 4)));
    let mut child = sandbox.start(&["get", &root]);
    std::thread::sleep(Duration::from_millis(500)); // until the pipe is full, or before it is
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
