//! A folder with the OCI image layout (OCI image-spec 1.1, image-layout.md).

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use regrow_store::BlobDigest;

use super::documents::{Descriptor, Document, MAX_DOCUMENT_BYTES, Wanted, WrittenDescriptor, WrittenDocument};
use super::documents::{for_platform, malformed};
use super::names::is_tag;
use super::{Blobs, Found, digest, read_small};
use crate::SourceError;

/// The annotations by which an image in a layout is named.
const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
/// The most images that an error lists.
const MAX_LISTED: usize = 20;

/// The blobs of a layout.
struct Layout {
    folder: PathBuf,
}

impl Layout {
    fn path(&self, digest: &BlobDigest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest::hex(digest))
    }
}

impl Blobs for Layout {
    fn document(&self, document: &Descriptor) -> Result<Vec<u8>, SourceError> {
        read_small(self, document, MAX_DOCUMENT_BYTES)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SourceError> {
        let path = self.path(&blob.digest);
        Ok(Box::new(regrow_local::FileSeed::open_file(&path)?))
    }
}

/// The image in a layout that is wanted.
enum Which {
    Only,
    Tag(String),
    Digest(BlobDigest),
}

/// Finds the folder in `DIR`, `DIR:TAG` or `DIR@sha256:HEX`. A folder may have such a name itself.
fn parse(text: &Path) -> Result<(PathBuf, Which), SourceError> {
    if text.is_dir() {
        return Ok((text.to_owned(), Which::Only));
    }
    let bytes = text.as_os_str().as_bytes();
    let split = |at: usize| (PathBuf::from(OsStr::from_bytes(&bytes[..at])), &bytes[at + 1..]);
    if let Some((folder, digest)) = bytes.iter().rposition(|&byte| byte == b'@').map(split)
        && digest.starts_with(b"sha")
    {
        return Ok((folder, Which::Digest(digest::parse(&String::from_utf8_lossy(digest))?)));
    }
    let colon = bytes.iter().position(|&byte| byte == b':');
    let last_colon = bytes.iter().rposition(|&byte| byte == b':').filter(|&at| !split(at).1.contains(&b'/'));
    // A name in full has colons and slashes itself, so the first colon that follows a folder counts.
    let at = colon.filter(|&at| split(at).0.is_dir()).or(last_colon);
    match at.map(split) {
        Some((folder, tag)) if !tag.is_empty() => Ok((folder, Which::Tag(String::from_utf8_lossy(tag).into_owned()))),
        _ => Ok((text.to_owned(), Which::Only)),
    }
}

/// Finds an image in a layout.
pub(super) fn open(text: &Path, wanted: &Wanted) -> Result<Found, SourceError> {
    let (folder, which) = parse(text)?;
    let place = folder.join("index.json");
    let mut index = Vec::new();
    let file = regrow_local::FileSeed::open_file(&place)?;
    file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut index).map_err(SourceError::io(place.display()))?;
    if index.len() as u64 > MAX_DOCUMENT_BYTES {
        let document = place.display().to_string();
        return Err(SourceError::TooMuch { document, most: MAX_DOCUMENT_BYTES, what: "bytes" });
    }
    let index: WrittenDocument = serde_json::from_slice(&index).map_err(|error| malformed(place.display(), error))?;
    let manifests = index.manifests.unwrap_or_default();
    let layout = Layout { folder };
    let descriptor = match which {
        Which::Digest(digest) => by_digest(&layout, &manifests, digest, &place)?,
        Which::Tag(tag) => by_name(&manifests, &tag, wanted)?.read(&place.display().to_string())?,
        Which::Only => match &manifests[..] {
            [] => return Err(SourceError::NotFound { there: Vec::new() }),
            [only] => only.read(&place.display().to_string())?,
            several => return Err(SourceError::Several { there: shown(several) }),
        },
    };
    let root = Document::read(&layout, &descriptor)?;
    Ok(Found { blobs: Box::new(layout), root })
}

/// The descriptor of the image that has a name.
fn by_name<'d>(
    manifests: &'d [WrittenDescriptor],
    name: &str,
    wanted: &Wanted,
) -> Result<&'d WrittenDescriptor, SourceError> {
    let full = |stated: &str| {
        stated == name || (is_tag(name) && stated.strip_suffix(name).is_some_and(|rest| rest.ends_with(':')))
    };
    let is_named = |manifest: &&WrittenDescriptor| {
        let annotations = manifest.annotations.as_ref();
        NAMES.iter().any(|key| annotations.and_then(|all| all.get(*key)).is_some_and(|stated| full(stated)))
    };
    let named: Vec<&WrittenDescriptor> = manifests.iter().filter(is_named).collect();
    match (&named[..], wanted) {
        ([], _) => Err(SourceError::NotFound { there: shown(manifests) }),
        ([only], _) => Ok(only),
        // Some writers give each platform's manifest the same name.
        (_, Wanted::One { platform, .. }) => for_platform(&named, platform),
        (_, Wanted::All) => Err(SourceError::Several { there: shown_digests(&named) }),
    }
}

/// The descriptor of the image of a digest. The layout need not list it.
fn by_digest(
    layout: &Layout,
    manifests: &[WrittenDescriptor],
    digest: BlobDigest,
    place: &Path,
) -> Result<Descriptor, SourceError> {
    let listed = manifests
        .iter()
        .find_map(|manifest| manifest.read(&place.display().to_string()).ok().filter(|listed| listed.digest == digest));
    if let Some(listed) = listed {
        return Ok(listed);
    }
    match File::open(layout.path(&digest)).and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(Descriptor { kind: String::new(), digest, bytes: metadata.len() }),
        Err(_) => Err(SourceError::NotFound { there: shown(manifests) }),
    }
}

/// The images that a layout lists, as a user would name them.
fn shown(manifests: &[WrittenDescriptor]) -> Vec<String> {
    let name = |manifest: &WrittenDescriptor| {
        let annotations = manifest.annotations.as_ref();
        let named = NAMES.iter().find_map(|key| annotations?.get(*key).cloned());
        named.unwrap_or_else(|| manifest.digest.clone())
    };
    manifests.iter().take(MAX_LISTED).map(name).collect()
}

fn shown_digests(manifests: &[&WrittenDescriptor]) -> Vec<String> {
    manifests.iter().take(MAX_LISTED).map(|manifest| manifest.digest.clone()).collect()
}
