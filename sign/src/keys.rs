//! The keys that a machine trusts.

use std::collections::BTreeMap;

use crate::signature::Message;
use crate::{KeyId, MAX_SIGNATURES, PublicKey, SignError, Signature};

/// The most keys that a machine may trust at a time.
pub const MAX_KEYS: usize = 64;

/// The keys that a machine trusts, each by its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<KeyId, PublicKey>);

impl Keys {
    /// Collects keys. The same key may be there twice.
    ///
    /// # Errors
    /// [`SignError::SameId`] if two different keys have one id, and [`SignError::TooManyKeys`].
    pub fn new(keys: Vec<PublicKey>) -> Result<Self, SignError> {
        let mut found = BTreeMap::new();
        for key in keys {
            if found.insert(key.id(), key).is_some_and(|other: PublicKey| other != key) {
                return Err(SignError::SameId(key.id()));
            }
        }
        if found.len() > MAX_KEYS { Err(SignError::TooManyKeys) } else { Ok(Self(found)) }
    }

    /// Whether no key is trusted, so that nothing can be checked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The signature in a file that is no part of a signed document. A file that does not say whose signature it has is
    /// tried with each key.
    ///
    /// # Errors
    /// [`SignError::NotSignature`], and [`SignError::NoKeyFits`] if none of the keys made it.
    pub fn signature_in(&self, file: &[u8], statement: &[u8]) -> Result<Signature, SignError> {
        match Signature::parse(file, None) {
            Err(SignError::KeyNeeded) => {}
            said => return said,
        }
        let made_by = |key: &PublicKey| {
            let signature = Signature::parse(file, Some(key)).ok()?;
            signature.check(statement, key).is_ok().then_some(signature)
        };
        self.0.values().find_map(made_by).ok_or(SignError::NoKeyFits)
    }

    /// Checks that at least `threshold` of the keys signed `statement`, and returns how many did. Several signatures by
    /// one key count once, even if the key is trusted under two ids, and those by other keys do not count. Only the
    /// first 2 * [`MAX_SIGNATURES`] are looked at: as many as an index may hold, and as many in files of their own.
    ///
    /// # Errors
    /// A [`SignError`] that says what is missing. A wrong signature by a trusted key is an error only if there are not
    /// enough right ones, so that a bad signature added by somebody else keeps nobody from an image.
    pub fn check(&self, statement: &[u8], signatures: &[Signature], threshold: usize) -> Result<usize, SignError> {
        let threshold = threshold.max(1);
        let message = Message::new(statement);
        let (mut signers, mut wrong, mut others) = (Vec::new(), None, Vec::new());
        for signature in signatures.iter().take(2 * MAX_SIGNATURES) {
            let Some(key) = self.0.get(&signature.key) else {
                others.push(signature.key.to_string());
                continue;
            };
            match signature.check_message(&message, key) {
                Ok(()) if signers.contains(&key.bytes()) => {}
                Ok(()) => signers.push(key.bytes()),
                Err(error) => wrong = Some(error),
            }
        }
        match (signers.len(), wrong) {
            (found, _) if found >= threshold => Ok(found),
            (_, Some(wrong)) => Err(wrong),
            (0, None) if others.is_empty() => Err(SignError::Unsigned),
            (0, None) => Err(SignError::Untrusted(others.join(", "))),
            (signers, None) => Err(SignError::TooFew { signers, threshold }),
        }
    }
}
