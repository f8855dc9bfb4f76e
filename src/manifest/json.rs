//! The JSON form of a manifest, for JavaScript: integers above 2^53 − 1 are decimal strings.
//!
//! ```json
//! {"version": 1, "profile": "fastcdc-v2020/nc1/64-256-1024/sha256", "totalLength": 3,
//!  "chunks": [{"hash": "ba7816bf…", "offset": 0, "length": 3}]}
//! ```

use super::{Manifest, ManifestError};
use crate::chunking::chunk::{ChunkDescriptor, digest_from_hex};
use crate::profile::Profile;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest integer up to which JavaScript's numbers are exact.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Json {
    version: u8,
    profile: String,
    total_length: Integer,
    chunks: Vec<JsonChunk>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonChunk {
    hash: String,
    offset: Integer,
    length: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Integer(u64);

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 > MAX_SAFE_INTEGER {
            return serializer.serialize_str(&self.0.to_string());
        }
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Number(u64),
            Text(String),
        }
        let form = Form::deserialize(deserializer)?;
        let value = match &form {
            Form::Number(value) => Some(*value),
            Form::Text(digits) => digits.parse().ok().filter(|value: &u64| value.to_string() == *digits),
        };
        let canonical = value.filter(|&value| (value > MAX_SAFE_INTEGER) == matches!(form, Form::Text(_)));
        canonical.map(Self).ok_or_else(|| D::Error::custom("integer in another form than its canonical one"))
    }
}

impl Serialize for Manifest {
    #[expect(clippy::cast_possible_truncation, reason = "a chunk has at most 1 GiB")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let chunk = |chunk: &ChunkDescriptor| JsonChunk {
            hash: chunk.hash_hex(),
            offset: Integer(chunk.offset),
            length: chunk.length as u32,
        };
        let json = Json {
            version: 1,
            profile: self.profile.to_string(),
            total_length: Integer(self.total_length),
            chunks: self.chunks.iter().map(chunk).collect(),
        };
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Manifest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        if json.version != 1 {
            return Err(D::Error::custom(ManifestError::Version { version: json.version }));
        }
        let profile: Profile = json.profile.parse().map_err(D::Error::custom)?;
        let chunk = |chunk: JsonChunk| {
            let hash = digest_from_hex(&chunk.hash).map_err(D::Error::custom)?;
            Ok(ChunkDescriptor { hash, offset: chunk.offset.0, length: chunk.length as usize })
        };
        let chunks = json.chunks.into_iter().map(chunk).collect::<Result<_, _>>()?;
        let manifest = Self::new(profile, chunks).map_err(D::Error::custom)?;
        if manifest.total_length != json.total_length.0 {
            return Err(D::Error::custom("chunks of another total length than the manifest says"));
        }
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests {
    use super::Integer;
    use serde_json::{Value, from_value, json, to_value};

    #[test]
    fn an_integer_is_a_number_as_far_as_javascript_has_it_and_else_a_string() {
        for (integer, form) in [
            (0, json!(0)),
            (9_007_199_254_740_991, json!(9_007_199_254_740_991_u64)),
            (9_007_199_254_740_992, json!("9007199254740992")),
            (u64::MAX, json!("18446744073709551615")),
        ] {
            assert_eq!(to_value(Integer(integer)).unwrap(), form);
            assert_eq!(from_value::<Integer>(form).unwrap().0, integer);
        }
        let other: [Value; 6] = [
            json!(9_007_199_254_740_992_u64),
            json!("9007199254740991"),
            json!("09007199254740992"),
            json!("+9007199254740992"),
            json!("18446744073709551616"),
            json!(-1),
        ];
        for form in other {
            assert!(from_value::<Integer>(form.clone()).is_err(), "{form}");
        }
    }
}
