//! What is cut: noise, text, real files, and data that is made to be slow.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use std::fs;
use std::path::PathBuf;

const LENGTH: usize = 64 << 20;

/// Data with a name, and a file with the same bytes for peers in other processes.
pub(crate) struct Data {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) path: PathBuf,
}

/// Returns noise, text, and the first bytes of the file at `tar`.
pub(crate) fn all(tar: &str) -> std::io::Result<Vec<Data>> {
    let mut real = fs::read(tar)?;
    real.truncate(LENGTH);
    let data = vec![noise(), text(), Data { name: "tar".to_owned(), bytes: real, path: path("tar") }];
    for data in &data {
        fs::write(&data.path, &data.bytes)?;
    }
    Ok(data)
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("bench-peers-{}-{name}", std::process::id()))
}

impl Drop for Data {
    fn drop(&mut self) {
        // Hostile data has no file.
        let _ = fs::remove_file(&self.path);
    }
}

pub(crate) fn noise() -> Data {
    Data { name: "noise".to_owned(), bytes: random(42, LENGTH), path: path("noise") }
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    ChaCha8Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Words of 1 to 12 small letters out of a vocabulary of 4096, the first of it often, in lines of 12.
fn text() -> Data {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut below = |limit: u32| random.next_u32() % limit;
    let vocabulary: Vec<Vec<u8>> = (0..4096)
        .map(|_| {
            (0..=below(12))
                .map(|_| b"etaoinshrdlcumwfgypbvkjxqz"[(below(26) * below(26) / 26) as usize])
                .collect()
        })
        .collect();
    let mut bytes = Vec::with_capacity(LENGTH + 16);
    let mut words = 0;
    while bytes.len() < LENGTH {
        let range = 1 << (1 + below(12));
        bytes.extend_from_slice(&vocabulary[below(range) as usize]);
        words += 1;
        bytes.push(if words % 12 == 0 { b'\n' } else { b' ' });
    }
    bytes.truncate(LENGTH);
    Data { name: "text".to_owned(), bytes, path: path("text") }
}

/// Returns runs of each byte, and repeated noise of each period up to 64 bytes.
pub(crate) fn hostile(length: usize) -> impl Iterator<Item = Data> {
    let data = |name: String, bytes: Vec<u8>| Data { path: path(&name), name, bytes };
    let constant = move |byte: u8| data(format!("{byte:#04x}"), vec![byte; length]);
    let periodic = move |period: usize| {
        data(format!("period {period}"), random(5, period).into_iter().cycle().take(length).collect())
    };
    (0..=255).map(constant).chain((2..=64).map(periodic))
}
