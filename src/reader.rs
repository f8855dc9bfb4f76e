//! What a reader may answer.

use std::io;

/// Turns a length that cannot be true into an error.
pub(crate) fn checked_length(read: io::Result<usize>, space: usize) -> io::Result<usize> {
    match read {
        Ok(length) if length > space => {
            Err(io::Error::other("the reader claims more bytes than it had space for"))
        }
        read => read,
    }
}
