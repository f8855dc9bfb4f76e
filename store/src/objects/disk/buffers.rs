//! Buffers of earlier reads, for later ones: the kernel clears every page of a new buffer.

use bytes::Bytes;
use std::io::{self, Read};
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Length in bytes of the shortest buffer to keep; the allocator keeps shorter ones itself.
const SHORTEST: usize = 256 << 10;
/// Limit in bytes for the memory beyond what reads asked for: the buffers of two downloads.
const MOST: usize = 32 << 20;

/// Gives the buffers of earlier reads to later ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Kept>>);

/// Memory beyond what reads asked for.
#[derive(Debug, Default)]
struct Kept {
    /// Buffers that nobody uses.
    spares: Vec<Vec<u8>>,
    /// Bytes of buffers in use beyond the lengths of their reads.
    excess: usize,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.spares.iter().map(Vec::capacity).sum::<usize>() + self.excess
    }
}

impl Buffers {
    /// Reads at most `length` bytes.
    pub(super) fn read(&self, file: impl Read, length: usize) -> io::Result<Bytes> {
        let (mut bytes, excess) = if length < SHORTEST { (Vec::new(), 0) } else { self.spare(length) };
        bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let mut file = file.take(length as u64);
        if length < SHORTEST {
            file.read_to_end(&mut bytes)?;
            return Ok(bytes.into());
        }
        let mut lent = Lent { bytes, excess, owner: self.clone() };
        file.read_to_end(&mut lent.bytes)?;
        Ok(Bytes::from_owner(lent))
    }

    /// Returns an empty buffer, with room for `length` bytes if there is one, and how much longer it is.
    fn spare(&self, length: usize) -> (Vec<u8>, usize) {
        let mut kept = self.kept();
        let fitting = kept.spares.iter().enumerate().filter(|(_, spare)| spare.capacity() >= length);
        match fitting.min_by_key(|(_, spare)| spare.capacity()) {
            Some((at, spare)) => {
                let excess = spare.capacity() - length;
                kept.excess += excess;
                (kept.spares.swap_remove(at), excess)
            }
            None => {
                kept.spares.pop(); // makes room for the longer one
                (Vec::new(), 0)
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes whose buffer is kept when the last of them is dropped.
struct Lent {
    bytes: Vec<u8>,
    /// As counted in [`Kept`].
    excess: usize,
    owner: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = take(&mut self.bytes);
        bytes.clear();
        let mut kept = self.owner.kept();
        kept.excess -= self.excess;
        if kept.bytes() + bytes.capacity() <= MOST {
            kept.spares.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stays_while_others_are_read() {
        let buffers = Buffers::default();
        let data: Vec<u8> = (0..=250).cycle().take(4 * SHORTEST).collect();
        let mut held = Vec::new();
        for round in 0..20 {
            for length in [0, 1, SHORTEST - 1, SHORTEST, SHORTEST + round, 2 * SHORTEST, data.len() - round] {
                let read = buffers.read(&data[round..], length).unwrap();
                held.push((round, round + length / 3..round + length, read.slice(length / 3..)));
            }
            held.retain(|(begun, ..)| round - begun < 2);
            assert!(held.iter().all(|(_, range, part)| part == &data[range.clone()]), "round {round}");
        }
    }

    #[test]
    fn a_buffer_serves_again_once_nobody_has_its_bytes() {
        let buffers = Buffers::default();
        let data = vec![7; 2 * SHORTEST];
        let first = buffers.read(&data[..], 2 * SHORTEST).unwrap();
        let (place, part) = (first.as_ptr(), first.slice(5..6));
        drop(first);
        assert_ne!(buffers.read(&data[..], SHORTEST).unwrap().as_ptr(), place);
        drop(part);
        let places: Vec<_> = buffers.kept().spares.iter().map(|spare| spare.as_ptr()).collect();
        assert!(places.contains(&place));
        assert_eq!(buffers.read(&data[..], 2 * SHORTEST).unwrap().as_ptr(), place);
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let buffers = Buffers::default();
        let data = vec![7; SHORTEST];
        let reads = 2 * MOST / SHORTEST;
        let held: Vec<_> = (0..reads).map(|_| buffers.read(&data[..], SHORTEST).unwrap()).collect();
        drop(held);
        assert_eq!(buffers.kept().bytes(), MOST);
    }

    #[test]
    fn what_short_reads_leave_of_long_buffers_counts_towards_the_limit() {
        let buffers = Buffers::default();
        let data = vec![7; MOST / 2];
        let mut held = Vec::new();
        for _ in 0..5 {
            drop(buffers.read(&data[..], MOST / 2).unwrap());
            held.push(buffers.read(&data[..], SHORTEST).unwrap());
            assert!(buffers.kept().bytes() <= MOST);
        }
        // Two of them have long buffers.
        assert_eq!(buffers.kept().excess, MOST - 2 * SHORTEST);
        drop(held);
        assert_eq!(buffers.kept().excess, 0);
    }

    #[test]
    fn a_read_that_fails_gives_its_buffer_back() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::Other.into())
            }
        }
        let buffers = Buffers::default();
        drop(buffers.read(&vec![7; 2 * SHORTEST][..], 2 * SHORTEST).unwrap());
        buffers.read(Failing, SHORTEST).unwrap_err();
        let kept = buffers.kept();
        assert_eq!((kept.spares.len(), kept.excess), (1, 0));
    }
}
