//! Ed25519 keys in PEM (RFC 7468, RFC 8410). Both forms of such a key have a fixed beginning, so nothing of ASN.1 is
//! read beyond it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::SignError;

/// SubjectPublicKeyInfo up to the key.
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// From the version of a PKCS #8 key on up to the seed. The length before it depends on what follows the seed.
const SECRET: [u8; 14] = [0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A key that was found in a PEM file.
pub(crate) enum Key {
    Public([u8; 32]),
    /// The seed of a secret key.
    #[cfg_attr(not(feature = "make"), expect(dead_code, reason = "devices only check signatures"))]
    Secret([u8; 32]),
}

/// Finds the first key in a text, if the text is PEM.
pub(crate) fn find(text: &str) -> Option<Result<Key, SignError>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some(match (label, STANDARD.decode(body)) {
        ("PUBLIC KEY", Ok(der)) => public_of(&der).map(Key::Public).ok_or(SignError::Algorithm),
        ("PRIVATE KEY", Ok(der)) => seed_of(&der).map(Key::Secret).ok_or(SignError::Algorithm),
        ("ENCRYPTED PRIVATE KEY", _) => {
            Err(SignError::Password("such a PEM file is not read; decrypt it with openssl"))
        }
        _ => Err(SignError::Algorithm),
    })
}

fn public_of(der: &[u8]) -> Option<[u8; 32]> {
    der.strip_prefix(&PUBLIC)?.try_into().ok()
}

/// The seed of version 1 of the format, or of version 2, where the public key follows it (RFC 5958).
fn seed_of(der: &[u8]) -> Option<[u8; 32]> {
    let [0x30, length, rest @ ..] = der else { return None };
    if usize::from(*length) != rest.len() || rest.len() > 127 {
        return None;
    }
    let [0x02, 0x01, 0 | 1, ..] = rest else { return None };
    rest[3..].strip_prefix(&SECRET[3..])?.first_chunk().copied()
}

/// A public key in PEM.
pub(crate) fn public(key: &[u8; 32]) -> String {
    let der = [PUBLIC.as_slice(), key].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}
