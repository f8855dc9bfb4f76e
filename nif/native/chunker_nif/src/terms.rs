//! Terms that rustler does not encode or decode as we need them.

use rustler::{Binary, Decoder, Encoder, Env, NewBinary, NifResult, Term};

/// Bytes that become a binary: on the heap of the process up to 64 bytes, shared above that.
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
    /// Returns the bytes of all items that are binaries.
    pub(crate) fn bytes(&self) -> usize {
        self.binaries().iter().flatten().map(|data| data.len()).sum()
    }

    /// Returns the bytes of each item; `None` stands for one that is not a binary.
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

/// Turns a body into two NIFs: one for the scheduler of its caller, whose first statement reports how much of a
/// timeslice it takes, and one for a dirty CPU scheduler.
macro_rules! twins {
    (
        $(#[$doc:meta])*
        $normal:ident, $dirty:ident($env:ident, $($arguments:tt)+) -> $result:ty {
            $account:expr;
            $($body:tt)+
        }
    ) => {
        $(#[$doc])*
        #[rustler::nif]
        fn $normal<'a>(env: Env<'a>, $($arguments)+) -> $result {
            let $env = env; // what rustler calls so is out of the body's sight
            $account;
            $($body)+
        }

        $(#[$doc])*
        #[rustler::nif(schedule = "DirtyCpu")]
        #[allow(unused_variables)] // only the account may need it
        fn $dirty<'a>(env: Env<'a>, $($arguments)+) -> $result {
            let $env = env;
            $($body)+
        }
    };
}

pub(crate) use twins;
