//! SHA-256, by which engines name everything.

use std::fmt;

use ring::digest::{Context, SHA256, digest};

use crate::{EngineError, EngineKind};

const PREFIX: &str = "sha256:";

/// A SHA-256 digest. It is shown as `sha256:HEX`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest that has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_ring(&digest(&SHA256, bytes))
    }

    fn of_ring(digest: &ring::digest::Digest) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(bytes)
    }

    /// Reads a digest of the form `sha256:HEX`, or of 64 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: &[u8; 64] = text.strip_prefix(PREFIX).unwrap_or(text).as_bytes().try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let digit = |at: usize| (pair[at] as char).to_digit(16);
            *byte = (digit(0)? << 4 | digit(1)?) as u8;
        }
        Some(Self(bytes))
    }

    /// The 64 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", self.hex())
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The names of layers together with all layers below them, by the rule of the OCI image specification.
pub(crate) fn chain_ids(diff_ids: &[Sha256]) -> Vec<Sha256> {
    let mut chains: Vec<Sha256> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let below = chains.last().map(|below| Sha256::of(format!("{below} {diff_id}").as_bytes()));
        chains.push(below.unwrap_or(*diff_id));
    }
    chains
}

/// The digest of bytes that come in pieces, and what it should be.
pub(crate) struct Hashing {
    context: Context,
    missing: u64,
    expected: Option<Sha256>,
}

impl Hashing {
    pub(crate) fn new(expected: Option<Sha256>, bytes: u64) -> Self {
        Self { context: Context::new(&SHA256), missing: bytes, expected }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if self.expected.is_some() {
            self.context.update(bytes);
        }
        self.missing = self.missing.wrapping_sub(bytes.len() as u64);
    }

    /// Whether all bytes came and were the right ones.
    pub(crate) fn check(self, engine: EngineKind) -> Result<(), EngineError> {
        let found = Sha256::of_ring(&self.context.finish());
        let expected = self.expected.unwrap_or(found);
        if found == expected && self.missing == 0 {
            return Ok(());
        }
        Err(EngineError::OtherLayer { engine, expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_as_they_are_shown() {
        let digest = Sha256::of(b"abc");
        assert_eq!(digest.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Sha256::parse(&digest.to_string()), Some(digest));
        assert_eq!(Sha256::parse(&digest.hex()), Some(digest));
        for wrong in ["", "sha256:", "sha512:00", &"g".repeat(64), &"ä".repeat(32)] {
            assert_eq!(Sha256::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_chain_names_all_that_is_below() {
        let [a, b] = [Sha256::of(b"a"), Sha256::of(b"b")];
        let both = Sha256::of(format!("{a} {b}").as_bytes());
        assert_eq!(chain_ids(&[a, b]), [a, both]);
        assert_ne!(chain_ids(&[b, a])[1], both);
        assert!(chain_ids(&[]).is_empty());
    }
}
