//! Public keys.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use crate::{SignError, minisig, pem};

/// The largest size of a key file in bytes. Real ones have some 200.
pub const MAX_KEY_BYTES: usize = 16 << 10;

/// What minisign's public keys begin with.
const MINISIGN: &[u8; 2] = b"Ed";

/// The id of a key: a hint that says whose a signature is. minisign draws it by lot; for a key without one it is the
/// first 8 bytes of the SHA-256 of the public key's 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    /// Writes the id as minisign does, as a number in hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

/// An Ed25519 public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    bytes: [u8; 32],
}

impl PublicKey {
    /// Takes a key that has no id of its own.
    #[must_use]
    pub fn of_bytes(bytes: [u8; 32]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&digest(&SHA256, &bytes).as_ref()[..8]);
        Self { id: KeyId(id), bytes }
    }

    #[cfg(feature = "make")]
    pub(crate) fn with_id(id: KeyId, bytes: [u8; 32]) -> Self {
        Self { id, bytes }
    }

    /// Reads a key from the text of a file: a comment and a line of base64, or that line alone, as minisign has them,
    /// or PEM.
    ///
    /// # Errors
    /// A [`SignError`] that says what the text is instead.
    pub fn parse(text: &str) -> Result<Self, SignError> {
        if let Some(pem) = pem::find(text) {
            return match pem? {
                pem::Key::Public(bytes) => Ok(Self::of_bytes(bytes)),
                pem::Key::Secret(_) => Err(SignError::SecretInstead),
            };
        }
        if minisig::secret_key(text).is_some() {
            return Err(SignError::SecretInstead);
        }
        let line = minisig::lines(text).next().ok_or(SignError::NotPublic)?;
        let bytes = STANDARD.decode(line).map_err(|_| SignError::NotPublic)?;
        let bytes: [u8; 42] = bytes.try_into().map_err(|_| SignError::NotPublic)?;
        if !bytes.starts_with(MINISIGN) {
            return Err(SignError::NotPublic);
        }
        let (mut id, mut key) = ([0; 8], [0; 32]);
        id.copy_from_slice(&bytes[2..10]);
        key.copy_from_slice(&bytes[10..]);
        Ok(Self { id: KeyId(id), bytes: key })
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key itself, as RFC 8032 encodes it.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The key as minisign writes it: a comment, and a line of base64.
    #[must_use]
    pub fn to_minisign(&self) -> String {
        format!("untrusted comment: minisign public key {}\n{}\n", self.id, self.to_base64())
    }

    /// The line of base64 by which `minisign -P` takes the key.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode([MINISIGN.as_slice(), &self.id.0, &self.bytes].concat())
    }

    /// The key in PEM, as openssl and the consoles of cloud services take it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::public(&self.bytes)
    }
}
