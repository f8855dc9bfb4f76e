//! Digests are those of `sha256sum` and `b3sum`, in one call and in pieces.

use crate::harness::test;
use chunker::hashing::{
    HashAlgorithm, Hasher, UnknownHashAlgorithm, blake3_hash, blake3_hash_raw, sha256_hash, sha256_hash_raw,
};

/// The text and what `sha256sum` and `b3sum` say of it.
const KNOWN: [(&[u8], &str, &str); 2] = [
    (
        b"",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
    ),
    (
        b"abc",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
    ),
];

#[test]
fn digests_are_those_of_the_tools() {
    for (data, sha256, blake3) in KNOWN {
        assert_eq!((sha256_hash(data), blake3_hash(data)), (sha256.to_owned(), blake3.to_owned()));
        assert_eq!(hex::encode(sha256_hash_raw(data)), sha256);
        assert_eq!(hex::encode(blake3_hash_raw(data)), blake3);
        for (algorithm, expected) in [(HashAlgorithm::Sha256, sha256), (HashAlgorithm::Blake3, blake3)] {
            assert_eq!(hex::encode(algorithm.digest(data)), expected);
            let mut hasher = Hasher::new(algorithm);
            for byte in data {
                hasher.update(std::slice::from_ref(byte));
            }
            assert_eq!(hex::encode(hasher.finalize()), expected, "{algorithm}, byte by byte");
        }
    }
}

#[test]
fn a_hasher_that_was_reset_is_a_new_one() {
    for (data, sha256, blake3) in KNOWN {
        for (algorithm, expected) in [(HashAlgorithm::Sha256, sha256), (HashAlgorithm::Blake3, blake3)] {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"before");
            assert_ne!(hex::encode(hasher.finalize_reset()), expected);
            hasher.update(data);
            assert_eq!(hex::encode(hasher.finalize_reset()), expected);
        }
    }
}

#[test]
fn an_algorithm_has_one_name_and_no_other_text_names_it() {
    for algorithm in [HashAlgorithm::Sha256, HashAlgorithm::Blake3] {
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    for unknown in ["", "SHA256", "sha-256", "blake3 ", "md5"] {
        assert_eq!(unknown.parse::<HashAlgorithm>(), Err(UnknownHashAlgorithm), "{unknown:?}");
    }
    assert_eq!(UnknownHashAlgorithm.code(), "unknown_hash_algorithm");
}

/// A reader that is interrupted before each of its pieces, and fails at the end if it is told to.
struct Halting<'a> {
    pieces: std::slice::Chunks<'a, u8>,
    interrupted: bool,
    fails: bool,
}

impl std::io::Read for Halting<'_> {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        match self.pieces.next() {
            Some(mut piece) => piece.read(space),
            None if self.fails => Err(std::io::ErrorKind::BrokenPipe.into()),
            None => Ok(0),
        }
    }
}

#[test]
fn a_hasher_takes_what_is_written_and_what_a_reader_gives() {
    use std::io::Write as _;
    let data: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    for algorithm in HashAlgorithm::ALL {
        let expected = algorithm.digest(&data);
        let mut hasher = Hasher::new(algorithm);
        hasher.write_all(&data).unwrap();
        hasher.flush().unwrap();
        assert_eq!(hasher.finalize_reset(), expected, "{algorithm}, written");
        let reader = |fails| Halting { pieces: data.chunks(7001), interrupted: false, fails };
        assert_eq!(hasher.update_reader(reader(false)).unwrap(), 200_000);
        assert_eq!(hasher.finalize_reset(), expected, "{algorithm}, read");
        let error = hasher.update_reader(reader(true)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(hasher.finalize(), expected, "{algorithm}, what came before the error is appended");
    }
}
