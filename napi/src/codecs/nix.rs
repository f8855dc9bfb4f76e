//! Base32, hashes, narinfo files and their signatures as Nix has them.

use super::signing::{Binary, secret_key_of};
use crate::bytes;
use crate::failure::Failure;
use crate::number::{Number, option};
use chunker::hashing::{nix_base32_decode, nix_base32_encode};
use chunker::nix::{
    NarInfo, NarInfoFile, NixHashFormat, NixPublicKey, NixSecretKey, nix_hash_decode, nix_hash_encode,
};
use napi::Env;
use napi::bindgen_prelude::{BigInt, Either, Uint8Array, Uint8ArraySlice};
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
        let hash = digest_of(nar_hash, "narHash is not 32 bytes long")?;
        let size = option(nar_size, "narSize is not an integer from 0 to 2^53-1")?
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

fn digest_of(bytes: &[u8], refusal: &'static str) -> Result<[u8; 32], Failure> {
    bytes.try_into().map_err(|_| Failure::argument(refusal))
}

/// Returns a SHA-256 digest as Nix writes it.
#[napi(js_name = "nixHashEncode", catch_unwind)]
pub fn hash_encode(digest: &[u8], format: String) -> Result<String, Failure> {
    let format = match format.as_str() {
        "base32" => NixHashFormat::Base32,
        "base16" => NixHashFormat::Base16,
        "sri" => NixHashFormat::Sri,
        _ => return Err(Failure::argument("format is not base32, base16 or sri")),
    };
    Ok(nix_hash_encode(&digest_of(digest, "digest is not 32 bytes long")?, format))
}

/// Returns the SHA-256 digest of a text of Nix.
#[napi(js_name = "nixHashDecode", catch_unwind)]
pub fn hash_decode(env: &Env, text: String) -> Result<Uint8ArraySlice<'_>, Failure> {
    bytes::copied(env, &nix_hash_decode(&text)?)
}

/// A whole narinfo file.
#[napi(js_name = "NarInfoFile")]
pub struct JsNarInfoFile(NarInfoFile);

#[napi]
impl JsNarInfoFile {
    /// Returns the file of a text.
    #[napi(factory, catch_unwind)]
    pub fn parse(text: String) -> Result<Self, Failure> {
        Ok(Self(NarInfoFile::parse(&text)?))
    }

    /// Returns the file of its fields; `other` has names and values in turn.
    #[napi(constructor, catch_unwind)]
    #[allow(clippy::too_many_arguments)] // each is a line of the file
    pub fn new(
        narinfo: &JsNarInfo,
        url: String,
        compression: String,
        file_hash: Option<Uint8Array>,
        file_size: Number<'_>,
        deriver: Option<String>,
        signatures: Vec<String>,
        ca: Option<String>,
        other: Vec<String>,
    ) -> Result<Self, Failure> {
        let mut file = NarInfoFile::new(narinfo.0.clone(), &url);
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
    #[napi(catch_unwind)]
    pub fn to_text(&self) -> Result<String, Failure> {
        Ok(self.0.to_text()?)
    }

    /// The full store path.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn store_path(&self) -> String {
        self.0.narinfo.store_path().into()
    }

    /// The digest of the NAR.
    #[napi(getter, catch_unwind)]
    pub fn nar_hash<'env>(&self, env: &'env Env) -> Result<Uint8ArraySlice<'env>, Failure> {
        bytes::copied(env, self.0.narinfo.nar_hash())
    }

    /// Bytes of the NAR.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn nar_size(&self) -> BigInt {
        self.0.narinfo.nar_size().into()
    }

    /// The full paths of what it refers to.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        self.0.narinfo.references().to_vec()
    }

    /// Where the NAR is.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn url(&self) -> String {
        self.0.url.clone()
    }

    /// The compression of the file there.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn compression(&self) -> String {
        self.0.compression.clone()
    }

    /// The digest of the file there.
    #[napi(getter, catch_unwind)]
    pub fn file_hash<'env>(&self, env: &'env Env) -> Result<Either<Uint8ArraySlice<'env>, ()>, Failure> {
        self.0.file_hash.map_or(Ok(Either::B(())), |hash| bytes::copied(env, &hash).map(Either::A))
    }

    /// Bytes of the file there.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn file_size(&self) -> Either<BigInt, ()> {
        self.0.file_size.map_or(Either::B(()), |size| Either::A(size.into()))
    }

    /// The full path of what was built.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn deriver(&self) -> Either<String, ()> {
        self.0.deriver.clone().map_or(Either::B(()), Either::A)
    }

    /// All signatures.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn signatures(&self) -> Vec<String> {
        self.0.signatures.clone()
    }

    /// How the path is content-addressed.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn ca(&self) -> Either<String, ()> {
        self.0.ca.clone().map_or(Either::B(()), Either::A)
    }

    /// Fields of other names: names and values in turn.
    #[napi(getter, catch_unwind)]
    #[must_use]
    pub fn other(&self) -> Vec<String> {
        self.0.other.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect()
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
