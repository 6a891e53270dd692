//! The checksum that guards an entry against damage.

use crate::entry::EntryKey;

const CONTEXT: &str = "regrow 2026 catalog seed v1";

/// BLAKE3 over the key and the blob. So neither a damaged blob nor a sound blob under a damaged key is returned.
/// Parts of varying length are preceded by their length.
pub(crate) fn checksum(key: &EntryKey, blob: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for part in [&key.name, key.rules.as_bytes(), &key.state, blob] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}
