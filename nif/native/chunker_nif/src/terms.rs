//! Terms that rustler alone does not make or take as we need them.

use rustler::{Binary, Decoder, Encoder, Env, NewBinary, NifResult, Term};

/// Bytes that become a binary: up to 64 on the heap of the process, above shared.
pub(crate) struct Bytes<T>(pub(crate) T);

impl<T: AsRef<[u8]>> Encoder for Bytes<T> {
    fn encode<'a>(&self, env: Env<'a>) -> Term<'a> {
        NewBinary::from_slice(env, self.0.as_ref()).into()
    }
}

/// The items of a proper list; with an improper one, the call raises `ArgumentError`.
pub(crate) struct Items<'a>(pub(crate) Vec<Term<'a>>);

impl<'a> Decoder<'a> for Items<'a> {
    fn decode(term: Term<'a>) -> NifResult<Self> {
        let mut items = Vec::with_capacity(term.list_length()?);
        items.extend(term.into_list_iterator()?);
        Ok(Self(items))
    }
}

impl<'a> Items<'a> {
    /// Returns the bytes of each item; `None` stands for one that is no binary.
    pub(crate) fn binaries(&self) -> Vec<Option<&'a [u8]>> {
        self.0.iter().map(|&item| Binary::from_term(item).ok().map(|binary| binary.as_slice())).collect()
    }
}

/// Tells the scheduler how much of a timeslice, which is about 1 ms, a call took that handled `bytes`
/// bytes.
pub(crate) fn account(env: Env<'_>, bytes: usize, bytes_per_percent: usize) {
    let percent = i32::try_from(bytes / bytes_per_percent).map_or(100, |percent| percent.clamp(1, 100));
    rustler::schedule::consume_timeslice(env, percent);
}
