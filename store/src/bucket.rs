//! A store in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

mod answer;
mod archived;
mod aws;
mod body;
mod checksum;
mod credentials;
mod failure;
mod list;
mod listing;
mod multipart;
mod others;
mod read;
mod service;
mod store;
mod url;
mod write;
mod xml;

use std::fmt;
use std::path::PathBuf;

pub use store::BucketStore;
pub use url::{BucketUrl, Provider};

/// How buckets are reached. What is `None` is found as the provider's own tools find it: environment, profiles,
/// instance roles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketOptions {
    /// The server, where it is not the provider's: `http://localhost:9000`.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// The profile in `~/.aws/config`.
    pub profile: Option<String>,
    /// How a bucket's name goes into URLs.
    pub addressing: Addressing,
    /// With whose rights.
    pub credentials: BucketCredentials,
    /// A folder where files wait to be put.
    pub staging: PathBuf,
}

/// With whose rights a bucket is reached.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum BucketCredentials {
    /// With credentials from where the provider's own tools look for them; without any if there are none.
    #[default]
    Ambient,
    /// With these keys (S3 only).
    Keys {
        /// The access key.
        id: String,
        /// Its secret.
        secret: String,
        /// The token of a session.
        token: Option<String>,
    },
    /// Without credentials, as anybody may.
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

/// How a bucket's name goes into URLs (S3 only).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Addressing {
    /// As the host's name at AWS itself, where the name allows it; in the path at other endpoints.
    #[default]
    Auto,
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`.
    Virtual,
}
