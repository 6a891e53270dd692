//! A signature of a statement.

use blake2b_simd::blake2b;
use ring::signature::{ED25519, UnparsedPublicKey};

use crate::{KeyId, PublicKey, SignError};

/// The most signatures that a reader looks at. Each takes some 100 microseconds.
pub const MAX_SIGNATURES: usize = 16;

/// What exactly is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignatureKind {
    /// The statement's bytes.
    Pure,
    /// The BLAKE2b-512 of the statement's bytes.
    Prehashed,
}

impl SignatureKind {
    /// The number that stands for the kind in an index.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Pure => 1,
            Self::Prehashed => 2,
        }
    }

    /// The kind of this number, if it is known.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [Self::Pure, Self::Prehashed].into_iter().find(|kind| kind.number() == number)
    }
}

/// An Ed25519 signature, and the id of the key that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature {
    /// What is signed.
    pub kind: SignatureKind,
    /// The id of the key. It only helps to find the key.
    pub key: KeyId,
    /// R and S of RFC 8032.
    pub bytes: [u8; 64],
}

impl Signature {
    /// Checks that `key` made this signature of `statement`.
    ///
    /// # Errors
    /// [`SignError::Wrong`] if it did not.
    pub fn check(&self, statement: &[u8], key: &PublicKey) -> Result<(), SignError> {
        let verifier = UnparsedPublicKey::new(&ED25519, key.bytes());
        let verified = match self.kind {
            SignatureKind::Pure => verifier.verify(statement, &self.bytes),
            SignatureKind::Prehashed => verifier.verify(blake2b(statement).as_bytes(), &self.bytes),
        };
        verified.map_err(|_| SignError::Wrong(key.id()))
    }
}
