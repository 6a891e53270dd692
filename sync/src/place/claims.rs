//! What a publisher claims about an image, for reports.

use regrow_index::Claims;
use serde::Serialize;

/// What the statement of an image claims, and how many signatures it has.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClaimsReport {
    /// The channel, or nothing.
    pub channel: String,
    /// The number that grows with each image of the channel, or 0.
    pub counter: u64,
    /// The time of signing in seconds since 1970, or 0.
    pub signed_at: u64,
    /// The time after which the statement is no longer valid, in seconds since 1970, or 0.
    pub expires_at: u64,
    /// The number of signatures, by whatever keys.
    pub signatures: u64,
}

impl ClaimsReport {
    pub(crate) fn of(claims: &Claims, signatures: usize) -> Self {
        let Claims { channel, counter, signed_at, expires_at } = claims.clone();
        Self { channel, counter, signed_at, expires_at, signatures: signatures as u64 }
    }
}
