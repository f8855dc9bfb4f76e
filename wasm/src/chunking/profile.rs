//! Profiles from JavaScript: the one place that decodes them.

use super::hash_algorithm;
use crate::failure::Failure;
use crate::number;
use chunker::Profile;
use chunker::chunking::ChunkingOptions;
use js_sys::{Array, Reflect};
use wasm_bindgen::prelude::*;

/// Returns what JavaScript needs of a profile: its id, average and largest size in bytes, and the name of
/// its hash algorithm.
#[wasm_bindgen(js_name = resolveProfile)]
pub fn resolve(profile: &JsValue) -> Result<Array, Failure> {
    let profile = profile_of(profile)?;
    let options = profile.options();
    Ok(Array::of4(
        &profile.to_string().into(),
        &options.avg_size().into(),
        &options.max_size().into(),
        &profile.hash_algorithm().name().into(),
    ))
}

/// Returns the id of the Remote Execution API's profile for an average size in bytes.
#[wasm_bindgen(js_name = remoteExecutionProfile)]
pub fn remote_execution(avg_size: &JsValue) -> Result<String, Failure> {
    let avg_size = number::size(avg_size, "avgSize")?.ok_or_else(|| Failure::size("avgSize"))?;
    Ok(Profile::remote_execution(avg_size)?.to_string())
}

/// Returns the profile with an id or a name, or with the fields of an object; `undefined` stands for the
/// core's default.
pub(crate) fn profile_of(profile: &JsValue) -> Result<Profile, Failure> {
    if profile.is_undefined() {
        return Ok(Profile::default());
    }
    if let Some(text) = profile.as_string() {
        return Profile::named(&text).map_or_else(|| Ok(text.parse()?), Ok);
    }
    if !profile.is_object() {
        return Err(Failure::argument("profile is not an id, a name or an object"));
    }
    let field = |name: &str| {
        Reflect::get(profile, &name.into()).map_err(|_| Failure::argument("cannot read profile"))
    };
    let size = |name| number::size(&field(name)?, name);
    let mut resolved =
        Profile::from(ChunkingOptions::resolve(size("minSize")?, size("avgSize")?, size("maxSize")?)?);
    if let Some(level) = size("level")? {
        resolved = resolved.level(u8::try_from(level).unwrap_or(u8::MAX))?; // which is above all levels too
    }
    let seed = field("seed")?;
    if !seed.is_undefined() {
        let seed = number::integer(&seed).or_else(|| u64::try_from(seed).ok());
        resolved = resolved.seed(seed.ok_or(Failure::SEED)?);
    }
    let hash = field("hash")?;
    if !hash.is_undefined() {
        resolved = resolved.hash(hash_algorithm(&hash)?);
    }
    Ok(resolved)
}
