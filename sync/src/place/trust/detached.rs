//! Signatures in files of their own.

use bytes::Bytes;
use regrow_sign::{MAX_SIGNATURE_FILE_BYTES, SignError, Signature};

use super::keys::{bounded, open_file};
use crate::{Location, Network, SyncError};

/// The largest number of signatures beside an index that a check looks at.
pub const MAX_DETACHED_SIGNATURES: usize = regrow_sign::MAX_SIGNATURES;

/// A signature that is no part of an index, as `regrow sign`, minisign or OpenSSL writes it. Whose it is, and
/// of what, is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachedSignature(Bytes);

impl DetachedSignature {
    /// Reads a file, or fetches it.
    ///
    /// # Errors
    /// [`SyncError::Key`] if a file is no signature, [`SyncError::Signature`] if what a host gave is none, and whatever keeps it from being read.
    pub fn read(location: &Location, network: &mut Network) -> Result<Self, SyncError> {
        let bytes = match location {
            Location::Path(path) => bounded(path, open_file(path)?)?.into(),
            remote => network.fetch_small(remote, MAX_SIGNATURE_FILE_BYTES as u64)?,
        };
        match Signature::parse(&bytes, None) {
            Ok(_) | Err(SignError::KeyNeeded) => Ok(Self(bytes)),
            Err(source) => Err(match location {
                Location::Path(path) => SyncError::Key { path: path.clone(), source },
                remote => SyncError::Signature { location: remote.to_string(), source },
            }),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
