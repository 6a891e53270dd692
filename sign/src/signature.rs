//! A signature of a statement.

use std::cell::OnceCell;

use blake2b_simd::{Hash, blake2b};
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
        self.check_message(&Message::new(statement), key)
    }

    pub(crate) fn check_message(&self, message: &Message<'_>, key: &PublicKey) -> Result<(), SignError> {
        let verifier = UnparsedPublicKey::new(&ED25519, key.bytes());
        let verified = match self.kind {
            SignatureKind::Pure => verifier.verify(message.statement, &self.bytes),
            SignatureKind::Prehashed => verifier.verify(message.hash(), &self.bytes),
        };
        verified.map_err(|_| SignError::Wrong(key.id()))
    }
}

/// A statement that several signatures are checked of. It is hashed once, and only if one of them is of the hash.
pub(crate) struct Message<'a> {
    statement: &'a [u8],
    hash: OnceCell<Hash>,
}

impl<'a> Message<'a> {
    pub(crate) fn new(statement: &'a [u8]) -> Self {
        Self { statement, hash: OnceCell::new() }
    }

    fn hash(&self) -> &[u8] {
        self.hash.get_or_init(|| blake2b(self.statement)).as_bytes()
    }
}
