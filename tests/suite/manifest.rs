//! Laws of manifests: one form for each, nothing else is accepted, and no wrong byte passes.

use crate::harness::test;
use chunker::Profile;
use chunker::chunking::{ChunkDescriptor, HashAlgorithm, chunk_descriptors};
use chunker::manifest::{Manifest, ManifestError};
use proptest::prelude::*;

fn profile() -> Profile {
    Profile::new(64, 256, 1024).expect("valid sizes")
}

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()[0]).collect()
}

fn manifest(data: &[u8], hash: HashAlgorithm) -> Manifest {
    Manifest::new(profile().hash(hash), chunk_descriptors(data, profile().hash(hash)))
        .expect("chunks in order")
}

fn code<T: std::fmt::Debug>(result: Result<T, ManifestError>) -> &'static str {
    result.expect_err("this must be refused").code()
}

proptest! {
    #[test]
    fn parse_inverts_to_bytes(length in 0..20_000usize, blake3: bool) {
        let hash = if blake3 { HashAlgorithm::Blake3 } else { HashAlgorithm::Sha256 };
        let manifest = manifest(&data(length), hash);
        let bytes = manifest.to_bytes();
        prop_assert_eq!(bytes.capacity(), bytes.len(), "allocated once");
        prop_assert_eq!(manifest.root_digest(), hash.digest(&bytes));
        prop_assert_eq!(Manifest::parse(&bytes, bytes.len()).unwrap(), manifest);
    }

    #[test]
    fn what_parses_is_canonical(mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = manifest(&data(3000), HashAlgorithm::Sha256).to_bytes();
        for (index, byte) in mutations {
            *index.get_mut(&mut bytes) = byte;
        }
        if let Ok(manifest) = Manifest::parse(&bytes, usize::MAX) {
            prop_assert_eq!(manifest.to_bytes(), bytes);
        }
    }

    #[test]
    fn noise_behind_a_true_beginning_parses_only_in_canonical_form(
        kept in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let whole = manifest(&data(3000), HashAlgorithm::Sha256).to_bytes();
        let bytes = [&whole[..kept.index(whole.len())], &noise].concat();
        if let Ok(manifest) = Manifest::parse(&bytes, usize::MAX) {
            prop_assert_eq!(manifest.to_bytes(), bytes);
        }
    }
}

#[test]
fn a_manifest_says_what_it_was_made_of() {
    for hash in [HashAlgorithm::Sha256, HashAlgorithm::Blake3] {
        let chunks = chunk_descriptors(&data(3000), profile().hash(hash));
        let manifest = manifest(&data(3000), hash);
        assert_eq!((manifest.profile(), manifest.hash_algorithm()), (profile().hash(hash), hash));
        assert_eq!(manifest.profile().to_string(), format!("fastcdc-v2020/nc1/64-256-1024/{hash}"));
        assert_eq!((manifest.total_length(), manifest.chunks()), (3000, &chunks[..]));
    }
}

#[test]
fn every_prefix_and_every_extension_is_refused() {
    let bytes = manifest(&data(3000), HashAlgorithm::Sha256).to_bytes();
    for end in 0..bytes.len() {
        assert_eq!(code(Manifest::parse(&bytes[..end], usize::MAX)), "invalid_manifest", "{end} bytes");
    }
    for extra in 1..80 {
        let longer = [bytes.as_slice(), &vec![0; extra]].concat();
        assert_eq!(code(Manifest::parse(&longer, usize::MAX)), "invalid_manifest", "{extra} bytes more");
    }
}

#[test]
fn limit_and_version_are_checked() {
    assert_eq!(Manifest::DEFAULT_LIMIT, 67_108_864);
    let mut bytes = manifest(&data(3000), HashAlgorithm::Sha256).to_bytes();
    assert_eq!(code(Manifest::parse(&bytes, bytes.len() - 1)), "manifest_too_large");
    bytes[7] = 2;
    assert_eq!(code(Manifest::parse(&bytes, usize::MAX)), "unsupported_manifest_version");
}

#[test]
fn a_count_beyond_the_bytes_is_refused_without_allocating_for_it() {
    let mut bytes = manifest(&[], HashAlgorithm::Sha256).to_bytes();
    let count = bytes.len() - 8;
    bytes[count..].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_eq!(code(Manifest::parse(&bytes, usize::MAX)), "invalid_manifest");
}

#[test]
fn chunks_out_of_place_or_of_impossible_lengths_are_refused() {
    let chunk = |offset, length| ChunkDescriptor { hash: [0; 32], offset, length };
    let new =
        |chunks: &[ChunkDescriptor]| Manifest::new(profile().hash(HashAlgorithm::Sha256), chunks.to_vec());
    assert!(new(&[]).is_ok());
    assert!(new(&[chunk(0, 1)]).is_ok());
    assert!(new(&[chunk(0, 64), chunk(64, 1024)]).is_ok());
    for (chunks, bad) in [
        (vec![chunk(1, 64)], 0),
        (vec![chunk(0, 0)], 0),
        (vec![chunk(0, 1025)], 0),
        (vec![chunk(0, 63), chunk(63, 64)], 0),
        (vec![chunk(0, 64), chunk(65, 64)], 1),
        (vec![chunk(0, 64), chunk(0, 64)], 1),
        (vec![chunk(0, 64), chunk(64, 64), chunk(u64::MAX, 64)], 2),
    ] {
        let error = new(&chunks).expect_err("this must be refused");
        assert!(matches!(error, ManifestError::ChunkSequence { index } if index == bad), "{chunks:?}");
    }
}

#[test]
fn only_the_input_itself_verifies() {
    let data = data(5000);
    for hash in HashAlgorithm::ALL {
        let manifest = manifest(&data, hash);
        manifest.verify(data.as_slice()).expect("the input itself");
        for index in 0..data.len() {
            let mut damaged = data.clone();
            damaged[index] ^= 1;
            assert_eq!(code(manifest.verify(damaged.as_slice())), "chunk_digest_mismatch", "byte {index}");
        }
        assert_eq!(code(manifest.verify(&data[..data.len() - 1])), "chunk_length_mismatch");
        assert_eq!(
            code(manifest.verify([data.as_slice(), &[0]].concat().as_slice())),
            "chunk_length_mismatch"
        );
        assert_eq!(code(manifest.verify_chunk(manifest.chunks().len(), &[])), "chunk_index_out_of_range");
    }
}

#[test]
fn reassembling_writes_the_input_or_a_correct_prefix_and_an_error() {
    let data = data(5000);
    let manifest = manifest(&data, HashAlgorithm::Blake3);
    let mut output = Vec::new();
    manifest.reassemble(|chunk| chunk.slice(&data), &mut output).expect("all chunks are there");
    assert_eq!(output, data);

    let third = manifest.chunks()[2];
    let mut damaged = data.clone();
    damaged[usize::try_from(third.offset).unwrap()] ^= 1;
    let mut output = Vec::new();
    let result = manifest.reassemble(|chunk| chunk.slice(&damaged), &mut output);
    assert!(matches!(result, Err(ManifestError::ChunkDigest { index: 2 })));
    assert_eq!(output, data[..usize::try_from(third.offset).unwrap()]);

    let result = manifest.reassemble(|chunk| chunk.slice(&data[..2000]), std::io::sink());
    assert_eq!(code(result), "chunk_unavailable");
    let result = manifest.reassemble(|chunk| chunk.slice(&data), [0; 100].as_mut_slice());
    assert_eq!(code(result), "io_error");
}

#[cfg(feature = "serde")]
mod json {
    use super::*;
    use crate::harness::test;
    use serde_json::{Value, from_value, json, to_value};

    #[test]
    fn the_json_form_is_as_documented_and_reads_back() {
        let abc = manifest(b"abc", HashAlgorithm::Sha256);
        let expected = json!({
            "version": 1,
            "profile": "fastcdc-v2020/nc1/64-256-1024/sha256",
            "totalLength": 3,
            // `printf abc | sha256sum`
            "chunks": [{
                "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                "offset": 0,
                "length": 3,
            }],
        });
        assert_eq!(to_value(&abc).unwrap(), expected);
        let larger = manifest(&data(20_000), HashAlgorithm::Blake3);
        assert_eq!(from_value::<Manifest>(to_value(&larger).unwrap()).unwrap(), larger);
    }

    #[test]
    fn integers_above_2_53_are_strings_and_only_those() {
        let small: Value = json!({"version": 1, "profile": "fastcdc-v2020/nc1/64-256-1024/sha256", "totalLength": 0, "chunks": []});
        assert!(from_value::<Manifest>(small.clone()).is_ok());
        for length in [json!("0"), json!(1), json!(-1), json!(0.5), json!(null), json!("9007199254740992")] {
            let mut changed = small.clone();
            changed["totalLength"] = length.clone();
            assert!(from_value::<Manifest>(changed).is_err(), "{length}");
        }
    }

    #[test]
    fn other_json_is_refused() {
        let good = to_value(manifest(b"abc", HashAlgorithm::Sha256)).unwrap();
        let change = |pointer: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).expect("a field") = value;
            from_value::<Manifest>(changed)
        };
        assert!(change("/version", json!(1)).is_ok());
        assert!(change("/version", json!(2)).is_err());
        assert!(change("/profile", json!("fastcdc-v2020/nc1/64-256-1024")).is_err());
        assert!(change("/chunks/0/length", json!(4)).is_err());
        assert!(change("/chunks/0/offset", json!(1)).is_err());
        assert!(
            change(
                "/chunks/0/hash",
                json!("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD")
            )
            .is_err()
        );
        assert!(change("/chunks/0/hash", json!("ba78")).is_err());
        let mut extra = good.clone();
        extra["comment"] = json!("");
        assert!(from_value::<Manifest>(extra).is_err());
    }
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use super::{code, data, manifest};
    use chunker::chunking::HashAlgorithm;
    use futures::io::AsyncWrite;
    use std::collections::VecDeque;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    /// A writer that does one thing after another: take at most so many bytes, or fail; then take all.
    #[derive(Default)]
    struct Script {
        steps: VecDeque<Result<usize, io::ErrorKind>>,
        written: Vec<u8>,
        flushed: bool,
    }

    impl AsyncWrite for Script {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            match self.steps.pop_front() {
                Some(Err(io::ErrorKind::WouldBlock)) => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(Err(kind)) => Poll::Ready(Err(kind.into())),
                Some(Ok(length)) => {
                    self.written.extend_from_slice(&data[..length.min(data.len())]);
                    Poll::Ready(Ok(length))
                }
                None => {
                    self.written.extend_from_slice(data);
                    Poll::Ready(Ok(data.len()))
                }
            }
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushed = true;
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn reassemble(steps: &[Result<usize, io::ErrorKind>]) -> (Script, Result<(), &'static str>) {
        let data = data(3000);
        let manifest = manifest(&data, HashAlgorithm::Blake3);
        let mut script = Script { steps: steps.iter().copied().collect(), ..Script::default() };
        let fetch = |chunk: chunker::chunking::ChunkDescriptor| {
            let payload = chunk.slice(&data).map(<[u8]>::to_vec);
            async move { payload }
        };
        let result = futures::executor::block_on(manifest.reassemble_async(fetch, &mut script));
        assert!(data.starts_with(&script.written), "what is written is a prefix of the input");
        (script, result.map_err(|error| error.code()))
    }

    #[test]
    fn whatever_a_writer_takes_at_once_it_gets_the_input() {
        use io::ErrorKind::{Interrupted, WouldBlock};
        for steps in
            [&[][..], &[Ok(1), Ok(2), Err(Interrupted), Ok(1), Err(WouldBlock)], &[Err(WouldBlock); 3]]
        {
            let (script, result) = reassemble(steps);
            assert_eq!((result, script.written.len(), script.flushed), (Ok(()), 3000, true));
        }
    }

    #[test]
    fn a_writer_that_fails_or_takes_nothing_or_too_much_is_an_error() {
        for step in [Ok(0), Ok(usize::MAX), Err(io::ErrorKind::BrokenPipe)] {
            let (script, result) = reassemble(&[Ok(100), step]);
            assert_eq!(result, Err("io_error"), "{step:?}");
            assert!(!script.flushed);
        }
    }

    #[test]
    fn a_wrong_chunk_is_never_written() {
        let manifest = manifest(&data(3000), HashAlgorithm::Sha256);
        let mut script = Script::default();
        let fetch = |chunk: chunker::chunking::ChunkDescriptor| async move {
            Ok::<_, io::Error>(vec![0; chunk.length])
        };
        let result = futures::executor::block_on(manifest.reassemble_async(fetch, &mut script));
        assert_eq!(code(result), "chunk_digest_mismatch");
        assert!(script.written.is_empty());
    }

    /// The future can go to another thread, as `tokio::spawn` asks.
    #[tokio::test]
    async fn a_task_of_tokio_reassembles() {
        let data = data(3000);
        let manifest = manifest(&data, HashAlgorithm::Sha256);
        let source = std::sync::Arc::new(data.clone());
        let task = tokio::spawn(async move {
            let mut copy = Vec::new();
            let fetch = |chunk: chunker::chunking::ChunkDescriptor| {
                let source = std::sync::Arc::clone(&source);
                async move { chunk.slice(&source).map(<[u8]>::to_vec) }
            };
            manifest.reassemble_tokio(fetch, &mut copy).await.map(|()| copy)
        });
        assert_eq!(task.await.unwrap().unwrap(), data);
    }
}
