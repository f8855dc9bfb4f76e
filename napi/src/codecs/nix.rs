//! Base32 and signatures of narinfo files as Nix has them.

use super::signing::{Binary, secret_key_of};
use crate::bytes;
use crate::failure::Failure;
use crate::number::{Number, option};
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{NarInfo, NixPublicKey, NixSecretKey};
use napi::Env;
use napi::bindgen_prelude::Uint8ArraySlice;
use napi_derive::napi;
use zeroize::Zeroizing;

/// Returns `data` in Nix's base32.
#[napi(js_name = "nixBase32Encode", catch_unwind)]
#[must_use]
pub fn base32_encode(data: &[u8]) -> String {
    nix_base32_encode(data)
}

/// Returns the bytes of a text in Nix's base32.
#[napi(js_name = "nixBase32Decode", catch_unwind)]
pub fn base32_decode(env: &Env, text: String) -> Result<Uint8ArraySlice<'_>, Failure> {
    bytes::copied(env, &nix_base32_decode(&text)?)
}

/// The signed part of a narinfo.
#[napi(js_name = "NarInfo")]
pub struct JsNarInfo(NarInfo);

#[napi]
impl JsNarInfo {
    /// Returns the narinfo with these fields.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        store_path: String,
        nar_hash: &[u8],
        nar_size: Number<'_>,
        references: Vec<String>,
    ) -> Result<Self, Failure> {
        let hash = nar_hash.try_into().map_err(|_| Failure::argument("narHash is not 32 bytes long"))?;
        let size = option(nar_size, "narSize is not an integer in 0..=2^53-1")?
            .ok_or(Failure::argument("narSize is missing"))?;
        Ok(Self(NarInfo::new(&store_path, hash, size, references)?))
    }

    /// Returns the text that is signed.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.to_string()
    }

    /// Has nothing to free before the garbage collector does.
    #[napi(catch_unwind)]
    pub fn free(&self) {}
}

/// A key with a name that signs narinfo files. Its memory is overwritten when it is freed.
#[napi(js_name = "NixSecretKey")]
pub struct JsNixSecretKey(Option<NixSecretKey>);

#[napi]
impl JsNixSecretKey {
    /// Returns a key with a name.
    #[napi(constructor, catch_unwind)]
    pub fn new(name: String, key: Binary<'_>) -> Result<Self, Failure> {
        Ok(Self(Some(NixSecretKey::new(&name, secret_key_of(key)?)?)))
    }

    /// Returns the key of a file's content.
    #[napi(factory, catch_unwind)]
    pub fn parse(text: String) -> Result<Self, Failure> {
        Ok(Self(Some(NixSecretKey::parse(&Zeroizing::new(text))?)))
    }

    /// Returns the content of a key file.
    #[napi(catch_unwind)]
    pub fn to_text(&self) -> Result<String, Failure> {
        Ok(self.get()?.to_text().to_string())
    }

    /// Returns the text of the public key.
    #[napi(catch_unwind)]
    pub fn public_key(&self) -> Result<String, Failure> {
        Ok(self.get()?.public_key().to_string())
    }

    /// Returns the value of a narinfo's line `Sig:`.
    #[napi(catch_unwind)]
    pub fn sign(&self, narinfo: &JsNarInfo) -> Result<String, Failure> {
        Ok(self.get()?.sign(&narinfo.0))
    }

    /// Overwrites and frees the key.
    #[napi(catch_unwind)]
    pub fn free(&mut self) {
        self.0 = None;
    }

    fn get(&self) -> Result<&NixSecretKey, Failure> {
        self.0.as_ref().ok_or(Failure::CLOSED)
    }
}

/// A key with a name that verifies signatures of narinfo files.
#[napi(js_name = "NixPublicKey")]
pub struct JsNixPublicKey(NixPublicKey);

#[napi]
impl JsNixPublicKey {
    /// Returns the key of an entry of `trusted-public-keys`.
    #[napi(factory, catch_unwind)]
    pub fn parse(text: String) -> Result<Self, Failure> {
        Ok(Self(NixPublicKey::parse(&text)?))
    }

    /// Returns the key's name.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// Returns the entry.
    #[napi(catch_unwind)]
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// Checks the value of a narinfo's line `Sig:`.
    #[napi(catch_unwind)]
    pub fn verify(&self, narinfo: &JsNarInfo, signature: String) -> Result<(), Failure> {
        Ok(self.0.verify(&narinfo.0, &signature)?)
    }

    /// Has nothing to free before the garbage collector does.
    #[napi(catch_unwind)]
    pub fn free(&self) {}
}
