//! Processes that are killed at random moments lose nothing that they reported, and leave no half names.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what fails here fails a test")]

mod common;

use chunker::hashing::HashAlgorithm;
use chunker_store::{CacheFolder, CheckOptions, CollectOptions, Root, Store, StoreOptions};
use common::{Folder, file, put, read};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

const ALGORITHM: HashAlgorithm = HashAlgorithm::Blake3;
const ROUNDS: u64 = 20;

/// Opens the store at an address, with its index in a folder.
async fn open(address: &str, cache: &Path) -> Store {
    let options = StoreOptions::new().pack_size(64 << 10).cache(CacheFolder::At(cache.into()));
    Store::open(address, options).await.unwrap()
}

/// A file that has half of its bytes in common with every eighth other one.
fn data(seed: u64) -> Vec<u8> {
    [file(150_000, seed % 8 + 1), file(60_000 + usize::try_from(seed % 1000).unwrap(), seed)].concat()
}

/// Not a test: what the processes do that are killed.
#[tokio::test]
async fn worker() {
    let Ok(arguments) = std::env::var("CHUNKER_STORE_WORKER") else { return };
    let [address, cache, seed] = *arguments.split('\n').collect::<Vec<_>>() else { return };
    let report = |line: String| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    };
    let store = open(address, cache.as_ref()).await;
    let first: u64 = seed.parse().unwrap();
    let mut mine: Vec<Root> = Vec::new();
    for seed in first.. {
        match seed % 7 {
            0..4 => {
                let root = put(&store, &data(seed), ALGORITHM).await;
                report(format!("committed {root} {seed}"));
                mine.push(root);
            }
            4..6 if mine.len() > 2 => {
                let root = mine.remove(usize::try_from(seed).unwrap() % mine.len());
                report(format!("deleting {root}"));
                store.delete(&root).await.unwrap();
            }
            _ => {
                let options = CollectOptions::new().min_age(Duration::ZERO).max_waste(10);
                store.collect(options).await.unwrap();
                report("collected".to_owned());
            }
        }
    }
}

fn start(address: &str, cache: &Path, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env("CHUNKER_STORE_WORKER", format!("{address}\n{}\n{seed}", cache.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn killed_processes_lose_nothing_that_they_reported() {
    let folder = Folder::new();
    kill_again_and_again(folder.path().join("store").to_str().unwrap(), 650).await;
}

#[cfg(feature = "aws")]
#[ignore = "scripts/test-s3.sh runs it, with a server"]
#[tokio::test]
async fn killed_processes_lose_nothing_on_s3() {
    kill_again_and_again("s3://chunker/crashes", 4000).await;
}

async fn kill_again_and_again(address: &str, longest_life: u64) {
    let cache = Folder::new();
    open(address, cache.path()).await;
    let mut files: BTreeMap<String, u64> = BTreeMap::new();
    let (mut commits, mut collections) = (0, 0);
    let random = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_micros();
    for round in 0..ROUNDS {
        let mut workers = [1, 2].map(|worker| start(address, cache.path(), (round * 10 + worker) * 100_000));
        std::thread::sleep(Duration::from_millis(150 + u64::from(random) * (round + 7) % longest_life));
        for worker in &mut workers {
            worker.kill().unwrap();
        }
        for mut worker in workers {
            let lines = BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap);
            for line in lines {
                let words: Vec<_> = line.split(' ').collect();
                match words[..] {
                    ["committed", root, seed] => {
                        commits += 1;
                        files.insert(root.to_owned(), seed.parse().unwrap());
                    }
                    ["deleting", root] => drop(files.remove(root)),
                    ["collected"] => collections += 1,
                    _ => {}
                }
            }
            worker.wait().unwrap();
        }
        let store = open(address, cache.path()).await;
        for (root, seed) in &files {
            let found = read(&store, &root.parse().unwrap(), None).await.unwrap();
            assert_eq!(found, data(*seed), "round {round}: {root}");
        }
        let report = store.check(CheckOptions::new().read_data(true)).await.unwrap();
        assert!(report.is_sound(), "round {round}: {report:?}");
    }
    println!("{ROUNDS} rounds, {commits} commits, {collections} collections");
    assert!(commits > 20 && collections > 2, "{commits} commits, {collections} collections");
}
