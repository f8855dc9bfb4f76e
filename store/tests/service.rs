//! What the service of `tower` promises: the laws of the protocol through axum, and those of its hooks.

#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;
#[path = "protocol/connection.rs"]
mod connection;
#[allow(dead_code, reason = "its `main` listens at a fixed address")]
#[path = "../examples/axum.rs"]
mod recipe;
#[path = "protocol/suite.rs"]
mod suite;

use axum::Router;
use chunker::hashing::HashAlgorithm;
use chunker_store::protocol::{Engine, EngineOptions};
use chunker_store::service::StoreService;
use chunker_store::{CacheFolder, Store, StoreOptions};
use common::Folder;
use connection::Connection;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use suite::{Received, Sent, Server};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A router, listening.
struct Mounted {
    address: SocketAddr,
    folder: Folder,
    _runtime: Runtime,
}

impl Mounted {
    fn new() -> Self {
        Self::with(|service| service)
    }

    fn with(configure: impl FnOnce(StoreService) -> StoreService) -> Self {
        Self::of(async |address| {
            let store = Store::open(address, StoreOptions::new().cache(CacheFolder::None)).await.unwrap();
            let engine = Engine::new(EngineOptions::new()).unwrap();
            Router::new().fallback_service(configure(StoreService::open_to_all(engine, store)))
        })
    }

    fn of(router: impl AsyncFnOnce(&str) -> Router) -> Self {
        let folder = Folder::new();
        let runtime = Runtime::new().unwrap();
        let (listener, router) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (listener, router(folder.path().to_str().unwrap()).await)
        });
        let address = listener.local_addr().unwrap();
        drop(runtime.spawn(async { axum::serve(listener, router).await }));
        Self { address, folder, _runtime: runtime }
    }
}

impl Server for Mounted {
    fn send(&self, request: &Sent) -> Received {
        Connection::new(self.address).unwrap().send(request).unwrap()
    }

    fn store(&self) -> &Path {
        self.folder.path()
    }
}

suite::laws!(Mounted::new);

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;

#[test]
fn a_commit_is_told_of_before_its_answer() {
    let commits = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&commits);
    let server = Mounted::with(|service| {
        service.on_commit(move |head, committed| {
            told.lock().unwrap().push((head.method.clone(), committed.root.to_string(), committed.length));
        })
    });
    let root = suite::upload(&server, b"hello", ALGORITHM);
    assert_eq!(*commits.lock().unwrap(), [("PUT".to_owned(), root, 5)]);
}

#[test]
fn a_client_that_pauses_while_it_sends_is_told_so() {
    let server = Mounted::with(|service| service.patience(Duration::from_millis(200)));
    let mut connection = Connection::new(server.address).unwrap();
    let request = Sent::new("POST", "/v1/chunks/blake3/missing").body(vec![0; 64]);
    connection.head(&request).unwrap();
    let answer = connection.receive("POST").unwrap();
    assert_eq!(answer.header("connection"), Some("close"));
    answer.refused(408, "request_timeout");
}

#[test]
fn what_the_store_cannot_do_is_told_to_the_server_alone() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&errors);
    let server = Mounted::with(|service| {
        service.on_error(move |head, error| {
            told.lock().unwrap().push(format!("{} {}", head.method, error.code()));
        })
    });
    let root = suite::upload(&server, &suite::noise(100_000, 1), ALGORITHM);
    for pack in std::fs::read_dir(server.store().join("packs")).unwrap() {
        std::fs::remove_file(pack.unwrap().path()).unwrap();
    }
    let answer = server.send(&Sent::new("GET", &format!("/v1/files/{root}")));
    assert!(answer.status == 500 || !answer.whole);
    assert!(!errors.lock().unwrap().is_empty());
}

#[test]
fn the_recipe_lets_everyone_read_and_whoever_has_the_token_write() {
    let server = Mounted::of(async |address| recipe::app(address, "secret").await.unwrap());
    let describe = Sent::new("GET", "/store/v1");
    server.send(&describe).ok(200);
    let pack = suite::write_pack(ALGORITHM, &[suite::Chunk::raw(ALGORITHM, b"hello")]);
    let pack = Sent { target: format!("/store{}", pack.target), ..pack };
    server.send(&pack).refused(401, "unauthorized");
    server.send(&pack.with("Authorization", "Bearer secret")).ok(200);
}

#[test]
fn the_page_of_recipes_shows_the_example() {
    let page = include_str!("../../docs/recipes.md");
    assert!(page.contains(include_str!("../examples/axum.rs").trim()));
}
