//! Bodies that are needed whole.

use super::answer::Refusal;
use super::budget::{Budget, Busy, Reservation};
use super::space::{Space, SpoolWriter};
use crate::store::Inner;
use bytes::Bytes;

/// A body that is arriving.
#[derive(Debug)]
pub(super) enum Collected {
    Memory(Vec<u8>, Reservation),
    Disk(SpoolWriter, Reservation),
}

impl Collected {
    /// Begins a body of `length` bytes; waits until there is space for it.
    pub(super) async fn begin(budget: &Budget, inner: &Inner, length: u64) -> Result<Self, Refusal> {
        Ok(match Space::take(budget, inner, length).await? {
            Space::Memory(memory) => Self::Memory(Vec::new(), memory),
            Space::Disk(writer, memory) => Self::Disk(writer, memory),
        })
    }

    /// Takes the next piece of a body of `length` bytes.
    pub(super) async fn push(&mut self, piece: Bytes, length: u64) -> Result<(), Refusal> {
        match self {
            Self::Memory(bytes, _) => append(bytes, &piece, length),
            Self::Disk(writer, _) => writer.push(piece).await?,
        }
        Ok(())
    }

    /// Returns the complete body of `length` bytes once its user has taken `memory`, which covers it.
    pub(super) async fn finish(
        self,
        length: u64,
        memory: impl Future<Output = Result<Reservation, Busy>>,
    ) -> Result<(Vec<u8>, Reservation), Refusal> {
        match self {
            Self::Memory(bytes, _arrived) => Ok((bytes, memory.await?)),
            Self::Disk(writer, _arrived) => {
                let mut spool = writer.finish().await?;
                let memory = memory.await?;
                let mut bytes = Vec::new();
                while (bytes.len() as u64) < length {
                    append(&mut bytes, spool.read().await?, length);
                }
                Ok((bytes, memory))
            }
        }
    }
}

/// Appends a piece to a body of `length` bytes.
fn append(body: &mut Vec<u8>, piece: &[u8], length: u64) {
    if body.capacity() == 0 {
        body.reserve_exact(usize::try_from(length).unwrap_or_default());
    }
    body.extend_from_slice(piece);
}
