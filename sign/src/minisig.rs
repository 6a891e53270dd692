//! Files as minisign writes them: lines of base64 between comments.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{KeyId, PublicKey, SignError, Signature, SignatureKind};

/// The largest size of a file with a signature in bytes. Real ones have some 300.
pub const MAX_SIGNATURE_FILE_BYTES: usize = 16 << 10;

/// What a signature begins with, by its kind.
const KINDS: [(&[u8; 2], SignatureKind); 2] = [(b"Ed", SignatureKind::Pure), (b"ED", SignatureKind::Prehashed)];
/// The size of a secret key: names of three algorithms, salt and limits of the password's hash, id, seed, public key,
/// checksum.
const SECRET_BYTES: usize = 158;

/// The lines that are neither empty nor comments.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &str| line.starts_with("untrusted comment:") || line.starts_with("trusted comment:");
    text.lines().map(str::trim).filter(move |line| !line.is_empty() && !is_comment(line))
}

/// The bytes of a secret key, encrypted or not, if a text is one.
pub(crate) fn secret_key(text: &str) -> Option<[u8; SECRET_BYTES]> {
    let bytes: [u8; SECRET_BYTES] = STANDARD.decode(lines(text).next()?).ok()?.try_into().ok()?;
    bytes.starts_with(b"Ed").then_some(bytes)
}

#[cfg(feature = "make")]
pub(crate) fn is_encrypted(secret: &[u8; SECRET_BYTES]) -> bool {
    secret[2..4] != [0, 0]
}

#[cfg(feature = "make")]
pub(crate) fn id_and_seed(secret: &[u8; SECRET_BYTES]) -> (KeyId, [u8; 32]) {
    let (mut id, mut seed) = ([0; 8], [0; 32]);
    id.copy_from_slice(&secret[54..62]);
    seed.copy_from_slice(&secret[62..94]);
    (KeyId(id), seed)
}

#[cfg(feature = "make")]
pub(crate) fn public_in_secret(secret: &[u8; SECRET_BYTES]) -> &[u8] {
    &secret[94..126]
}

impl Signature {
    /// Reads a signature from the bytes of a file: as minisign writes it, the 64 bytes as they are, or those in base64,
    /// as the consoles of cloud services give them. The latter two do not say whose they are, so they take the `key`
    /// that made them.
    ///
    /// # Errors
    /// [`SignError::NotSignature`] if the file is none of these, and [`SignError::KeyNeeded`].
    pub fn parse(file: &[u8], key: Option<&PublicKey>) -> Result<Self, SignError> {
        let pure = |bytes: [u8; 64]| {
            let key = key.ok_or(SignError::KeyNeeded)?.id();
            Ok(Self { kind: SignatureKind::Pure, key, bytes })
        };
        if let Ok(bytes) = file.try_into() {
            return pure(bytes);
        }
        let text = std::str::from_utf8(file).map_err(|_| SignError::NotSignature)?;
        let line = lines(text).next().ok_or(SignError::NotSignature)?;
        let bytes = STANDARD.decode(line).map_err(|_| SignError::NotSignature)?;
        if let Ok(bytes) = bytes.as_slice().try_into() {
            return pure(bytes);
        }
        let bytes: [u8; 74] = bytes.try_into().map_err(|_| SignError::NotSignature)?;
        let (_, kind) = KINDS.into_iter().find(|(name, _)| bytes.starts_with(*name)).ok_or(SignError::NotSignature)?;
        let (mut id, mut signature) = ([0; 8], [0; 64]);
        id.copy_from_slice(&bytes[2..10]);
        signature.copy_from_slice(&bytes[10..]);
        Ok(Self { kind, key: KeyId(id), bytes: signature })
    }
}

/// A signature with a comment. `global` is the signature of the signature and the comment.
#[cfg(feature = "make")]
pub(crate) fn write(signature: &Signature, comment: &str, global: &[u8; 64]) -> String {
    let name = KINDS.into_iter().find(|(_, kind)| *kind == signature.kind).map_or(b"Ed", |(name, _)| name);
    let line = STANDARD.encode([name.as_slice(), &signature.key.0, &signature.bytes].concat());
    let global = STANDARD.encode(global);
    format!("untrusted comment: signature of key {}\n{line}\ntrusted comment: {comment}\n{global}\n", signature.key)
}
