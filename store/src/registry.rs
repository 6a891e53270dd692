//! Registries of images, by the OCI distribution specification: their manifests and blobs, and how their clients log in.
//!
//! Requests go through the same client as those to static hosts, so its pace, redirects, proxies and bounds hold here
//! too. A registry's token stays with the registry: a redirect to a bucket does not carry it.

mod access;
mod artifact;
mod challenge;
mod client;
mod digest;
mod login;
mod login_files;
mod manifest;
#[cfg(feature = "registries")]
mod push;
mod store;
#[cfg(feature = "registries")]
mod time;
mod url;
#[cfg(feature = "registries")]
mod write;

use std::fmt;
use std::path::PathBuf;

pub use client::{FetchedManifest, RegistryClient, Rights};
pub use digest::{BlobDigest, BlobHasher};
pub use manifest::{Descriptor, MANIFEST_TYPES, Manifest, Platform};
pub use store::RegistryStore;
pub use url::{Reference, RegistryUrl, Transport};

/// The way in which registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// The logins of requests.
    pub logins: RegistryLogins,
}

/// The places where logins at registries are looked for.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum RegistryLogins {
    /// The files and helpers of Docker and Podman, where these look for them too.
    #[default]
    Ambient,
    /// These files, in the form of Docker's `config.json`.
    Files(Vec<PathBuf>),
    /// This user, at every registry.
    Password {
        /// The user's name.
        user: String,
        /// The password, or a token in its place.
        password: String,
    },
    /// No login: only what is open to anybody.
    Anonymous,
}

/// Shows no secret.
impl fmt::Debug for RegistryLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambient => f.write_str("Ambient"),
            Self::Files(paths) => f.debug_tuple("Files").field(paths).finish(),
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::Anonymous => f.write_str("Anonymous"),
        }
    }
}
