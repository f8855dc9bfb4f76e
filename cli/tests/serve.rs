//! What `chunker serve` promises: the laws of the protocol over TCP, and those of sockets, time and access.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;
#[path = "../../store/tests/protocol/connection.rs"]
mod connection;
#[path = "../../store/tests/protocol/suite.rs"]
mod suite;

use chunker::hashing::HashAlgorithm;
use common::Sandbox;
use connection::Connection;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use suite::{Chunk, Received, Sent, Server};

/// A server in a process of its own, which is killed with this value.
struct Served {
    process: Child,
    address: SocketAddr,
    store: PathBuf,
    sandbox: Option<Sandbox>,
    token: Option<&'static str>,
}

impl Served {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&str]) -> Self {
        let sandbox = Sandbox::new();
        let mut served = Self::of(&sandbox, arguments, None);
        served.sandbox = Some(sandbox);
        served
    }

    fn of(sandbox: &Sandbox, arguments: &[&str], token: Option<&'static str>) -> Self {
        let listen = ["serve", "--json", "--listen", "127.0.0.1:0"];
        let mut command = sandbox.command(&[&listen, arguments].concat());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).env_remove("CHUNKER_TOKEN");
        if let Some(token) = token {
            command.env("CHUNKER_TOKEN", token);
        }
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().unwrap().strip_prefix("http://").unwrap();
        let address = url.split('/').next().unwrap().parse().unwrap();
        Self { process, address, store: sandbox.path("store"), sandbox: None, token }
    }

    fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    fn connect(&self) -> Connection {
        Connection::new(self.address).unwrap()
    }

    fn try_send(&self, request: &Sent) -> io::Result<Received> {
        let mut connection = Connection::new(self.address)?;
        let request = match self.token {
            Some(token) => request.clone().with("Authorization", &format!("Bearer {token}")),
            None => request.clone(),
        };
        connection.send(&request)
    }

    fn metric(&self, name: &str) -> f64 {
        let text = String::from_utf8(self.send(&Sent::new("GET", "/metrics")).ok(200)).unwrap();
        let lines =
            text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<f64>().ok());
        lines.sum()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Server for Served {
    fn send(&self, request: &Sent) -> Received {
        self.try_send(request).unwrap()
    }

    fn store(&self) -> &Path {
        &self.store
    }
}

suite::laws!(Served::new);

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;

fn some_chunks(count: u64, length: usize) -> Vec<Chunk> {
    (0..count).map(|seed| Chunk::raw(ALGORITHM, &suite::noise(length, seed + 100))).collect()
}

#[test]
fn only_whoever_has_the_token_may_ask() {
    let sandbox = Sandbox::new();
    let token = Some("open sesame");
    let mut served = Served::of(&sandbox, &["--origin", "https://a.example"], token);
    let root = suite::upload(&served, b"hello", ALGORITHM);
    served.token = None;
    let file = Sent::new("GET", &format!("/v1/files/{root}"));
    for request in [
        file.clone(),
        file.clone().with("Authorization", "Bearer open"),
        Sent::new("GET", "/v1"),
        Sent::new("GET", "/metrics"),
        suite::write_pack(ALGORITHM, &some_chunks(1, 10)),
    ] {
        let refused = served.send(&request);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        refused.refused(401, "unauthorized");
    }
    served.send(&Sent::new("GET", "/healthz")).ok(200);
    let preflight = Sent::new("OPTIONS", "/v1/packs/sha256").with("Origin", "https://a.example");
    let answer = served.send(&preflight.with("Access-Control-Request-Method", "POST"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    answer.ok(204);
    served.token = token;
    assert_eq!(served.send(&file).ok(200), b"hello");

    let path = sandbox.file("token", b"of a file\n");
    let served = Served::of(&sandbox, &["--token-file", path.to_str().unwrap()], None);
    served.send(&file).refused(401, "unauthorized");
    assert_eq!(served.send(&file.clone().with("Authorization", "Bearer of a file")).ok(200), b"hello");
}

#[test]
fn a_server_that_others_can_reach_needs_a_token() {
    let sandbox = Sandbox::new();
    let error = sandbox.run(&["serve", "--listen", "0.0.0.0:0"]).failed(2);
    assert!(error.contains("--token-file"), "{error}");
    let empty = sandbox.file("token", b"\n");
    sandbox.run(&["serve", "--token-file", empty.to_str().unwrap()]).failed(2);
    let error = sandbox.run(&["serve", "--max-body", "1K"]).failed(2);
    assert!(error.contains("--max-body is 1024 (expected 4194304 to"), "{error}");
    let error = sandbox.run(&["serve", "--origin", "https://a.example/"]).failed(2);
    assert!(error.contains("--origin is \"https://a.example/\""), "{error}");
    sandbox.run(&["serve", "--credentials", "--origin", "*"]).failed(2);
    sandbox.run(&["serve", "--read-only", "--listen", "localhost:0"]).failed(3);
    sandbox.run(&["serve", "--read-only", "--listen", "127.0.0.1:0"]).failed(3);
    sandbox.run(&["serve", "--listen", "192.0.2.1:1", "--open"]).failed(1);
}

#[test]
fn a_page_of_another_site_cannot_pass_for_one_of_this_machine() {
    let served = Served::new();
    let port = served.address.port();
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "10.0.0.1".to_owned()] {
        for target in ["/v1", "/metrics", "/v1/nothing"] {
            served.send(&Sent::new("GET", target).with("Host", &host)).refused(421, "misdirected_request");
        }
    }
    for host in [format!("localhost:{port}"), "127.0.0.1".to_owned(), "[::1]:1".to_owned()] {
        served.send(&Sent::new("GET", "/v1").with("Host", &host)).ok(200);
    }
}

#[test]
fn what_the_protocol_does_not_answer_is_counted_and_its_body_read() {
    let served = Served::new();
    let body = vec![0; 8 << 20];
    let request = Sent::new("POST", "/v1/packs/sha256").with("Host", "evil.example");
    let mut connection = Connection::new(served.address).unwrap();
    connection.head(&request.with("Content-Length", &body.len().to_string())).unwrap();
    connection.0.write_all(&body).unwrap();
    let answer = connection.receive("POST").unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    answer.refused(421, "misdirected_request");
    served.send(&Sent::new("GET", "/healthz")).ok(200);
    // A request for the metrics counts in those of the next one.
    for answers in [r#"operation="beside",status="200""#, r#"operation="none",status="421""#] {
        let name = format!("chunker_server_requests_total{{{answers}}}");
        assert_eq!(served.metric(&name), 1.0, "{name}");
    }
}

#[test]
fn a_server_that_only_reads_changes_nothing() {
    let sandbox = Sandbox::new();
    let root = sandbox.put(&sandbox.file("a", b"hello"));
    let served = Served::of(&sandbox, &["--read-only"], None);
    let file = format!("/v1/files/{root}");
    for request in [
        suite::write_pack(ALGORITHM, &some_chunks(1, 10)),
        suite::commit(&suite::manifest(b"hello", ALGORITHM)),
        Sent::new("DELETE", &file),
    ] {
        served.send(&request).refused(403, "read_only");
    }
    assert_eq!(served.send(&Sent::new("GET", &file)).ok(200), b"hello");
}

#[test]
fn a_body_that_will_be_refused_is_not_asked_for() {
    let served = Served::new();
    let pack = suite::write_pack(ALGORITHM, &some_chunks(1, 1000)).with("Expect", "100-continue");
    let mut connection = served.connect();
    connection.head(&Sent { target: "/v1/packs/md5".to_owned(), ..pack.clone() }).unwrap();
    connection.receive("POST").unwrap().refused(400, "unknown_hash_algorithm");
    let mut connection = served.connect();
    connection.head(&pack).unwrap();
    assert_eq!(connection.receive_head().unwrap().status, 100);
    connection.0.write_all(&pack.body.concat()).unwrap();
    connection.receive("POST").unwrap().ok(200);
}

#[test]
fn whoever_sends_a_large_body_sees_why_it_is_refused() {
    let served = Served::new();
    let mut pack = suite::write_pack(ALGORITHM, &some_chunks(20, 1_000_000));
    pack.body[0][0] = b'X';
    served.send(&pack).refused(400, "invalid_pack");
    let mut small = suite::write_pack(ALGORITHM, &some_chunks(20, 1000));
    small.body[0][0] = b'X';
    let mut connection = served.connect();
    for _ in 0..3 {
        connection.head(&small).unwrap();
        connection.0.write_all(&small.body.concat()).unwrap();
        connection.receive("POST").unwrap().refused(400, "invalid_pack");
    }
}

#[test]
fn a_client_that_goes_away_at_any_byte_leaves_nothing() {
    let served = Served::with(&["--max-body", "4M"]);
    let limits = served.send(&Sent::new("GET", "/v1")).json()["limits"].clone();
    assert_eq!(limits["packBytes"], 4 << 20);
    let pack = suite::write_pack(ALGORITHM, &some_chunks(3, 70));
    let body = pack.body.concat();
    for end in [0, 1, 4, 7, 8, 9, 47, 48, 127, 128, 129, 197, 198, 199, body.len() - 1] {
        let mut connection = served.connect();
        connection.head(&pack).unwrap();
        connection.0.write_all(&body[..end]).unwrap();
    }
    common::wait_until(|| served.metric("chunker_server_connections") == 1.0);
    assert_eq!(served.metric("chunker_server_memory_taken_bytes"), 0.0);
    assert_eq!(served.send(&Sent::new("GET", "/v1/usage")).json()["packs"], 0);
}

#[test]
fn a_sender_may_be_slow_but_not_pause() {
    let served = Served::with(&["--patience", "1s"]);
    let pack = suite::write_pack(ALGORITHM, &some_chunks(2, 20));
    let mut slow = served.connect();
    slow.head(&pack).unwrap();
    let mut pausing = served.connect();
    pausing.head(&pack).unwrap();
    pausing.0.write_all(&pack.body.concat()[..50]).unwrap();
    let start = Instant::now();
    for piece in pack.body.concat().chunks(11) {
        slow.0.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    slow.receive("POST").unwrap().ok(200);
    assert!(start.elapsed() > Duration::from_secs(2), "longer than its patience");
    pausing.receive("POST").unwrap().refused(408, "request_timeout");
}

#[test]
fn the_servers_own_slowness_never_counts() {
    let served = Served::with(&["--patience", "1s"]);
    let pack = suite::write_pack(ALGORITHM, &some_chunks(5, 100_000));
    let body = pack.body.concat();
    let mut connection = served.connect();
    connection.head(&pack).unwrap();
    connection.0.write_all(&body[..1000]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    served.signal("STOP");
    connection.0.write_all(&body[1000..100_000]).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    served.signal("CONT");
    connection.0.write_all(&body[100_000..]).unwrap();
    connection.receive("POST").unwrap().ok(200);
}

#[test]
fn a_reader_may_be_slow_but_not_pause() {
    let served = Served::with(&["--patience", "1s"]);
    let data = suite::noise(24_000_000, 3);
    let root = suite::upload(&served, &data, ALGORITHM);
    let digests: Vec<_> = suite::manifest(&data, ALGORITHM).chunks().iter().map(|chunk| chunk.hash).collect();
    let requests = [
        Sent::new("GET", &format!("/v1/files/{root}")),
        Sent::new("POST", "/v1/chunks/blake3/read").body(digests.concat()),
    ];
    for request in requests {
        let (mut slow, mut pausing) = (served.connect(), served.connect());
        for connection in [&mut slow, &mut pausing] {
            connection.head(&request).unwrap();
            connection.0.write_all(&request.body.concat()).unwrap();
        }
        let mut answer = slow.receive_head().unwrap();
        let length: usize = answer.header("content-length").unwrap().parse().unwrap();
        let start = Instant::now();
        while answer.body.len() < length {
            std::thread::sleep(Duration::from_millis(200));
            (&slow.0).take(2_000_000).read_to_end(&mut answer.body).unwrap();
        }
        assert!(answer.body.ends_with(&data[data.len() - 1000..]));
        assert!(start.elapsed() > Duration::from_secs(2), "longer than its patience");
        assert!(!pausing.receive(&request.method).unwrap().whole, "it is cut");
    }
    let start = Instant::now();
    while served.metric("chunker_server_memory_taken_bytes") > 0.0 {
        assert!(start.elapsed() < Duration::from_secs(10), "what was cut gives its memory back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn readers_that_stop_do_not_keep_others_waiting() {
    let served = Served::with(&["--memory", "64M", "--patience", "2s", "--max-connections", "100"]);
    let data = suite::noise(16_000_000, 4);
    let root = suite::upload(&served, &data, ALGORITHM);
    let file = Sent::new("GET", &format!("/v1/files/{root}"));
    let stopped: Vec<_> = (0..60)
        .map(|_| {
            let mut connection = served.connect();
            connection.head(&file).unwrap();
            connection
        })
        .collect();
    assert!(served.metric("chunker_server_memory_taken_bytes") <= 64.0 * 1024.0 * 1024.0);
    assert!(served.send(&file).ok(200) == data);
    drop(stopped);
}

#[test]
fn a_server_that_is_asked_to_stop_finishes_what_runs() {
    for name in ["TERM", "INT"] {
        let mut served = Served::new();
        let pack = suite::write_pack(ALGORITHM, &some_chunks(5, 100_000));
        let body = pack.body.concat();
        let mut idle = served.connect();
        idle.head(&Sent::new("GET", "/v1")).unwrap();
        idle.receive("GET").unwrap().ok(200);
        let mut running = served.connect();
        running.head(&pack).unwrap();
        running.0.write_all(&body[..100]).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        served.signal(name);
        common::wait_until(|| TcpStream::connect(served.address).is_err());
        running.0.write_all(&body[100..]).unwrap();
        let answer = running.receive("POST").unwrap();
        assert_eq!(answer.header("connection"), Some("close"));
        answer.ok(200);
        assert_eq!(served.process.wait().unwrap().code(), Some(0), "SIG{name}");
    }
}

#[test]
fn a_second_signal_ends_a_server_at_once() {
    let mut served = Served::new();
    let pack = suite::write_pack(ALGORITHM, &some_chunks(5, 100_000));
    let mut running = served.connect();
    running.head(&pack).unwrap();
    running.0.write_all(&pack.body.concat()[..100]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    served.signal("TERM");
    common::wait_until(|| TcpStream::connect(served.address).is_err());
    served.signal("INT");
    assert_eq!(served.process.wait().unwrap().code(), Some(130));
}

#[test]
fn the_server_tells_what_it_has_done() {
    let served = Served::new();
    suite::upload(&served, &suite::noise(100_000, 5), ALGORITHM);
    served.send(&Sent::new("GET", "/v1/nothing")).refused(404, "not_found");
    assert_eq!(served.send(&Sent::new("GET", "/healthz")).ok(200), b"ok\n");
    served.send(&Sent::new("POST", "/healthz").body(vec![])).refused(405, "method_not_allowed");
    for (name, value) in [
        ("chunker_server_requests_total{operation=\"write_pack\",status=\"200\"}", 1.0),
        ("chunker_server_requests_total{operation=\"none\",status=\"404\"}", 1.0),
        ("chunker_store_commits_total", 1.0),
    ] {
        assert_eq!(served.metric(name), value, "{name}");
    }
    common::wait_until(|| served.metric("chunker_server_connections") == 1.0);
    assert!(served.metric("chunker_server_bytes_total{direction=\"in\"}") > 100_000.0);
}

#[test]
fn a_server_that_is_killed_at_any_moment_keeps_what_it_has_acknowledged() {
    let sandbox = Sandbox::new();
    let mut acknowledged: Vec<(String, Vec<u8>)> = Vec::new();
    let mut seed = 1;
    let mut killed = 0;
    for round in 0..20 {
        let mut served = Served::of(&sandbox, &[], None);
        let start = Instant::now();
        let life = Duration::from_millis(20 + (round * 37) % 400);
        std::thread::scope(|scope| {
            let (served, acknowledged, seed) = (&served, &mut acknowledged, &mut seed);
            scope.spawn(move || {
                // The same file again and again until it is acknowledged, then the next one.
                while let Some(root) = try_upload(served, &content(*seed)) {
                    acknowledged.push((root, content(*seed)));
                    *seed += 1;
                }
            });
            std::thread::sleep(life.saturating_sub(start.elapsed()));
            served.signal("KILL");
        });
        served.process.wait().unwrap();
        killed += 1;
    }
    assert_eq!(killed, 20);
    sandbox.run(&["check", "--read-data"]).succeeded();
    assert!(!acknowledged.is_empty(), "something was done");
    let served = Served::of(&sandbox, &[], None);
    for (root, content) in acknowledged {
        assert!(served.send(&Sent::new("GET", &format!("/v1/files/{root}"))).ok(200) == content);
    }
}

fn content(seed: u64) -> Vec<u8> {
    suite::mixed(usize::try_from(10_000 + seed * 7919 % 400_000).unwrap(), seed)
}

/// Uploads a file, or returns `None` when the server is gone.
fn try_upload(served: &Served, data: &[u8]) -> Option<String> {
    let manifest = suite::manifest(data, ALGORITHM);
    let chunks = manifest.chunks().iter();
    let chunks: Vec<_> = chunks.map(|chunk| Chunk::raw(ALGORITHM, chunk.slice(data).unwrap())).collect();
    let digests: Vec<_> = chunks.iter().map(|chunk| chunk.digest).collect();
    let send = |request: &Sent| served.try_send(request).ok().filter(|answer| answer.whole);
    send(&suite::ask_missing(ALGORITHM, &digests))?.ok(200);
    send(&suite::write_pack(ALGORITHM, &chunks))?.ok(200);
    let answer = send(&suite::commit(&manifest))?;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    Some(suite::root(&manifest))
}
