//! Secret keys, and signing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use blake2b_simd::blake2b;
use minisign::SecretKeyBox;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::{KeyId, PublicKey, SignError, Signature, SignatureKind, minisig, pem};

/// A secret key, with its public key.
pub struct SecretKey {
    public: PublicKey,
    pair: Ed25519KeyPair,
    /// Minisign's keys sign as `minisign -S` does, and PEM keys as openssl does.
    kind: SignatureKind,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

fn failed(error: impl std::fmt::Display) -> SignError {
    SignError::Making(error.to_string())
}

impl SecretKey {
    /// Makes a new key. The second result is its file as minisign writes it, encrypted if there is a password.
    ///
    /// # Errors
    /// [`SignError::Making`] if the system has no random bytes.
    pub fn generate(password: Option<String>) -> Result<(Self, String), SignError> {
        let made = match &password {
            None => minisign::KeyPair::generate_unencrypted_keypair(),
            Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password.clone())),
        };
        let file = made.map_err(failed)?.sk.to_box(Some("regrow signing key")).map_err(failed)?.into_string();
        Ok((Self::parse(&file, || password)?, file))
    }

    /// Reads a key from the text of a file: minisign's format, encrypted or not, or PEM. `password` is asked only for an
    /// encrypted one.
    ///
    /// # Errors
    /// A [`SignError`] that says what the text is instead, or [`SignError::Password`].
    pub fn parse(text: &str, password: impl FnOnce() -> Option<String>) -> Result<Self, SignError> {
        if let Some(found) = pem::find(text) {
            return match found? {
                pem::Key::Secret(seed) => Self::of_seed(&seed, None),
                pem::Key::Public(_) => Err(SignError::PublicInstead),
            };
        }
        if PublicKey::parse(text).is_ok() {
            return Err(SignError::PublicInstead);
        }
        let mut bytes = minisig::secret_key(text).ok_or(SignError::NotSecret)?;
        if minisig::is_encrypted(&bytes) {
            let password = password().ok_or(SignError::Password("no password is given"))?;
            // The library takes the key from the second line.
            let boxed = SecretKeyBox::from(format!("untrusted comment: \n{}\n", STANDARD.encode(bytes)));
            let opened = boxed.into_secret_key(Some(password)).ok().and_then(|key| key.to_bytes().try_into().ok());
            bytes = opened.ok_or(SignError::Password("the password is wrong, or the key is damaged"))?;
        }
        let (id, seed) = minisig::id_and_seed(&bytes);
        let key = Self::of_seed(&seed, Some(id))?;
        // The public key stands behind the seed. minisign's own unencrypted keys have no other checksum.
        if minisig::public_in_secret(&bytes) == key.public.bytes() { Ok(key) } else { Err(SignError::NotSecret) }
    }

    /// A key with an id is one of minisign's.
    fn of_seed(seed: &[u8; 32], id: Option<KeyId>) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| SignError::NotSecret)?;
        let bytes = pair.public_key().as_ref().try_into().map_err(|_| SignError::NotSecret)?;
        let (public, kind) = match id {
            Some(id) => (PublicKey::with_id(id, bytes), SignatureKind::Prehashed),
            None => (PublicKey::of_bytes(bytes), SignatureKind::Pure),
        };
        Ok(Self { public, pair, kind })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs a statement.
    #[must_use]
    pub fn sign(&self, statement: &[u8]) -> Signature {
        let bytes = match self.kind {
            SignatureKind::Pure => self.sign_bytes(statement),
            SignatureKind::Prehashed => self.sign_bytes(blake2b(statement).as_bytes()),
        };
        Signature { kind: self.kind, key: self.public.id(), bytes }
    }

    fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.pair.sign(bytes).as_ref());
        out
    }

    /// A signature by this key as a file of its own. A key of minisign's format gives what `minisign -V` takes, with a
    /// `comment` that is signed too and must be one line. A PEM key gives the 64 bytes that `openssl pkeyutl -verify`
    /// takes.
    #[must_use]
    pub fn detached(&self, signature: &Signature, comment: &str) -> Vec<u8> {
        match self.kind {
            SignatureKind::Pure => signature.bytes.to_vec(),
            SignatureKind::Prehashed => {
                let comment = comment.lines().next().unwrap_or_default();
                let global = self.sign_bytes(&[&signature.bytes, comment.as_bytes()].concat());
                minisig::write(signature, comment, &global).into_bytes()
            }
        }
    }
}
