//! Images that are no file: in a folder with the OCI image layout, in a container engine, in a registry. Each comes as
//! an archive of one fixed form, docs/format/oci-archive.md, which is made while it is read.

mod daemon;
mod digest;
mod documents;
mod form;
mod layout;
mod names;
mod plain;
mod platform;
mod registry;
mod storage;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use regrow_engine::EngineOptions;
use regrow_store::RegistryUrl;

use crate::{Network, SourceError, SyncError};

use digest::Checked;
use documents::{Descriptor, Document, Documents, Wanted};
pub(crate) use form::ImageArchive;
pub use names::ImageName;
pub use platform::Platform;

/// The place of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageSource {
    /// A file of any kind, which is the image itself.
    File(PathBuf),
    /// A folder with the OCI image layout, and the tag or the digest of an image in it: `DIR`, `DIR:TAG` or
    /// `DIR@sha256:HEX`.
    Layout(PathBuf),
    /// An image of a Docker daemon, by its name or id.
    Daemon(String),
    /// An image in the storage of Podman, Buildah and CRI-O: `NAME`, or `ROOT/NAME` in a storage at another place.
    Storage(String),
    /// An image in a registry.
    Registry(RegistryUrl),
}

/// The part of a place that is wanted, and the names that the archive gives it.
#[derive(Debug, Clone, Default)]
pub struct SourceOptions {
    /// The platform, where the image is there for several. `None` stands for this machine's.
    pub platform: Option<Platform>,
    /// Whether the images for all platforms are wanted.
    pub all: bool,
    /// The names that the archive gives the image.
    pub names: Vec<ImageName>,
    /// The address of the Docker daemon, a path or `unix://PATH`, instead of the usual one.
    pub docker_address: Option<String>,
}

/// A place of blobs, which are named by their digests.
trait Blobs: Send {
    /// Reads a manifest or an index, and checks it.
    fn document(&self, document: &Descriptor) -> Result<Vec<u8>, SourceError>;
    /// Opens a blob. Its bytes are not checked.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError>;
}

/// A place of blobs, with the document of an image in it.
struct Found {
    blobs: Box<dyn Blobs>,
    root: Document,
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
            Self::Daemon(name) => write!(f, "docker-daemon:{name}"),
            Self::Storage(name) => write!(f, "containers-storage:{name}"),
            Self::Registry(url) => url.fmt(f),
        }
    }
}

impl ImageSource {
    /// Reads a source as users write it. Everything that does not begin with the word of a kind is a file. A file of
    /// such a name is written with its folder, as in `./oci:x`.
    ///
    /// # Errors
    /// [`SyncError::Store`] for a malformed URL of a registry.
    pub fn parse(text: &OsStr) -> Result<Self, SyncError> {
        let after = |word: &str| text.as_bytes().strip_prefix(word.as_bytes()).map(OsStr::from_bytes);
        if let Some(url) = text.to_str().map(RegistryUrl::parse).transpose()?.flatten() {
            return Ok(Self::Registry(url));
        }
        let named = |word: &str| after(word)?.to_str().filter(|name| !name.is_empty()).map(str::to_owned);
        if let Some(name) = named("docker-daemon:") {
            return Ok(Self::Daemon(name));
        }
        if let Some(name) = named("containers-storage:") {
            return Ok(Self::Storage(name));
        }
        Ok(match after("oci:") {
            Some(rest) if !rest.is_empty() => Self::Layout(rest.into()),
            _ => Self::File(text.into()),
        })
    }

    /// Whether the image is no file, and has to be opened by [`ImageSource::open`].
    #[must_use]
    pub fn is_archived(&self) -> bool {
        !matches!(self, Self::File(_))
    }

    /// Finds the image and reads its documents.
    ///
    /// # Errors
    /// [`SyncError::Source`] if the image is not there, or is none that can be published.
    pub(crate) fn open_in(
        &self,
        options: &SourceOptions,
        network: &mut Network,
        room: &dyn Fn(u64) -> Result<(), SourceError>,
    ) -> Result<SourceImage, SyncError> {
        let wanted = match options {
            SourceOptions { all: true, .. } => Wanted::All,
            SourceOptions { platform: Some(platform), .. } => {
                Wanted::One { platform: platform.clone(), is_stated: true }
            }
            _ => Wanted::One { platform: Platform::of_this_machine(), is_stated: false },
        };
        let mut opened = || {
            let found = match self {
                Self::File(path) => return Err(SourceError::io(path.display())(io::ErrorKind::InvalidInput.into())),
                Self::Layout(path) => layout::open(path, &wanted)?,
                Self::Daemon(name) => {
                    let engine = EngineOptions { address: options.docker_address.clone(), ..EngineOptions::default() };
                    daemon::open(name, &engine, (network.scratch(), room))?
                }
                Self::Storage(name) => storage::open(name)?,
                Self::Registry(url) => registry::open(url, network)?,
            };
            let documents = Documents::read(&*found.blobs, found.root, &wanted)?;
            ImageArchive::new(found.blobs, documents, &options.names)
        };
        Ok(SourceImage { name: self.to_string().into(), archive: opened().map_err(|error| error.of_image(self))? })
    }
}

/// An image of a source, which is read front to back as an archive.
pub struct SourceImage {
    name: PathBuf,
    archive: ImageArchive,
}

impl SourceImage {
    /// The name of the source, for messages.
    #[must_use]
    pub fn name(&self) -> &std::path::Path {
        &self.name
    }

    /// The size of the archive in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.archive.size()
    }

    /// The digest of the image's manifest or index, as `sha256:HEX`.
    #[must_use]
    pub fn digest(&self) -> String {
        self.archive.digest().to_string()
    }
}

impl Read for SourceImage {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.archive.read(out)
    }
}

/// Reads a blob whole, and checks it.
fn read_small(blobs: &dyn Blobs, blob: &Descriptor, most: u64) -> Result<Vec<u8>, SourceError> {
    if blob.bytes > most {
        return Err(SourceError::TooMuch { document: blob.digest.to_string(), most, what: "bytes" });
    }
    let mut bytes = Vec::with_capacity(blob.bytes as usize);
    let mut reader = Checked::new(blobs.open(blob)?, blob.digest, blob.bytes);
    match reader.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(error.downcast::<SourceError>().unwrap_or_else(SourceError::io(blob.digest))),
    }
}

#[cfg(test)]
mod tests;
