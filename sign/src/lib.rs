//! Signatures of what an image is: keys, checking, and making them.
//!
//! What is signed is the *statement* of an image, the bytes of which docs/format/index-2.md describes. This crate does
//! not look into them. All signatures are Ed25519 (RFC 8032), by [ring](https://docs.rs/ring); there is no
//! cryptography of our own here. They come in two kinds, since two families of tools make them:
//!
//! - [`SignatureKind::Pure`] is over the statement itself. `openssl pkeyutl -sign -rawin` and cloud services make it.
//! - [`SignatureKind::Prehashed`] is over the BLAKE2b-512 of the statement. `minisign -S` makes it.
//!
//! A machine has [`Keys`], and a statement counts as signed if enough of them signed it. Keys are files as `minisign
//! -G` writes them, or PEM files as `openssl genpkey -algorithm ed25519` writes them (RFC 8410).
//!
#![cfg_attr(
    feature = "make",
    doc = r#"
```
use regrow_sign::{Keys, SecretKey, SignError};

let (secret, _file) = SecretKey::generate(None)?;
let statement = b"what the image is";
let signature = secret.sign(statement);

let keys = Keys::new(vec![secret.public()])?;
assert_eq!(keys.check(statement, &[signature], 1)?, 1);
assert!(keys.check(b"something else", &[signature], 1).is_err());
# Ok::<(), SignError>(())
```
"#
)]

mod error;
mod key;
mod keys;
mod minisig;
mod pem;
#[cfg(feature = "make")]
mod secret;
mod signature;

#[cfg(test)]
mod tests;

pub use error::SignError;
pub use key::{KeyId, MAX_KEY_BYTES, PublicKey};
pub use keys::{Keys, MAX_KEYS};
pub use minisig::MAX_SIGNATURE_FILE_BYTES;
#[cfg(feature = "make")]
pub use secret::SecretKey;
pub use signature::{MAX_SIGNATURES, Signature, SignatureKind};
