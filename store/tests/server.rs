//! The laws of the protocol, for a server of another program: `CHUNKER_SERVER` names a command, which is given
//! the folder of an empty store, prints its URL on a line, and is killed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what fails here fails a test")]

mod common;
#[path = "protocol/connection.rs"]
mod connection;
#[path = "protocol/suite.rs"]
mod suite;

use chunker::hashing::HashAlgorithm;
use common::Folder;
use connection::Connection;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use suite::{Received, Sent, Server};

/// A server in a process of its own, which is killed with this value.
struct Other {
    process: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Other {
    fn new() -> Self {
        let command = std::env::var("CHUNKER_SERVER").expect("CHUNKER_SERVER names a command");
        let folder = Folder::new();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec {command} \"$0\"")).arg(folder.path());
        let mut process = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").expect("it prints its URL").parse().unwrap();
        Self { process, address, folder }
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Server for Other {
    fn send(&self, request: &Sent) -> Received {
        Connection::new(self.address).unwrap().send(request).unwrap()
    }

    fn store(&self) -> &Path {
        self.folder.path()
    }

    fn takes_any_method(&self) -> bool {
        false
    }
}

suite::laws!(Other::new);

#[test]
fn a_reader_of_the_specification_restores_what_it_stored() {
    let server = Other::new();
    let mut files = Vec::new();
    for algorithm in HashAlgorithm::ALL {
        for length in [0, 1, 70_000, 3_000_000] {
            let data = suite::mixed(length, 14);
            files.push((suite::upload(&server, &data, algorithm), data));
        }
    }
    for (root, data) in files {
        assert!(common::restored(server.store(), &root) == data, "{root}");
    }
}
