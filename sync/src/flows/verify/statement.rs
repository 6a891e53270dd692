//! Checks that an index is trusted, without a file.

use regrow_chunker::Digest;
use serde::Serialize;

use crate::place::claims::ClaimsReport;
use crate::place::network::{Front, HeadFirst};
use crate::place::trust::Stated;
use crate::plan::outline::outline;
use crate::{Location, Network, Progress, SyncError, Trust, TrustError};

/// What a trusted index states about its image.
#[derive(Debug, Clone, Serialize)]
pub struct StatementReport {
    /// The size of the image.
    pub image_bytes: u64,
    /// The BLAKE3 hash of the image.
    pub image_digest: String,
    /// What its publisher claims.
    #[serde(flatten)]
    pub claims: ClaimsReport,
    /// The number of trusted keys that signed.
    pub signers: u64,
}

/// Checks that an index states an image that is trusted. Only the head of an index of version 2 is read. The state
/// folder is read too, and stays as it is.
///
/// # Errors
/// [`SyncError::Untrusted`], or the index cannot be read.
pub fn verify_statement(
    location: &Location,
    trust: &Trust,
    network: &mut Network,
    progress: &dyn Progress,
) -> Result<StatementReport, SyncError> {
    if !trust.checks() {
        return Err(SyncError::Untrusted { location: location.to_string(), reason: TrustError::NothingToCheckBy });
    }
    let index = match network.open_front(location, None, HeadFirst::Always)? {
        Front::Index(index) => *index,
        Front::Head(open) => outline(&open.head, Vec::new()),
    };
    let accepted = trust.check(location, &Stated::by_index(&index), progress)?;
    let claims = index.units.as_ref().map(|units| ClaimsReport::of(&units.claims, units.signatures.len()));
    Ok(StatementReport {
        image_bytes: index.image_bytes,
        image_digest: Digest::from_bytes(index.image_digest).to_string(),
        claims: claims.unwrap_or_default(),
        signers: accepted.signers as u64,
    })
}
