//! `CHUNKER_READ_SLICE_CAP_BYTES`: each run sets it for a child process.

use chunker::chunking::ChunkStream;
use std::io::Read;
use std::process::Command;

struct Reads<'a>(&'a mut Vec<usize>);

impl Read for Reads<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.0.push(space.len());
        Ok(0)
    }
}

/// What the child does: prints the size of the first read, or the code of the error.
#[test]
fn child() {
    let mut reads = Vec::new();
    match ChunkStream::new(Reads(&mut reads), None, None, None) {
        Ok(mut stream) => assert!(stream.next().is_none()),
        Err(error) => println!("error {}", error.code()),
    }
    println!("reads {reads:?}");
}

fn run_child(cap: Option<&str>) -> String {
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command
        .args(["--exact", "read_slice_cap::child", "--nocapture"])
        .env_remove("CHUNKER_READ_SLICE_CAP_BYTES");
    command.envs(cap.map(|cap| ("CHUNKER_READ_SLICE_CAP_BYTES", cap)));
    let output = command.output().expect("this program starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_cap_is_the_size_of_reads() {
    assert!(run_child(None).contains("reads [1048576]"));
    for cap in ["1", "4096", "1073741824"] {
        assert!(run_child(Some(cap)).contains(&format!("reads [{cap}]")), "{cap}");
    }
}

#[test]
fn a_cap_that_is_no_size_is_an_error() {
    for cap in ["", "0", "-1", "1.5", "64k", "1073741825"] {
        assert!(run_child(Some(cap)).contains("error invalid_environment"), "{cap:?}");
    }
}
