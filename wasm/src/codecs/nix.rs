//! Base32, hashes, narinfo files and their signatures as Nix has them.

use super::option;
use super::signing::secret_key_of;
use crate::bytes;
use crate::failure::Failure;
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{
    NarInfo, NarInfoFile, NixHashFormat, NixPublicKey, NixSecretKey, nix_hash_decode, nix_hash_encode,
};
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
        let hash = digest_of(nar_hash, "narHash is not 32 bytes long")?;
        let size = option(nar_size, "narSize is not an integer from 0 to 2^53-1")?
            .ok_or(Failure::argument("narSize is missing"))?;
        Ok(Self(NarInfo::new(store_path, hash, size, references)?))
    }

    /// Returns the text that is signed.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.to_string()
    }
}

fn digest_of(bytes: &Uint8Array, refusal: &'static str) -> Result<[u8; 32], Failure> {
    bytes::copied(bytes)?.try_into().map_err(|_| Failure::argument(refusal))
}

/// Returns a SHA-256 digest as Nix writes it.
#[wasm_bindgen(js_name = nixHashEncode)]
pub fn hash_encode(digest: &Uint8Array, format: &str) -> Result<String, Failure> {
    let format = match format {
        "base32" => NixHashFormat::Base32,
        "base16" => NixHashFormat::Base16,
        "sri" => NixHashFormat::Sri,
        _ => return Err(Failure::argument("format is not base32, base16 or sri")),
    };
    Ok(nix_hash_encode(&digest_of(digest, "digest is not 32 bytes long")?, format))
}

/// Returns the SHA-256 digest of a text of Nix.
#[wasm_bindgen(js_name = nixHashDecode)]
pub fn hash_decode(text: &str) -> Result<Uint8Array, Failure> {
    Ok(Uint8Array::from(nix_hash_decode(text)?.as_slice()))
}

/// A whole narinfo file.
#[wasm_bindgen(js_name = NarInfoFile)]
pub struct JsNarInfoFile(NarInfoFile);

#[wasm_bindgen(js_class = NarInfoFile)]
impl JsNarInfoFile {
    /// Returns the file of a text.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        Ok(Self(NarInfoFile::parse(text)?))
    }

    /// Returns the file of its fields; `other` has names and values in turn.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::too_many_arguments)] // each is a line of the file
    pub fn new(
        narinfo: &JsNarInfo,
        url: &str,
        compression: String,
        file_hash: Option<Uint8Array>,
        file_size: &JsValue,
        deriver: Option<String>,
        signatures: Vec<String>,
        ca: Option<String>,
        other: Vec<String>,
    ) -> Result<Self, Failure> {
        let mut file = NarInfoFile::new(narinfo.0.clone(), url);
        file.compression = compression;
        file.file_hash =
            file_hash.map(|hash| digest_of(&hash, "fileHash is not 32 bytes long")).transpose()?;
        file.file_size = option(file_size, "fileSize is not an integer from 0 to 2^53-1")?;
        file.deriver = deriver;
        file.signatures = signatures;
        file.ca = ca;
        file.other = other.as_chunks::<2>().0.iter().cloned().map(<(String, String)>::from).collect();
        Ok(Self(file))
    }

    /// Returns the text.
    #[wasm_bindgen(js_name = toText)]
    pub fn to_text(&self) -> Result<String, Failure> {
        Ok(self.0.to_text()?)
    }

    /// The full store path.
    #[wasm_bindgen(getter, js_name = storePath)]
    #[must_use]
    pub fn store_path(&self) -> String {
        self.0.narinfo.store_path().into()
    }

    /// The digest of the NAR.
    #[wasm_bindgen(getter, js_name = narHash)]
    #[must_use]
    pub fn nar_hash(&self) -> Uint8Array {
        Uint8Array::from(self.0.narinfo.nar_hash().as_slice())
    }

    /// Bytes of the NAR.
    #[wasm_bindgen(getter, js_name = narSize)]
    #[must_use]
    pub fn nar_size(&self) -> u64 {
        self.0.narinfo.nar_size()
    }

    /// The full paths of what it refers to.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        self.0.narinfo.references().to_vec()
    }

    /// Where the NAR is.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    /// The compression of the file there.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn compression(&self) -> String {
        self.0.compression.clone()
    }

    /// The digest of the file there.
    #[wasm_bindgen(getter, js_name = fileHash)]
    #[must_use]
    pub fn file_hash(&self) -> Option<Uint8Array> {
        self.0.file_hash.map(|hash| Uint8Array::from(hash.as_slice()))
    }

    /// Bytes of the file there.
    #[wasm_bindgen(getter, js_name = fileSize)]
    #[must_use]
    pub fn file_size(&self) -> Option<u64> {
        self.0.file_size
    }

    /// The full path of what was built.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn deriver(&self) -> Option<String> {
        self.0.deriver.clone()
    }

    /// All signatures.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn signatures(&self) -> Vec<String> {
        self.0.signatures.clone()
    }

    /// How the path is content-addressed.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn ca(&self) -> Option<String> {
        self.0.ca.clone()
    }

    /// Fields of other names: names and values in turn.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn other(&self) -> Vec<String> {
        self.0.other.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
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
