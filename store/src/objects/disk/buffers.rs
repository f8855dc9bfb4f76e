//! Buffers of earlier reads, for later ones: the kernel clears every page of a new buffer.

use bytes::Bytes;
use std::io::{self, Read};
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Length in bytes of the shortest buffer to keep; the allocator keeps shorter ones itself.
const SHORTEST: usize = 256 << 10;
/// Limit in bytes for all buffers that are kept: those of two downloads.
const MOST: usize = 32 << 20;

/// Buffers that nobody uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// Reads at most `length` bytes.
    pub(super) fn read(&self, file: impl Read, length: usize) -> io::Result<Bytes> {
        let mut bytes = if length < SHORTEST { Vec::new() } else { self.spare(length) };
        bytes.try_reserve_exact(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(if length < SHORTEST {
            bytes.into()
        } else {
            Bytes::from_owner(Lent { bytes, owner: self.clone() })
        })
    }

    /// Returns an empty buffer, with room for `length` bytes if there is one. It is not much longer: requests take a
    /// share of the memory for what they read, and may hold it for long.
    fn spare(&self, length: usize) -> Vec<u8> {
        let mut spares = self.spares();
        let fitting = length..=length + length / 4;
        match spares.iter().position(|spare| fitting.contains(&spare.capacity())) {
            Some(at) => spares.swap_remove(at),
            None => {
                while !spares.is_empty() && bytes_of(&spares) + length > MOST {
                    spares.remove(0);
                }
                Vec::new()
            }
        }
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bytes_of(spares: &[Vec<u8>]) -> usize {
    spares.iter().map(Vec::capacity).sum()
}

/// Bytes whose buffer is kept when the last of them is dropped.
struct Lent {
    bytes: Vec<u8>,
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
        let mut spares = self.owner.spares();
        if bytes_of(&spares) + bytes.capacity() <= MOST {
            spares.push(bytes);
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
        let places: Vec<_> = buffers.spares().iter().map(|spare| spare.as_ptr()).collect();
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
        assert_eq!(bytes_of(&buffers.spares()), MOST);
        drop(buffers.read(&vec![7; 2 * SHORTEST][..], 2 * SHORTEST).unwrap());
        assert_eq!(bytes_of(&buffers.spares()), MOST);
        assert!(buffers.spares().iter().any(|spare| spare.capacity() == 2 * SHORTEST));
    }

    #[test]
    fn a_short_read_does_not_take_a_long_buffer() {
        let buffers = Buffers::default();
        let data = vec![7; 2 * SHORTEST];
        drop(buffers.read(&data[..], 2 * SHORTEST).unwrap());
        drop(buffers.read(&data[..], SHORTEST).unwrap());
        let lengths: Vec<_> = buffers.spares().iter().map(Vec::capacity).collect();
        assert_eq!(lengths, [2 * SHORTEST, SHORTEST]);
    }
}
