//! What Nix accepts as a path in a store.

use super::base32::nix_base32_decode;
use super::error::InvalidNarInfo;
use alloc::borrow::ToOwned;
use alloc::string::String;

/// Accepts what Nix accepts as a path in a store, so that no path can pretend to be two fields.
pub(super) fn checked_path(path: &str) -> Result<String, InvalidNarInfo> {
    let invalid = || InvalidNarInfo::StorePath { path: path.to_owned() };
    let (store, base) = path.rsplit_once('/').ok_or_else(invalid)?;
    let (hash, name) = base.split_once('-').ok_or_else(invalid)?;
    let folder = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(SEPARATORS);
    let in_store = store.strip_prefix('/').is_some_and(|folders| folders.split('/').all(folder));
    let hashed = hash.len() == 32 && nix_base32_decode(hash).is_ok();
    if in_store && hashed && is_store_name(name) { Ok(path.to_owned()) } else { Err(invalid()) }
}

/// What ends a field, a path in a list, or a line of the fingerprint and of its signature.
const SEPARATORS: fn(char) -> bool = |c| c == ';' || c == ',' || c.is_control();

/// Nix refuses names that are `.` or `..`, also before a dash.
fn is_store_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "+-._?=".contains(c);
    let first = name.split('-').next().unwrap_or(name);
    (1..=211).contains(&name.len()) && name.chars().all(allowed) && !matches!(first, "." | "..")
}
