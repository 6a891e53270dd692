//! What can be wrong with keys and signatures.

use crate::KeyId;

/// A key or a signature that cannot be used, or a statement that is not signed as it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The text is no public key that is known.
    #[error("this is no Ed25519 public key: neither minisign's format nor PEM")]
    NotPublic,
    /// The text is no secret key that is known.
    #[error("this is no Ed25519 secret key: neither minisign's format nor PEM")]
    NotSecret,
    /// The text is a secret key where a public one belongs.
    #[error("this is a secret key, and a public one belongs here; keep it off this machine")]
    SecretInstead,
    /// The text is a public key where a secret one belongs.
    #[error("this is a public key, and signing takes the secret one")]
    PublicInstead,
    /// A secret key cannot be opened, because it is encrypted and the password is missing or wrong.
    #[error("the key is encrypted, and {0}")]
    Password(&'static str),
    /// The key is a PEM file of another algorithm.
    #[error("the key is not an Ed25519 key")]
    Algorithm,
    /// Two keys with one id, so a signature does not say whose it is.
    #[error("two different keys have the id {0}; remove one")]
    SameId(KeyId),
    /// More keys than anybody needs.
    #[error("there are more than {} keys", crate::MAX_KEYS)]
    TooManyKeys,
    /// The text is no signature that is known.
    #[error("this is no Ed25519 signature: neither minisign's format, nor 64 bytes, nor those in base64")]
    NotSignature,
    /// The signature does not say whose it is.
    #[error("the signature does not say which key made it; give the public key too")]
    KeyNeeded,
    /// A signature does not fit its statement and key.
    #[error("the signature of key {0} is not of this statement")]
    Wrong(KeyId),
    /// A signature that does not say whose it is fits no key.
    #[error("none of the trusted keys made the given signature of this statement")]
    NoKeyFits,
    /// There is no room for another signature.
    #[error("there is room for {} signatures only", crate::MAX_SIGNATURES)]
    TooManySignatures,
    /// There is no signature at all.
    #[error("it is not signed")]
    Unsigned,
    /// There are signatures, but none by a key that is trusted.
    #[error("it is signed only by keys that are not trusted here: {0}")]
    Untrusted(String),
    /// Fewer trusted keys signed than are asked for.
    #[error("{signers} of the {threshold} signatures by trusted keys are there")]
    TooFew {
        /// The number of trusted keys that signed.
        signers: usize,
        /// The number that is asked for.
        threshold: usize,
    },
    /// The system gives no random bytes, or a library refuses to sign.
    #[error("signing failed: {0}")]
    Making(String),
}
