//! Profiles from JavaScript: the one place that decodes them.

use super::hash_algorithm;
use crate::failure::Failure;
use crate::number::{self, Number, is_undefined};
use chunker::Profile;
use chunker::chunking::ChunkingOptions;
use napi::bindgen_prelude::{BigInt, Either, Either3, FromNapiValue, Object, Unknown};
use napi_derive::napi;

/// What may be a profile.
pub(crate) type Input<'a> = Either3<String, Object<'a>, Unknown<'a>>;

/// What JavaScript needs of a profile: its id, average and largest size in bytes, and the name of its
/// hash algorithm.
pub type Resolved = (String, f64, f64, String);

/// Returns the parts of a profile.
#[napi(js_name = "resolveProfile", catch_unwind)]
pub fn resolve(profile: Input<'_>) -> Result<Resolved, Failure> {
    let profile = profile_of(profile)?;
    let options = profile.options();
    let size = |size: usize| number::exact(size as u64);
    Ok((
        profile.to_string(),
        size(options.avg_size()),
        size(options.max_size()),
        profile.hash_algorithm().name().into(),
    ))
}

/// Returns the id of the Remote Execution API's profile for an average size in bytes.
#[napi(js_name = "remoteExecutionProfile", catch_unwind)]
pub fn remote_execution(avg_size: Number<'_>) -> Result<String, Failure> {
    let avg_size = number::size(avg_size, "avgSize")?.ok_or_else(|| Failure::size("avgSize"))?;
    Ok(Profile::remote_execution(avg_size)?.to_string())
}

/// Returns the profile with an id or a name, or with the fields of an object; `undefined` stands for the
/// core's default.
pub(crate) fn profile_of(profile: Input<'_>) -> Result<Profile, Failure> {
    let fields = match profile {
        Either3::A(text) => return Profile::named(&text).map_or_else(|| Ok(text.parse()?), Ok),
        Either3::B(fields) => fields,
        Either3::C(other) if is_undefined(&other) => return Ok(Profile::default()),
        Either3::C(_) => return Err(Failure::argument("profile is not an id, a name or an object")),
    };
    let size = |name| field::<Number<'_>>(&fields, name)?.map_or(Ok(None), |size| number::size(size, name));
    let mut resolved =
        Profile::from(ChunkingOptions::resolve(size("minSize")?, size("avgSize")?, size("maxSize")?)?);
    if let Some(level) = size("level")? {
        resolved = resolved.level(u8::try_from(level).unwrap_or(u8::MAX))?; // which is above all levels too
    }
    if let Some(seed) = field::<Either3<f64, BigInt, Unknown<'_>>>(&fields, "seed")? {
        resolved = resolved.seed(seed_of(seed).ok_or(Failure::SEED)?);
    }
    if let Some(hash) = field::<Either<String, Unknown<'_>>>(&fields, "hash")? {
        resolved = resolved.hash(hash_algorithm(hash)?);
    }
    Ok(resolved)
}

fn seed_of(seed: Either3<f64, BigInt, Unknown<'_>>) -> Option<u64> {
    match seed {
        Either3::A(number) => number::from_f64(number),
        Either3::B(seed) => match seed.get_u64() {
            (false, seed, true) => Some(seed),
            _ => None,
        },
        Either3::C(_) => None,
    }
}

/// Returns the value of a field that is there and not `undefined`.
fn field<T: FromNapiValue>(fields: &Object<'_>, name: &str) -> Result<Option<T>, Failure> {
    fields.get(name).map_err(|_| Failure::argument("cannot read profile"))
}
