//! Laws of chunks that are read: whatever a reader does, no byte is lost and no error is hidden.

use crate::harness::test;
use crate::noise::noise;
use chunker::Profile;
use chunker::chunking::{
    ChunkDescriptor, ChunkMetadata, ChunkStream, ChunkingError, DescriptorStream, PayloadChunker,
    PushChunker, chunk_batch, chunk_batch_descriptors, chunk_data, chunk_stream,
};
use proptest::prelude::*;
use std::io::{self, Read};

fn profile() -> Profile {
    Profile::new(64, 256, 1024).expect("valid sizes")
}

/// A reader that does one thing after another: give at most so many bytes, or fail.
struct Script<'a> {
    data: &'a [u8],
    steps: Vec<Result<usize, io::ErrorKind>>,
}

/// Reads of any sizes, and interruptions between them.
fn steps() -> impl Strategy<Value = Vec<Result<usize, io::ErrorKind>>> {
    let step = prop_oneof![(1..700usize).prop_map(Ok), Just(Err(io::ErrorKind::Interrupted))];
    prop::collection::vec(step, 0..200)
}

impl Read for Script<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.steps.pop() {
            Some(Err(kind)) => Err(kind.into()),
            Some(Ok(most)) if !self.data.is_empty() => {
                let most = most.min(space.len());
                self.data.read(&mut space[..most])
            }
            _ => self.data.read(space),
        }
    }
}

fn expected(data: &[u8]) -> Vec<ChunkMetadata> {
    chunk_data(data, Some(64), Some(256), Some(1024)).expect("valid sizes")
}

proptest! {
    #[test]
    fn any_sizes_of_reads_and_any_interruptions_give_the_same_chunks(
        length in 0..20_000usize,
        steps in steps(),
    ) {
        let data = noise(length);
        let reader = Script { data: &data, steps };
        let stream = ChunkStream::with_profile(reader, profile()).unwrap();
        prop_assert_eq!(stream.collect::<Result<Vec<_>, _>>().unwrap(), expected(&data));
    }

    #[test]
    fn a_stream_without_payloads_gives_the_same_chunks(length in 0..20_000usize, steps in steps()) {
        let data = noise(length);
        let stream = DescriptorStream::new(Script { data: &data, steps }, profile()).unwrap();
        let descriptors: Vec<_> = expected(&data).iter().map(ChunkDescriptor::from).collect();
        prop_assert_eq!(stream.collect::<Result<Vec<_>, _>>().unwrap(), descriptors);
    }

    #[test]
    fn an_error_comes_once_with_its_offset_and_reading_resumes_at_the_last_cut(
        length in 1..20_000usize,
        at in 0..40usize,
    ) {
        let data = noise(length);
        let mut steps = vec![Err(io::ErrorKind::ConnectionReset)];
        steps.extend(std::iter::repeat_n(Ok(500), at));
        let reader = Script { data: &data, steps };
        let mut stream = ChunkStream::with_profile(reader, profile()).unwrap();
        let mut chunks = Vec::new();
        let error = loop {
            match stream.next() {
                Some(Ok(chunk)) => chunks.push(chunk),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        if let Some(error) = error {
            let ChunkingError::Io(error) = error else { panic!("{error}") };
            prop_assert_eq!(error.offset, (500 * at).min(length) as u64);
            prop_assert_eq!(error.source.kind(), io::ErrorKind::ConnectionReset);
            let last_cut = stream.last_cut();
            prop_assert_eq!(last_cut, chunks.iter().map(|chunk| chunk.length as u64).sum::<u64>());
            prop_assert!(stream.next().is_none());
            let rest = &data[usize::try_from(last_cut).unwrap()..];
            let resumed = ChunkStream::resume_at(rest, profile(), last_cut).unwrap();
            chunks.extend(resumed.map(Result::unwrap));
        }
        prop_assert_eq!(chunks, expected(&data));
    }
}

#[test]
fn a_reader_that_claims_more_than_it_had_space_for_is_an_error() {
    struct Liar;
    impl Read for Liar {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            Ok(space.len() + 1)
        }
    }
    let mut stream = ChunkStream::new(Liar, None, None, None).unwrap();
    assert!(matches!(stream.next(), Some(Err(ChunkingError::Io(error))) if error.offset == 0));
    assert!(stream.next().is_none());
}

#[test]
fn a_stream_that_could_need_more_than_its_limit_is_refused() {
    let stream = || ChunkStream::with_profile(io::empty(), profile()).unwrap();
    let required = 1024 + (1 << 20);
    assert!(stream().within_buffer_limit(required).is_ok());
    let refused = stream().within_buffer_limit(required - 1);
    assert!(matches!(
        refused,
        Err(ChunkingError::BufferLimitExceeded { required: r, limit }) if r == required && limit == required - 1
    ));
}

#[test]
fn one_failing_reader_of_a_batch_does_not_stop_the_others() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    let (first, last) = (noise(5000), noise(300));
    let readers: [Box<dyn Read>; 3] =
        [Box::new(first.as_slice()), Box::new(Broken), Box::new(last.as_slice())];
    let batch = chunk_batch(readers, profile());
    assert_eq!(batch.results[0].as_ref().unwrap(), &expected(&first));
    assert_eq!(batch.results[1].as_ref().unwrap_err().code(), "io_error");
    assert_eq!(batch.results[2].as_ref().unwrap(), &expected(&last));
    assert_eq!(batch.total_bytes_processed, 5300);
    assert_eq!(batch.total_chunks_emitted, (expected(&first).len() + expected(&last).len()) as u64);

    let readers: [Box<dyn Read>; 3] =
        [Box::new(first.as_slice()), Box::new(Broken), Box::new(last.as_slice())];
    let described = chunk_batch_descriptors(readers, profile());
    for (chunks, descriptors) in batch.results.iter().zip(&described.results) {
        match (chunks, descriptors) {
            (Ok(chunks), Ok(descriptors)) => {
                assert!(chunks.iter().map(ChunkDescriptor::from).eq(descriptors.iter().copied()));
            }
            (Err(error), Err(other)) => assert_eq!(error.code(), other.code()),
            _ => panic!("payloads or not, the same inputs fail"),
        }
    }
    assert_eq!(described.total_bytes_processed, 5300);
}

#[test]
fn what_is_pushed_says_where_its_current_chunk_begins() {
    let data = noise(20_000);
    let mut descriptors = PushChunker::new(profile());
    let mut payloads = PayloadChunker::new(profile());
    let mut cuts = 0;
    for piece in data.chunks(700) {
        let mut found = descriptors.feed(piece).iter().map(|chunk| chunk.length as u64).sum::<u64>();
        assert_eq!(payloads.feed(piece).iter().map(|chunk| chunk.length as u64).sum::<u64>(), found);
        found += cuts;
        assert_eq!((descriptors.last_cut(), payloads.last_cut()), (found, found));
        cuts = found;
    }
    assert!(cuts > 0);
}

#[test]
fn a_stream_collected_is_its_data_chunked() {
    let data = noise(3_000_001);
    let chunks = chunk_stream(data.as_slice(), None, None, None).unwrap();
    assert_eq!(chunks, chunk_data(&data, None, None, None).unwrap());
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use super::*;
    use crate::harness::test;
    use chunker::chunking::{AsyncChunkStream, Tokio};
    use core::pin::Pin;
    use core::task::{Context, Poll};
    use futures::{AsyncRead, TryStreamExt};

    /// Is pending before every read, and wakes at once.
    struct Hesitant<'a>(Script<'a>, bool);

    impl AsyncRead for Hesitant<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            space: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.1 = !self.1;
            if self.1 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.0.read(space))
        }
    }

    proptest! {
        #[test]
        fn an_asynchronous_reader_gives_the_chunks_of_a_blocking_one(
            length in 0..20_000usize,
            steps in steps(),
        ) {
            let data = noise(length);
            let reader = Hesitant(Script { data: &data, steps }, false);
            let stream = AsyncChunkStream::new(reader, profile()).unwrap();
            let chunks: Vec<_> = futures::executor::block_on(stream.try_collect()).unwrap();
            prop_assert_eq!(chunks, expected(&data));
        }
    }

    #[test]
    fn an_asynchronous_error_comes_once_with_its_offset() {
        let data = noise(3000);
        let reader =
            Hesitant(Script { data: &data, steps: vec![Err(io::ErrorKind::BrokenPipe), Ok(500)] }, false);
        let mut stream = AsyncChunkStream::new(reader, profile()).unwrap();
        futures::executor::block_on(async {
            let error = loop {
                match stream.try_next().await {
                    Ok(chunk) => assert!(chunk.is_some(), "the error is lost"),
                    Err(error) => break error,
                }
            };
            assert!(matches!(error, ChunkingError::Io(error) if error.offset == 500));
            assert_eq!(stream.try_next().await.unwrap(), None);
        });
    }

    #[test]
    fn an_asynchronous_stream_resumes_at_its_last_cut() {
        let data = noise(20_000);
        let mut stream = AsyncChunkStream::new(&data[..], profile()).unwrap();
        let mut chunks = Vec::new();
        futures::executor::block_on(async {
            for _ in 0..3 {
                chunks.extend(stream.try_next().await.unwrap());
            }
            let last_cut = stream.last_cut();
            assert_eq!(last_cut, chunks.iter().map(|chunk| chunk.length as u64).sum::<u64>());
            let rest = &data[usize::try_from(last_cut).unwrap()..];
            let resumed = AsyncChunkStream::resume_at(rest, profile(), last_cut).unwrap();
            chunks.extend(resumed.try_collect::<Vec<_>>().await.unwrap());
        });
        assert_eq!(chunks, expected(&data));
    }

    #[test]
    fn an_asynchronous_stream_that_could_need_more_than_its_limit_is_refused() {
        let stream = || AsyncChunkStream::new(&[][..], profile()).unwrap();
        let required = 1024 + (1 << 20);
        assert!(stream().within_buffer_limit(required).is_ok());
        let refused = stream().within_buffer_limit(required - 1).map(|_| ());
        assert_eq!(refused.unwrap_err().code(), "memory_limit_exceeded");
    }

    #[tokio::test]
    async fn a_reader_of_tokio_gives_the_same_chunks() {
        let data = noise(5000);
        let stream = AsyncChunkStream::from_tokio(data.as_slice(), profile()).unwrap();
        let cut = usize::try_from(expected(&data)[3].offset).unwrap();
        let rest = AsyncChunkStream::resume_at(Tokio(&data[cut..]), profile(), cut as u64).unwrap();
        assert_eq!(rest.try_collect::<Vec<_>>().await.unwrap(), expected(&data)[3..]);
        assert_eq!(stream.try_collect::<Vec<_>>().await.unwrap(), expected(&data));
    }
}
