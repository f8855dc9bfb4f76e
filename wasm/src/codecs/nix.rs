//! Base32 and signatures of narinfo files as Nix has them.

use super::option;
use super::signing::secret_key_of;
use crate::bytes;
use crate::failure::Failure;
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{NarInfo, NixPublicKey, NixSecretKey};
use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

/// Returns `data` in Nix's base32.
#[wasm_bindgen(js_name = nixBase32Encode)]
pub fn base32_encode(data: &Uint8Array) -> Result<String, Failure> {
    Ok(nix_base32_encode(&bytes::copied(data)?))
}

/// Returns the bytes of a text in Nix's base32.
#[wasm_bindgen(js_name = nixBase32Decode)]
pub fn base32_decode(text: &str) -> Result<Uint8Array, Failure> {
    Ok(Uint8Array::from(nix_base32_decode(text)?.as_slice()))
}

/// The signed part of a narinfo.
#[wasm_bindgen(js_name = NarInfo)]
pub struct JsNarInfo(NarInfo);

#[wasm_bindgen(js_class = NarInfo)]
impl JsNarInfo {
    /// Returns the narinfo with these fields.
    #[wasm_bindgen(constructor)]
    pub fn new(
        store_path: &str,
        nar_hash: &Uint8Array,
        nar_size: &JsValue,
        references: Vec<String>,
    ) -> Result<Self, Failure> {
        let hash = bytes::copied(nar_hash)?;
        let hash = hash.try_into().map_err(|_| Failure::argument("narHash is not 32 bytes long"))?;
        let size = option(nar_size, "narSize is not an integer in 0..=2^53-1")?
            .ok_or(Failure::argument("narSize is missing"))?;
        Ok(Self(NarInfo::new(store_path, hash, size, references)?))
    }

    /// Returns the text that is signed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.to_string()
    }
}

/// A key with a name that signs narinfo files. Its memory is overwritten when it is freed.
#[wasm_bindgen(js_name = NixSecretKey)]
pub struct JsNixSecretKey(NixSecretKey);

#[wasm_bindgen(js_class = NixSecretKey)]
impl JsNixSecretKey {
    /// Returns a key with a name.
    #[wasm_bindgen(constructor)]
    pub fn new(name: &str, key: &JsValue) -> Result<Self, Failure> {
        Ok(Self(NixSecretKey::new(name, secret_key_of(key)?)?))
    }

    /// Returns the key of a file's content.
    pub fn parse(text: String) -> Result<Self, Failure> {
        Ok(Self(NixSecretKey::parse(&Zeroizing::new(text))?))
    }

    /// Returns the content of a key file.
    #[wasm_bindgen(js_name = toText)]
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_text().to_string()
    }

    /// Returns the text of the public key.
    #[wasm_bindgen(js_name = publicKey)]
    #[must_use]
    pub fn public_key(&self) -> String {
        self.0.public_key().to_string()
    }

    /// Returns the value of a narinfo's line `Sig:`.
    #[must_use]
    pub fn sign(&self, narinfo: &JsNarInfo) -> String {
        self.0.sign(&narinfo.0)
    }
}

/// A key with a name that verifies signatures of narinfo files.
#[wasm_bindgen(js_name = NixPublicKey)]
pub struct JsNixPublicKey(NixPublicKey);

#[wasm_bindgen(js_class = NixPublicKey)]
impl JsNixPublicKey {
    /// Returns the key of an entry of `trusted-public-keys`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Ok(Self(NixPublicKey::parse(text)?))
    }

    /// Returns the key's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.name().into()
    }

    /// Returns the entry.
    #[wasm_bindgen(js_name = toText)]
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// Checks the value of a narinfo's line `Sig:`.
    pub fn verify(&self, narinfo: &JsNarInfo, signature: &str) -> Result<(), Failure> {
        Ok(self.0.verify(&narinfo.0, signature)?)
    }
}
