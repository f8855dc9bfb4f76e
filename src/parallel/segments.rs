//! The chunks of one buffer, found on all threads of a pool.
//!
//! Cuts restart at every cut, so two chunkings of the same bytes that share one cut share all later
//! ones. A window of the buffer is halved again and again, and each half is cut on its own, as if a
//! chunk began where it begins. Then the last chunk of the left half is followed by further cuts
//! until one of them is a cut of the right half too: from there on the right half is right. On most
//! data that takes two or three chunks.
//!
//! Data that never falls into step, such as a short period, is cut by one thread in the end. Threads
//! give a window up as soon as that shows.

use crate::cut::cut_points;
use crate::observability::hooks;
use crate::options::ChunkingOptions;
use crate::profile::Profile;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

/// Segments of a window for each thread, so that a thread which is done early finds more to do.
const SEGMENTS_PER_THREAD: usize = 4;

/// The shortest and the longest segment in average chunks: following the cuts from one segment into
/// the next must be short beside the segment, and giving a window up must not concern too many bytes.
const SEGMENT_CHUNKS: (usize, usize) = (2, 64);

/// Below this many bytes a segment is not worth a task.
const SEGMENT_FLOOR: usize = 256 * 1024;

/// Up to this many bytes a segment may be longer than its chunks ask for.
const SEGMENT_CEILING: usize = 4 * 1024 * 1024;

/// Cuts found by content after which a segment is believed to be in step. Cuts at `max_size` say
/// nothing.
const SETTLING_CUTS: usize = 3;

/// A chunk and what was computed of it.
pub(super) struct Found<T> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) value: T,
}

/// Returns the chunks of `data` in order, window by window.
///
/// `value` is computed of each chunk by the thread that found it, just after the scan. Its second
/// argument says whether the chunk is likely to be one: where it is false, work may be wasted.
pub(super) fn windows<T: Send>(
    data: &[u8],
    profile: Profile,
    value: impl Fn(&[u8], bool) -> T + Sync,
) -> impl Iterator<Item = Vec<Found<T>>> {
    let segments = SEGMENTS_PER_THREAD * rayon::current_num_threads();
    let segment = segment_length(data.len() / segments, profile.options());
    windows_of(data, profile, segment, segment.saturating_mul(segments), value)
}

fn windows_of<T: Send>(
    data: &[u8],
    profile: Profile,
    segment: usize,
    window: usize,
    value: impl Fn(&[u8], bool) -> T + Sync,
) -> impl Iterator<Item = Vec<Found<T>>> {
    let mut start = 0;
    core::iter::from_fn(move || {
        if start == data.len() {
            return None;
        }
        let end = data.len().min(start.saturating_add(window));
        let out_of_step = AtomicBool::new(false);
        let chunks = Window { data, profile, segment, start, out_of_step, value: &value }.chunks(start, end);
        start = chunks.last().map_or(data.len(), |chunk| chunk.end);
        Some(chunks)
    })
}

/// Returns the length of a segment nearest to `wanted` bytes.
///
/// A multiple of `max_size` where that is possible: data without any cut by content, such as zeros,
/// is cut at the multiples of `max_size`, and all segments are in step.
fn segment_length(wanted: usize, options: ChunkingOptions) -> usize {
    let (least, most) = SEGMENT_CHUNKS;
    let least = (least * options.avg_size()).max(SEGMENT_FLOOR);
    let most = (most * options.avg_size()).max(SEGMENT_CEILING);
    let length = wanted.clamp(least, most);
    if options.max_size() <= length { length.next_multiple_of(options.max_size()) } else { length }
}

struct Window<'a, F> {
    data: &'a [u8],
    profile: Profile,
    segment: usize,
    /// Where the window begins: at a true cut.
    start: usize,
    /// A half was followed to its end without a cut in common.
    out_of_step: AtomicBool,
    value: &'a F,
}

impl<F> Window<'_, F> {
    /// Returns the chunks from `start` to the first cut at or behind `end`, by all threads.
    ///
    /// Fewer when the window was given up, unless `start` is that of the window.
    fn chunks<T: Send>(&self, start: usize, end: usize) -> Vec<Found<T>>
    where
        F: Fn(&[u8], bool) -> T + Sync,
    {
        let segments = (end - start).div_ceil(self.segment);
        if segments <= 1 {
            return self.segment_chunks(start, end);
        }
        let middle = start + segments / 2 * self.segment;
        let (mut left, right) = rayon::join(|| self.chunks(start, middle), || self.chunks(middle, end));
        self.follow(start, &mut left, middle, right, end);
        left
    }

    /// Returns the same as [`chunks`](Self::chunks), by this thread.
    fn segment_chunks<T>(&self, start: usize, end: usize) -> Vec<Found<T>>
    where
        F: Fn(&[u8], bool) -> T,
    {
        let mut chunks = Vec::new();
        let mut content_cuts = 0;
        let mut from = start;
        let mut cuts = cut_points(&self.data[start..], self.profile);
        while let Some(cut) = hooks::cutting(|| cuts.next()) {
            let to = start + cut;
            let settled = start == self.start || content_cuts >= SETTLING_CUTS;
            chunks.push(Found { start: from, end: to, value: (self.value)(&self.data[from..to], settled) });
            if to >= end || self.is_given_up(start) {
                break;
            }
            content_cuts += usize::from(to - from < self.profile.options().max_size());
            from = to;
        }
        chunks
    }

    /// Appends to `left`, which begins at `start`, the chunks up to `end`: found one by one until one
    /// ends where a chunk of `right` does, then those of `right`, which begins at `middle`.
    fn follow<T>(
        &self,
        start: usize,
        left: &mut Vec<Found<T>>,
        middle: usize,
        right: Vec<Found<T>>,
        end: usize,
    ) where
        F: Fn(&[u8], bool) -> T,
    {
        let base = left.last().map_or(start, |chunk| chunk.end);
        let mut cuts = cut_points(&self.data[base..], self.profile);
        let mut right = right.into_iter().peekable();
        let mut from = base;
        loop {
            while right.next_if(|chunk| chunk.end < from).is_some() {}
            if from == middle || right.next_if(|chunk| chunk.end == from).is_some() {
                left.extend(right);
                return;
            }
            if from >= end {
                self.out_of_step.store(true, Ordering::Relaxed);
                return;
            }
            if self.is_given_up(start) {
                return;
            }
            let Some(cut) = hooks::cutting(|| cuts.next()) else { return };
            let to = base + cut;
            left.push(Found { start: from, end: to, value: (self.value)(&self.data[from..to], false) });
            from = to;
        }
    }

    /// Whether chunks from `start` on are a guess that will not be needed.
    fn is_given_up(&self, start: usize) -> bool {
        start != self.start && self.out_of_step.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicUsize;
    use proptest::prelude::*;

    fn profiles() -> impl Strategy<Value = Profile> {
        (32..100usize, 0..200usize, 0..1000usize).prop_map(|(min, more, most)| {
            let (min, avg) = (2 * min, 2 * (min + more));
            Profile::new(min, avg, avg + 2 * most).expect("valid sizes")
        })
    }

    /// Noise, text, constants, short periods, and runs of one byte.
    fn data() -> impl Strategy<Value = Vec<u8>> {
        let word = prop::sample::select(&["the ", "cut ", "of a ", "chunk, ", "gear\n"][..]);
        let period = (prop::collection::vec(any::<u8>(), 1..200), 0..40_000usize);
        let run = (any::<u8>(), 1..3000usize);
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40_000),
            prop::collection::vec(word, 0..8000).prop_map(|words| words.concat().into_bytes()),
            period.prop_map(|(period, length)| period.into_iter().cycle().take(length).collect()),
            prop::collection::vec(run, 0..30).prop_map(|runs| runs
                .into_iter()
                .flat_map(|(byte, length)| core::iter::repeat_n(byte, length))
                .collect()),
        ]
    }

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn segments_of_any_length_give_the_cuts_of_one_thread(
            profile in profiles(),
            data in data(),
            segment in 1..6000usize,
            segments in 1..20usize,
            threads in 1..=8usize,
        ) {
            let value = |chunk: &[u8], _| chunk.to_vec();
            let chunks: Vec<_> = pool(threads)
                .install(|| windows_of(&data, profile, segment, segment * segments, value).flatten().collect());
            prop_assert!(chunks.iter().map(|chunk| chunk.end).eq(cut_points(&data, profile)));
            prop_assert!(chunks.iter().all(|chunk| chunk.value == data[chunk.start..chunk.end]));
            prop_assert_eq!(chunks.iter().flat_map(|chunk| chunk.value.clone()).collect::<Vec<_>>(), data);
        }
    }

    /// Small enough for Miri: `make miri-concurrent`.
    #[test]
    fn two_threads_give_the_cuts_of_one_in_every_order_of_steps() {
        let profile = Profile::new(64, 64, 128).expect("valid sizes");
        let data: Vec<u8> = (0..900u32).map(|i| (i * i).to_be_bytes()[2]).collect();
        for data in [&data[..], &[0; 900]] {
            let chunks = pool(2).install(|| {
                windows_of(data, profile, 150, 600, |chunk, _| chunk.to_vec()).flatten().collect::<Vec<_>>()
            });
            assert!(chunks.iter().map(|chunk| chunk.end).eq(cut_points(data, profile)));
            assert!(chunks.iter().all(|chunk| chunk.value == data[chunk.start..chunk.end]));
        }
    }

    /// Returns how often a chunk was found, true or not, in `data` and in what one thread finds.
    fn found(data: &[u8], profile: Profile, segment: usize, segments: usize) -> (usize, usize) {
        let found = AtomicUsize::new(0);
        let count = |_: &[u8], _| found.fetch_add(1, Ordering::Relaxed);
        let window = segment * segments;
        let chunks: usize = pool(1)
            .install(|| windows_of(data, profile, segment, window, count).map(|window| window.len()).sum());
        (found.into_inner(), chunks)
    }

    #[test]
    fn data_without_cuts_by_content_is_in_step_at_once() {
        let profile = Profile::new(64, 256, 1024).expect("valid sizes");
        let (found, chunks) = found(&[0; 1 << 20], profile, segment_length(1, profile.options()), 8);
        assert_eq!((found, chunks), (1024, 1024));
    }

    #[test]
    fn noise_falls_into_step_after_a_few_chunks() {
        let profile = Profile::new(64, 256, 1024).expect("valid sizes");
        let mut state = 1u64;
        let noise: Vec<u8> = core::iter::repeat_with(|| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1); // Knuth's MMIX
            state.to_be_bytes()[0]
        })
        .take(1 << 20)
        .collect();
        let segments = 32;
        let mut windows =
            windows_of(&noise, profile, noise.len() / segments, noise.len(), |_, settled| settled);
        let chunks = pool(4).install(|| windows.next()).expect("a window");
        let followed = chunks.iter().filter(|chunk| !chunk.value).count();
        assert!(followed <= 8 * segments, "{followed} of {} chunks", chunks.len());
    }

    #[test]
    fn data_that_never_falls_into_step_is_cut_at_most_twice() {
        let profile = Profile::new(64, 256, 1024).expect("valid sizes");
        let data = [0; 1 << 20];
        for segments in [2, 4, 8, 64] {
            let (found, chunks) = found(&data, profile, 4096 + 2, segments);
            assert!(found > chunks, "no segment is in step");
            assert!(found <= 2 * chunks, "{found} for {chunks} chunks in {segments} segments");
        }
    }
}
