//! A store in a bucket: S3 and compatible servers, Google Cloud Storage, Azure Blob Storage.

#[cfg(feature = "buckets")]
mod archived;
#[cfg(feature = "buckets")]
mod aws;
#[cfg(feature = "buckets")]
mod body;
#[cfg(feature = "buckets")]
mod checksum;
#[cfg(feature = "buckets")]
mod credentials;
#[cfg(feature = "buckets")]
mod failure;
#[cfg(feature = "buckets")]
mod list;
#[cfg(feature = "buckets")]
mod listing;
#[cfg(feature = "buckets")]
mod multipart;
#[cfg(feature = "buckets")]
mod others;
#[cfg(feature = "buckets")]
mod read;
#[cfg(feature = "buckets")]
mod refusal;
#[cfg(feature = "buckets")]
mod service;
#[cfg(feature = "buckets")]
mod store;
mod url;
#[cfg(feature = "buckets")]
mod write;
#[cfg(feature = "buckets")]
mod xml;

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "buckets")]
pub use store::BucketStore;
pub use url::{BucketUrl, Provider};

/// The way in which buckets are reached. A field that is `None` is filled as the provider's own tools fill it: from
/// the environment, profiles or instance roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketOptions {
    /// The server, if it is not the provider's: `http://localhost:9000`.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// The profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// The place of a bucket's name in URLs.
    pub addressing: Addressing,
    /// The credentials of requests.
    pub credentials: BucketCredentials,
    /// A folder in which files wait to be put.
    pub staging: PathBuf,
}

/// The credentials with which a bucket is reached.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum BucketCredentials {
    /// The credentials that the provider's own tools would find, or none if there are none.
    #[default]
    Ambient,
    /// These keys (S3 only).
    Keys {
        /// The access key.
        id: String,
        /// Its secret.
        secret: String,
        /// The token of a session.
        token: Option<String>,
    },
    /// No credentials: only what is open to anybody.
    Anonymous,
}

/// Shows no secret.
impl fmt::Debug for BucketCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambient => f.write_str("Ambient"),
            Self::Keys { id, .. } => f.debug_struct("Keys").field("id", id).finish_non_exhaustive(),
            Self::Anonymous => f.write_str("Anonymous"),
        }
    }
}

/// The place of a bucket's name in URLs (S3 only).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Addressing {
    /// In the host's name at AWS itself, if the name allows it; in the path at other endpoints.
    #[default]
    Auto,
    /// In the path: `https://host/bucket/key`.
    Path,
    /// In the host's name: `https://bucket.host/key`.
    Virtual,
}
